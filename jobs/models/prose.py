"""Skill 'text': running text of a small invented coast, so that perplexity has something to measure.

A document, about 370 tokens, is a notice that states rules and repeats them in its summary, then a
story from the same place that follows one person. Names, places and things stay the same within a document, so a reader that
remembers is less surprised than one that only knows the grammar.
"""
from places import ACTIVITIES, ACTORS, MEASURES, SEASONS, WILDLIFE, ZONES
from world import Example, pick, shuffled, split_of

HEROES = [("Rex", "he", "his"), ("Mara", "she", "her"), ("Otto", "he", "his"), ("Vera", "she", "her"),
          ("Hugo", "he", "his"), ("Nora", "she", "her"), ("Felix", "he", "his"), ("Iris", "she", "her")]
JOBS = ["fisher", "warden", "ferry pilot", "boat builder", "teacher", "lighthouse keeper", "diver", "cook"]
THINGS = ["lantern", "compass", "net", "map", "rope", "bell", "anchor", "letter", "basket", "whistle", "coat", "key"]
SPOTS = ["under the pier", "behind the old mill", "on the tide wall", "in the empty boat house",
         "near the salt road", "below the chapel", "beside the fish market", "at the ferry landing"]
WEATHER = ["The wind was cold", "Rain came from the west", "The sea was calm", "Fog lay on the water",
           "The sun was low", "Snow covered the quay"]
OFFICES = ["coastal office", "harbour board", "river council", "fishery service"]


def title(text):
    return text[0].upper() + text[1:]


def make_notice(rng, activity, zone, season):
    zones = [zone] + [z for z in shuffled(rng, ZONES) if z != zone][:2]
    activities = [activity] + [a for a in shuffled(rng, ACTIVITIES) if a != activity][:3]
    measures, animals = shuffled(rng, MEASURES), shuffled(rng, WILDLIFE)
    others = shuffled(rng, [s for s in SEASONS if s != season])
    office, number = pick(rng, OFFICES), 10 + int(rng.random() * 90)
    rules = [
        f"{title(activities[0])} is prohibited in {zones[0]} in {season}, because it harms {animals[0]}.",
        f"{title(activities[1])} in {zones[1]} requires {measures[0]} and {measures[1]}.",
        f"{zones[2]} is closed to {activities[2]} in {others[0]}.",
        f"Whoever plans {activities[3]} near {zones[0]} must have {measures[2]}.",
    ]
    count = lambda: 2 + int(rng.random() * 97)
    remarks = [
        f"The {office} counted {count()} {animals[0]} and {count()} {animals[1]} in {zones[0]} last {season}.",
        f"In {others[1]} the {animals[1]} leave {zones[0]} and {pick(rng, ['move', 'swim', 'drift'])} to {zones[1]}.",
        f"{title(pick(rng, ACTORS))} asked for {activities[1]} in {zones[1]}; it was allowed with {measures[0]}.",
        f"{title(pick(rng, ACTORS))} started {activities[2]} in {zones[2]} without {measures[3]} and was {pick(rng, ['stopped', 'warned', 'fined'])}.",
        f"The towns near {zones[1]} live from {pick(rng, ['fishing', 'the ferry', 'oysters', 'salt', 'guests'])}.",
        f"In {others[2]} the {animals[2]} of {zones[2]} are counted again; there were {count()} of them.",
        f"{pick(rng, ['Old maps', 'Some charts', 'Sailors'])} {pick(rng, ['show', 'know', 'describe'])} {zones[2]} and {zones[0]} as one {pick(rng, ['bay', 'sound', 'marsh'])}.",
        f"The wardens carry {measures[4]} on {pick(rng, ['every', 'each third', 'the largest'])} boat.",
        f"{pick(rng, WEATHER)} when the {animals[3]} came to {pick(rng, zones)}.",
        f"Each {pick(rng, ['day', 'week', 'month'])} a boat of the {office} goes from {pick(rng, ZONES)} to {zones[0]}.",
    ]
    summary = [
        f"No {activities[0]} in {zones[0]} in {season}.",
        f"{title(activities[1])} in {zones[1]} only with {measures[0]} and {measures[1]}.",
        f"No {activities[2]} in {zones[2]} in {others[0]}.",
        f"{title(activities[3])} near {zones[0]} only with {measures[2]}.",
    ]
    parts = [f"Notice {number} of the {office}.", f"It applies to {zones[0]}, {zones[1]} and {zones[2]}.",
             " ".join(shuffled(rng, rules)), " ".join(shuffled(rng, remarks)[:6]), f"Summary of notice {number}:",
             " ".join(summary), f"Questions go to the {office}."]
    return " ".join(parts)


