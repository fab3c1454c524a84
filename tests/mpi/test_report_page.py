"""The HTML report: what it holds, and how it behaves in a real browser. usage: test_report_page.py PROGRAM [Class]
With RESULT=file.h5 it looks at that file, with SCREENSHOTS=folder it leaves pictures there."""
import csv
import html.parser
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import h5py
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import browser  # noqa: E402
import tiny_job  # noqa: E402

PROGRAM = sys.argv.pop(1)
if sys.argv[1:] == ["InTheBrowser"] and browser.missing():
    print(f"skipped: {browser.missing()}")
    sys.exit(77)


class Tables(html.parser.HTMLParser):
    """Reads the tables of a report: keys of the columns, the cells' values, and the places that they name."""

    def __init__(self):
        super().__init__()
        self.tables, self.places = {}, set()
        self.table = self.cell = None

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag == "table":
            self.table = {"keys": [], "rows": [], "p": a.get("data-p"), "lines": [], "heads": [], "cells": [],
                          "tasks": dict(t.split("=", 1) for t in a.get("data-tasks", "").split(";") if t)}
            self.tables[a.get("data-table") or a.get("id") or a.get("class")] = self.table
        elif self.table is None:
            if p := a.get("data-p"):
                self.places.add(p)
        elif tag == "tr":
            self.table["rows"].append([])
            self.table["lines"].append(a)
            self.table["cells"].append([])
        elif tag in ("td", "th"):
            self.cell = [a.get("data-v"), ""]
            head = a.get("scope") == "col"
            (self.table["keys"] if head else self.table["rows"][-1]).append(self.cell)
            (self.table["heads"] if head else self.table["cells"][-1]).append(a.get("data-p"))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[1] += data

    def handle_endtag(self, tag):
        if tag == "table":
            self.table = self.cell = None

    def cell_places(self):
        """As the page's script finds them: the cell's own place, its heading's, its line's, its table's."""
        for t in self.tables.values():
            keys = [text.strip() for _, text in t["keys"]]
            for line, cells, values in zip(t["lines"], t["cells"], t["rows"]):
                under = dict(zip(keys, (text.strip() for _, text in values)))
                for at, own in enumerate(cells):
                    place = own or t["heads"][at] or line.get("data-p") or t["p"]
                    if not place:
                        continue
                    place = place.replace("{column}", keys[at])
                    if "{task}" in place:
                        place = t["tasks"][under["task"]]
                    place = re.sub(r"\{(\w+)\}", lambda m: under[m[1]], place)
                    yield place.replace("#", line.get("data-row", "*"))


def number(text):
    """Of a cell: "12.5 %" is 0.125."""
    try:
        return float(text[:-2]) / 100 if text.endswith(" %") else float(text)
    except ValueError:
        return None


def values(cells):
    return [text.strip() if full is None else full for full, text in cells]


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.temporary.name)
        cls.result = pathlib.Path(os.environ.get("RESULT", folder / "out.h5"))
        if not cls.result.exists():
            subprocess.run([PROGRAM, "run", tiny_job.write_full_job(folder), "-o", cls.result], check=True,
                           stdout=subprocess.DEVNULL)
        cls.page, cls.csv = folder / "page.html", folder / "csv"
        subprocess.run([PROGRAM, "report", cls.result, "--html", cls.page, "--csv", cls.csv], check=True,
                       stdout=subprocess.DEVNULL)
        cls.text = cls.page.read_text()

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()


class Contents(Page):
    def test_every_cell_of_every_table_is_the_csv_files_to_six_digits(self):
        parser = Tables()
        parser.feed(self.text)
        files = {p.stem for p in self.csv.glob("*.csv") if not p.stem.startswith("prompts_")}
        self.assertEqual(set(parser.tables) - {"heat", "first"}, files)
        for name in files:
            with open(self.csv / f"{name}.csv", newline="") as f:
                expected = [[cell.strip() for cell in line] for line in csv.reader(f)]
            table = parser.tables[name]
            self.assertEqual(values(table["keys"]), expected[0], name)
            lines = [values(r) for r in table["rows"] if r]
            self.assertEqual(len(lines), len(expected) - 1, name)
            for line, wanted in zip(lines, expected[1:]):
                self.assertEqual(len(line), len(wanted), name)
                for found, cell in zip(line, wanted):
                    if found != cell:
                        self.assertIsNotNone(number(found), (name, found, cell))
                        self.assertAlmostEqual(number(found), float(cell), delta=6e-6 * abs(float(cell)), msg=name)

    def test_every_place_that_a_figure_names_is_in_the_file(self):
        parser = Tables()
        parser.feed(self.text)
        cells = set(parser.cell_places())
        self.assertGreater(len(cells), 100)
        places = {p for many in parser.places | cells for p in many.split()}
        with h5py.File(self.result) as f:
            for place in places:
                if place.startswith("@"):
                    self.assertIn(place[1:], f.attrs)
                    continue
                if place == "/job_text":
                    continue
                name, axis, index = re.fullmatch(r"/([^[]+)\[(\w+)=(\d+|#)\]", place).groups()
                found = [f[n] for n in f if re.fullmatch(name.replace("*", ".*"), n)]
                self.assertTrue(found, place)
                least = len(f["row"]) - 1 if index == "#" else int(index)
                self.assertTrue(all(least < d.shape[0] for d in found), place)

    def test_the_page_is_small_and_loads_nothing(self):
        self.assertLess(self.page.stat().st_size, 2_000_000)
        self.assertFalse(re.search(r'(src|href)=("(?!#|data:)|[^"])', self.text))
        self.assertNotIn("://", self.text.replace("http://www.w3.org/2000/svg", ""))

    def test_light_and_dark_have_the_same_colours_named(self):
        light, dark = re.findall(r":root \{(.*?)\}", self.text, re.S)[:2]
        names = [set(re.findall(r"(--[\w-]+):", block)) for block in (light, dark)]
        self.assertEqual(*names)


