"""Word lists of the coast that decisions and running text are about."""

ACTIVITIES = [
    "trawling", "dredging", "drilling", "blasting", "gillnetting", "spraying", "logging", "dumping",
    "mining", "longlining", "burning", "grazing", "paving", "tunnelling", "piling", "anchoring",
    "ploughing", "quarrying", "diving", "surveying",
]
ZONES = [
    "Arvik", "Belmar", "Corran", "Dunmore", "Eskdale", "Farnham", "Galloway", "Harrow", "Inverly",
    "Jarrow", "Kelso", "Larne", "Morwick", "Norden", "Oakmere", "Penrith", "Quarley", "Rathlin",
    "Selkirk", "Tarbert",
]
SEASONS = ["spring", "summer", "autumn", "winter"]
MEASURES = [
    "observers", "noise curtains", "silt screens", "turtle excluders", "spill booms", "buffer strips",
    "night closures", "flow bypasses", "warning buoys", "dust covers",
]
WILDLIFE = [
    "eelgrass", "salmon", "turtles", "seals", "otters", "terns", "oysters", "porpoises", "eels", "kelp",
    "bats", "curlews",
]
ACTORS = [
    "a company", "a state agency", "a cooperative", "a research team", "a contractor", "a town council",
]
