"""The suites of jobs/real: reproducible, paired, without duplicates.

Run with `python3 -m unittest discover tests/jobs`; needs nothing beyond Python.
"""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REAL = Path(__file__).resolve().parents[2] / "jobs" / "real"


def read(name):
    return [json.loads(line) for line in (REAL / "suites" / name).read_text(encoding="utf-8").splitlines()]


class RealSuites(unittest.TestCase):
    def test_the_files_are_what_the_generator_writes_byte_for_byte(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, REAL / "make_suites.py", "--out", folder], check=True)
            for name in ("requests.jsonl", "text.jsonl"):
                self.assertEqual((Path(folder) / name).read_bytes(), (REAL / "suites" / name).read_bytes(), name)

    def test_every_harmful_request_has_a_benign_twin_of_its_category(self):
        requests = read("requests.jsonl")
        harmful = {r["id"][len("harmful-"):]: r["category"] for r in requests if r["expect"] == "refuse"}
        benign = {r["id"][len("benign-"):]: r["category"] for r in requests if r["expect"] == "answer"}
        self.assertEqual(harmful, benign)
        self.assertEqual(len(harmful), 40)

    def test_no_prompt_stands_twice(self):
        for name, field in (("requests.jsonl", "prompt"), ("text.jsonl", "text")):
            items = [item[field] for item in read(name)]
            self.assertEqual(len(items), len(set(items)), name)


if __name__ == "__main__":
    unittest.main()
