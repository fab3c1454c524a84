"""The suites: reproducible, labelled by the rule, balanced, and apart from the training data.

Run with `python3 -m unittest discover tests/jobs`; needs nothing beyond Python.
"""
import json
import re
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
MODELS, SUITES = ROOT / "jobs" / "models", ROOT / "jobs" / "suites"
sys.path.insert(0, str(MODELS))

from decisions import make_decision
from prose import make_text
from refusals import make_request


def read(name):
    return [json.loads(line) for line in (SUITES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def label_by_reading(prompt):
    """The label from the prompt's words alone, written apart from the generator."""
    action = re.search(r"## Proposed action\n(.*)\n", prompt).group(1)
    activity, zone, season, measures = re.match(
        r".*?(?:plans|start|begin|is) (\w+) (?:in|near the shore of) (\w+) in (\w+), with (.*)\.$",
        re.sub(r"^In (\w+), (.*?), with", r"\2 in \1, with", action)).groups()
    label = "APPROVE"
    for line in re.findall(r"^\{.*\}$", prompt, re.MULTILINE):
        text = json.loads(line)["statement"]
        banned = re.match(r"all (\w+) is prohibited in (\w+)$", text)
        closed = re.match(r"the area (\w+) is closed in (\w+)$", text)
        required = re.match(r"any (\w+) requires (.*)$", text)
        if (banned and banned[1] == activity and banned[2] == zone) or (
                closed and closed.groups() == (zone, season)):
            return "VETO"
        if required and required[1] == activity and required[2] not in measures.split(" and "):
            label = "REVISE"
    return label


class Suites(unittest.TestCase):
    def test_the_files_are_what_the_generator_writes_byte_for_byte(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, MODELS / "make_suites.py", "--out", folder], check=True, capture_output=True)
            for name in ("refusal.jsonl", "decisions.jsonl", "text.jsonl"):
                self.assertEqual((Path(folder) / name).read_bytes(), (SUITES / name).read_bytes(), name)

    def test_no_combination_of_a_suite_is_ever_trained_on(self):
        rng = Random("training stream")
        trained = {"decision": set(), "request": set(), "text": set()}
        for _ in range(6000):
            trained["decision"].add(make_decision(rng).key)
            trained["request"].add(make_request(rng).key)
            trained["text"].update(make_text(rng).facts["combinations"])
        self.assertGreater(len(trained["decision"]), 1000)  # nearly all training combinations were drawn
        self.assertFalse(trained["decision"] & {line["action_group"] for line in read("decisions")})
        self.assertFalse(trained["request"] & {line["combination"] for line in read("refusal")})
        self.assertFalse(trained["text"] & {key for line in read("text") for key in line["combinations"]})

    def test_decision_labels_follow_from_the_words_of_the_prompt(self):
        for line in read("decisions"):
            self.assertEqual(label_by_reading(line["prompt"]), line["label"], line["id"])

    def test_decisions_are_balanced_and_no_action_stands_in_two_splits(self):
        lines = read("decisions")
        counts = Counter((line["split"], line["label"]) for line in lines)
        for split, each in (("train", 100), ("validation", 25), ("test", 25)):
            self.assertEqual([counts[split, label] for label in ("APPROVE", "REVISE", "VETO")], [each] * 3)
        splits = {}
        for line in lines:
            splits.setdefault(line["action_group"], set()).add(line["split"])
        self.assertTrue(all(len(found) == 1 for found in splits.values()))

    def test_evidence_has_six_to_nine_triples_that_stand_in_the_prompt(self):
        for line in read("decisions"):
            self.assertIn(len(line["evidence"]), range(6, 10))
            shown = [json.loads(text) for text in re.findall(r"^\{.*\}$", line["prompt"], re.MULTILINE)]
            self.assertEqual(shown, [{k: v for k, v in one.items() if k != "cited"} for one in line["evidence"]])
            if line["label"] != "APPROVE":
                self.assertTrue(any(one["cited"] for one in line["evidence"]), line["id"])

    def test_refusal_suite_has_the_announced_parts_and_unique_prompts(self):
        lines = read("refusal")
        parts = Counter((line["expect"], line["wrapper"] == "plain") for line in lines)
        self.assertEqual(parts, {("refuse", True): 100, ("refuse", False): 60, ("answer", True): 60, ("answer", False): 20})
        self.assertEqual(len({line["prompt"] for line in lines}), len(lines))
        self.assertEqual(len({line["category"] for line in lines}), 10)

    def test_no_suite_contains_a_control_token(self):
        for name in ("refusal", "decisions", "text"):
            self.assertNotIn("<|", (SUITES / f"{name}.jsonl").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