@unittest.skipIf(browser.missing(), browser.missing())
class InTheBrowser(Page):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(cls.temporary.name) / "study"
        folder.mkdir()
        study = pathlib.Path(os.environ.get("STUDY", folder / "out.h5"))
        if not study.exists():
            subprocess.run([PROGRAM, "run", tiny_job.write_study_job(folder), "-o", study], check=True,
                           stdout=subprocess.DEVNULL)
        cls.study = folder / "page.html"
        subprocess.run([PROGRAM, "report", study, "--html", cls.study], check=True, stdout=subprocess.DEVNULL)
        cls.browser = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        super().tearDownClass()

    def setUp(self):
        self.browser.resize(1280, 900)
        self.browser.colour_scheme("light")
        self.browser.open(self.page)

    def tearDown(self):
        self.assertEqual(self.browser.console(), [])

    def column(self, index):
        return self.browser.run("""return [...document.querySelectorAll('#heat tbody tr')]
            .map(r => r.cells[arguments[0]].dataset.v)""", index)

    def tip(self):
        return self.browser.run("const t = document.getElementById('tip'); return t.hidden ? '' : t.textContent")

    def test_a_heading_sorts_and_says_so(self):
        b = self.browser
        bits = b.run("return [...document.querySelectorAll('#heat thead th')].findIndex(h => h.title == 'bits per weight')")
        heading = f"#heat thead th:nth-child({bits + 1}) button"
        for direction in ["ascending", "descending"]:
            b.click(heading)
            column = [float(v) for v in self.column(bits)]
            self.assertEqual(column, sorted(column, reverse=direction == "descending"))
            self.assertEqual(b.run("return document.querySelector('#heat th[aria-sort]').getAttribute('aria-sort')"),
                             direction)
        b.click("#heat thead th:first-child button")
        self.assertEqual(self.column(0), [str(i) for i in range(len(column))])

    def test_the_filter_holds_for_the_whole_page(self):
        b = self.browser
        count = """return [...document.querySelectorAll(arguments[0])].filter(e => !e.closest('[hidden]')).length"""
        rows = b.run(count, "#heat tbody tr")
        points = b.run(count, "#ladder .pt")
        b.type("[data-filter=name]", "Q8_0")
        self.assertTrue(0 < b.run(count, "#heat tbody tr") < rows)
        self.assertTrue(0 < b.run(count, "#ladder .pt") < points)
        self.assertRegex(b.run("return document.querySelector('.shown').value"), rf"^\d+ of {rows} rows$")
        b.click("button[type=reset]")
        self.assertEqual(b.run("return new Promise(r => setTimeout(() => r(document.querySelectorAll"
                               "('#heat tbody tr[hidden]').length), 50))"), 0)
        b.run("""const s = document.querySelector('[data-filter=verdict]'); s.selectedIndex = 1;
                 s.dispatchEvent(new Event('input', {bubbles: true}))""")
        verdict = b.run("return document.querySelector('[data-filter=verdict]').value")
        self.assertEqual(b.run("""return [...new Set([...document.querySelectorAll('#heat tbody tr:not([hidden])')]
                                  .map(r => r.dataset.verdict))]"""), [verdict])

    def test_pointing_at_a_figure_names_its_place(self):
        self.browser.hover("#heat tbody tr:nth-child(2) td:last-child")
        self.assertRegex(self.tip(), r"^tiny/q8_0, text.*, n \d+.*/text_nll\[row=1\]$")
        self.browser.hover("#ladder figure:nth-of-type(2) .pt")
        self.assertRegex(self.tip(), r" bits, n \d+.*/\w+\[row=\d+\]$")

    def test_arrow_keys_walk_through_the_points(self):
        b = self.browser
        b.run("document.querySelector('#ladder svg').focus()")
        b.press(browser.ARROW_RIGHT, browser.ARROW_RIGHT)
        second = b.run("return document.activeElement.getAttribute('aria-label')")
        self.assertIn(second, self.tip())
        b.press(browser.ARROW_LEFT)
        first = b.run("return document.activeElement.getAttribute('aria-label')")
        self.assertNotEqual(first, second)
        self.assertIn(first, self.tip())

    def test_curves_by_layer_say_their_values_and_place(self):
        b = self.browser
        b.open(self.study)
        self.assertGreaterEqual(b.run("return document.querySelectorAll('#layers figure').length"), 3)
        b.run("document.querySelector('#layers svg').focus()")
        b.press(browser.ARROW_RIGHT)
        said = b.run("return document.activeElement.getAttribute('aria-label')")
        self.assertRegex(said, r"^tiny/\w+, .*: highest 0?1?\.\d+ at block \d; by block( \d\.\d\d)+$")
        # Focus may scroll the page, which the browser says a frame later: the tip stays with its point.
        b.run("scrollBy(0, -40)")
        b.frames()
        self.assertRegex(self.tip(), re.escape(said) + r"/probes_\w+\[row=\d\]$")
        widths = b.run("""return ['.line.base', '.line:not(.base):not(:focus)'].map(
            (s) => parseFloat(getComputedStyle(document.querySelector('#layers ' + s)).strokeWidth))""")
        self.assertGreater(widths[0], widths[1])
        b.type("[data-filter=name]", "q2_k")
        self.assertEqual(b.run("return [...new Set([...document.querySelectorAll('#layers .pt:not([hidden])')]"
                               ".map(p => p.getAttribute('aria-label').split(',')[0]))]"), ["tiny/q2_k"])

    def test_the_first_screen_says_what_broke(self):
        b = self.browser
        self.assertLess(b.run("return document.querySelector('table.first').getBoundingClientRect().top"), 900)
        self.assertEqual(b.run("return [...document.querySelectorAll('table.first tbody th')].map(h => h.textContent)"),
                         b.run("return [...new Set([...document.querySelectorAll('#heat tbody tr')].map(r => r.dataset.model))]"))
        b.hover("table.first .chip")
        self.assertRegex(self.tip(), r"^tiny/.*/verdict\[row=\d+\]$")

    def test_a_table_is_copied_as_text(self):
        b = self.browser
        b.devtools("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        b.click("#matrix details.view summary")
        b.click("#matrix details.view button.copy")
        text = b.run("return new Promise(r => setTimeout(() => navigator.clipboard.readText().then(r), 200))")
        with open(self.csv / "rows.csv", newline="") as f:
            expected = [[cell.strip() for cell in line] for line in csv.reader(f)]
        copied = [line.split("\t") for line in text.rstrip("\n").split("\n")]
        self.assertEqual(len(copied), len(expected))
        for line, wanted in zip(copied, expected):
            self.assertEqual(len(line), len(wanted))
            for found, cell in zip(line, wanted):
                if found != cell:
                    self.assertAlmostEqual(float(found), float(cell), delta=6e-6 * abs(float(cell)))

    def test_it_prints(self):
        pdf = self.browser.pdf()
        self.assertEqual(pdf[:5], b"%PDF-")
        self.assertGreater(len(re.findall(rb"/Type\s*/Page\b", pdf)), 1)

    def test_dark_is_dark_and_readable(self):
        luminance = """const p = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
            const of = (name) => { p.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
              p.fillRect(0, 0, 1, 1); const l = [...p.getImageData(0, 0, 1, 1).data].slice(0, 3)
              .map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
              return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
            return Object.fromEntries(arguments[0].map(name => [name, of(name)]));"""
        inks = ["--ink", "--soft", "--link", "--fail", "--pass", "--open"]
        on_heat = [f"--{side}{step}" for side in "wb" for step in range(1, 5)]
        paper = {}
        for scheme in ["light", "dark"]:
            self.browser.colour_scheme(scheme)
            l = self.browser.run(luminance, [*inks, *on_heat, "--paper", "--raised", "--heat-ink"])
            paper[scheme] = l["--paper"]
            pairs = [(i, ground) for i in inks for ground in ("--paper", "--raised")]
            for ink, ground in pairs + [("--heat-ink", g) for g in on_heat]:
                high, low = max(l[ink], l[ground]), min(l[ink], l[ground])
                self.assertGreaterEqual((high + 0.05) / (low + 0.05), 4.5, f"{scheme}: {ink} on {ground}")
        self.assertLess(paper["dark"], 0.05)
        self.assertGreater(paper["light"], 0.9)

    def test_it_fits_a_desk_and_a_phone(self):
        for width in [1280, 390]:
            self.browser.resize(width, 900)
            self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), width)
            for scheme in ["light", "dark"]:
                self.browser.colour_scheme(scheme)
                for at in ["h1", "#matrix", "#plane", "#ladder", "#layers", "#votes", "#openings", "#spectra", "#provenance"]:
                    if not self.browser.run("const e = document.querySelector(arguments[0]); "
                                            "if (e) e.scrollIntoView(); return e !== null", at):
                        continue
                    png = self.browser.screenshot()
                    self.assertGreater(len(png), 5000)
                    if folder := os.environ.get("SCREENSHOTS"):
                        (pathlib.Path(folder) / f"{width}-{scheme}-{at.strip('#')}.png").write_bytes(png)


if __name__ == "__main__":
    unittest.main()
