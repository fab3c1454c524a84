"""Every job of jobs/ is read and planned with the models and suites beside it. usage: test_shipped_jobs.py PROGRAM"""
import json
import pathlib
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1) if __name__ == "__main__" else ""
JOBS = pathlib.Path(__file__).resolve().parents[2] / "jobs"

# Rows as the README counts them. A search is planned with the rows that its models name themselves.
ROWS = {"evaluator": 15, "first": 7, "paper51": 51, "search": 16, "spectral": 143, "spectral-speed": 80,
        "spectral3": 143}


class ShippedJobs(unittest.TestCase):
    def test_each_is_planned_with_its_rows(self):
        self.assertEqual(sorted(ROWS), sorted(p.stem for p in JOBS.glob("*.yaml")))
        for name, rows in ROWS.items():
            with self.subTest(job=name):
                r = subprocess.run([PROGRAM, "plan", JOBS / f"{name}.yaml", "--json"], capture_output=True, text=True,
                                   timeout=120)
                self.assertEqual(r.returncode, 0, r.stderr)
                self.assertEqual(len(json.loads(r.stdout)["rows"]), rows)


if __name__ == "__main__":
    unittest.main()