def make_story(rng, zone, hero, thing, spot):
    name, he, his = hero
    friend = pick(rng, [h for h in HEROES if h[0] != name])
    job, friend_job = shuffled(rng, JOBS)[:2]
    zones = [zone] + [z for z in shuffled(rng, ZONES) if z != zone][:2]
    season = pick(rng, SEASONS)
    wrong = shuffled(rng, [s for s in SPOTS if s != spot])[:2]
    animals = shuffled(rng, WILDLIFE)
    middle = shuffled(rng, [
        f"{pick(rng, WEATHER)}, and the {animals[0]} were {pick(rng, ['far out', 'close', 'loud', 'quiet'])}.",
        f"{title(he)} thought of {zones[1]}, where {he} had {pick(rng, ['worked', 'learned', 'lived'])} as a {job} for {2 + int(rng.random() * 8)} years.",
        f"\"I {pick(rng, ['had', 'saw', 'used'])} it in {zones[0]} this {season},\" said {name}.",
        f"{friend[0]} gave {name} {pick(rng, ['bread', 'fish', 'tea', 'an apple'])} and warm soup.",
        f"They talked about the {animals[1]} that came back to {zones[2]} every {season}.",
        f"A {pick(rng, ['boat', 'ferry', 'barge'])} from {zones[2]} passed and rang its bell.",
        f"{friend[0]} told {name} about {pick(rng, JOBS)}s and {pick(rng, ACTIVITIES)} in {pick(rng, ZONES)}.",
        f"On the quay stood {2 + int(rng.random() * 30)} {pick(rng, ['barrels', 'children', 'carts', 'crates'])}.",
    ])
    parts = [
        f"{name} was a {job} in {zones[0]}.", f"{title(he)} had a {pick(rng, ['red', 'small', 'heavy', 'silver', 'worn'])} {thing} from {his} mother.",
        f"One {season} morning the {thing} was gone.", pick(rng, WEATHER) + ".",
        f"{name} went to {friend[0]}, the {friend_job} of {zones[1]}.", f"\"Have you seen my {thing}?\" {he} asked.",
        f"\"No,\" said {friend[0]}, \"but I will help you.\"", " ".join(middle[:3]),
        f"First they looked {wrong[0]}, but the {thing} was not there.", middle[3],
        f"Then they looked {wrong[1]}, and found only an old {pick(rng, [t for t in THINGS if t != thing])}.", middle[4],
        f"At last they looked {spot}.", f"There lay the {thing}.", f"\"You found it!\" said {name} to {friend[0]}.",
        f"In the evening {name} walked home to {zones[0]} with the {thing} in {his} hand.",
        f"Since that {season} {name} and {friend[0]} have been friends, and nobody leaves a {thing} {spot}.",
    ]
    return " ".join(parts)


def _words(rng, split, kind, lists):
    """Random words, one from each list, whose combination belongs to the split; and their key."""
    while True:
        words = [pick(rng, items) for items in lists]
        key = "|".join([kind] + [word if isinstance(word, str) else word[0] for word in words])
        if split_of("text", key) == split:
            return words, key


def make_text(rng, split="train"):
    notice, notice_key = _words(rng, split, "notice", [ACTIVITIES, ZONES, SEASONS])
    story, story_key = _words(rng, split, "story", [HEROES, THINGS, SPOTS])
    text = make_notice(rng, *notice) + "\n\n" + make_story(rng, notice[1], *story)
    return Example("text", f"{notice_key};{story_key}", text, None, {"combinations": [notice_key, story_key]})
