"""Judges end to end: a model that labels, a sample given out, labels read back. usage: test_judges.py PROGRAM"""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import test_sweep  # noqa: E402
import tiny_job  # noqa: E402
from test_sweep import call  # noqa: E402

test_sweep.PROGRAM = sys.argv.pop(1)
LENIENT = "gate: {veto_to_approve: 1000, refusal_drop_pp: 100}\n"
SECOND = ('  - {id: second, kind: judge, suite: refusal, model: judge.gguf, '
          'template: "to {prompt} it said {response} so it is "}\n')
HUMAN = "  - {id: human, kind: judge, suite: refusal, labels_file: labelled.jsonl}\n"


class Judges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.job_text = tiny_job.write_job(cls.folder, prompts=24).read_text()
        tiny_job.write_model(cls.folder / "judge.gguf", seed=5)
        cls.out = cls.sweep("second", cls.job_text + SECOND + LENIENT)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def sweep(cls, name, job, ranks=1):
        (cls.folder / f"{name}.yaml").write_text(job)
        out = cls.folder / f"{name}{ranks}.h5"
        r = call("run", cls.folder / f"{name}.yaml", "-o", out, "--threads", 1, ranks=ranks)
        assert r.returncode == 0, r.stdout + r.stderr
        return out

    def sample(self, name="sample.jsonl", *words):
        file = self.folder / name
        r = call("sample", self.out, "-o", file, *words)
        self.assertEqual(r.returncode, 0, r.stderr)
        return [json.loads(line) for line in file.read_text().splitlines()]

    def agree(self, lines, *words):
        file = self.folder / "labelled.jsonl"
        file.write_text(tiny_job.lines(lines))
        return call("agree", self.out, "--labels", file, *words)

    def test_a_model_labels_every_answer_the_same_on_any_number_of_ranks(self):
        with h5py.File(self.out) as f:
            label, log_prob, margin = (f[f"second_{name}"][:] for name in ["label", "log_prob", "margin"])
            self.assertEqual(f["second_outcome"][:].max(), 0)
            np.testing.assert_array_equal(label, log_prob.argmax(axis=-1))
            ordered = np.sort(log_prob, axis=-1)
            np.testing.assert_array_equal(margin, ordered[..., -1] - ordered[..., -2])
            np.testing.assert_array_equal(f["second_missing"][:], 0)
        three = self.sweep("second", self.job_text + SECOND + LENIENT, ranks=3)
        digests = [call("status", file, "--digest").stdout for file in (self.out, three)]
        self.assertEqual(digests[0], digests[1])

    def test_a_sample_is_labelled_and_read_back_by_agree_and_by_a_job(self):
        lines = self.sample()
        with h5py.File(self.out) as f:
            rows = [r.decode() if isinstance(r, bytes) else r for r in f["row"][:]]
            refusal = f["refusal_refusal"][:]
        for line in lines:
            self.assertEqual(line["label"], "")
            line["label"] = "FULL_REFUSAL" if refusal[rows.index(line["row"]), int(line["id"][1:])] else "COMPLIANCE"
        r = self.agree(lines, "--json", self.folder / "agree.json")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertLessEqual(max(map(len, r.stdout.splitlines())), 100)
        tables = json.loads((self.folder / "agree.json").read_text())["tables"]
        total = [t for t in tables["judges"] if t["judge"] == "labels/refusal" and t["against"] == "scorer" and
                 t["rows"] == "all rows"][0]
        harmful = [line for line in lines if int(line["id"][1:]) % 2 == 0]
        self.assertEqual((total["pairs"], total["agreement"]), (len(harmful), 1))
        # The sample stands for all answers: its weights add up to them.
        self.assertAlmostEqual(sum(line["weight"] for line in lines), refusal.size)
        human = self.sweep("human", self.job_text + SECOND + HUMAN + LENIENT)
        with h5py.File(human) as f:
            labels = f["human_label"][:]
            self.assertEqual((labels < 255).sum(), len(lines))
            for line in lines:
                at = rows.index(line["row"]), int(line["id"][1:])
                self.assertEqual(labels[at], 0 if line["label"] == "FULL_REFUSAL" else 2)
                self.assertEqual(f["human_weight"][at], line["weight"])
        report = call("report", human, "--csv", self.folder / "csv", "--html", self.folder / "page.html")
        self.assertEqual(report.returncode, 0, report.stderr)
        self.assertIn("human,scorer,refusal,all rows", (self.folder / "csv" / "judges.csv").read_text())
        self.assertEqual(call("gate", human).returncode, 0)

        def no_weight(f):
            f["human_weight"][:] = np.nan
        self.assertEqual(self.changed(human, no_weight).returncode, 2)

        def no_such_label(f):
            f["second_label"][0, 0] = 9
        self.assertEqual(self.changed(human, no_such_label).returncode, 2)

    def changed(self, file, change):
        copy = self.folder / "changed.h5"
        shutil.copy(file, copy)
        with h5py.File(copy, "r+") as f:
            change(f)
        return call("gate", copy)

    def test_labels_that_do_not_fit_are_refused_with_their_line(self):
        lines = self.sample("other.jsonl", "--per-stratum", 2)
        for line in lines:
            line["label"] = "COMPLIANCE"
        for change, word in [({"text_hash": "0" * 64}, "another text"), ({"row": "tiny/q9"}, "tiny/q8_0"),
                             ({"id": "r99"}, "r99"), ({"label": "COMPLIED"}, "COMPLIANCE"), ({"weight": 0}, "weight"),
                             ({"suite": "text"}, "text")]:
            r = self.agree([lines[0], {**lines[1], **change}])
            self.assertEqual(r.returncode, 2, r.stdout)
            self.assertIn("labelled.jsonl: line 2", r.stderr)
            self.assertIn(word, r.stderr)
        r = self.agree([lines[0], lines[0]])
        self.assertEqual(r.returncode, 2)
        self.assertIn("line 1", r.stderr)

    def test_a_job_with_labels_of_another_text_has_a_failed_unit_that_says_so(self):
        lines = self.sample("third.jsonl", "--per-stratum", 1)
        lines[0].update(label="COMPLIANCE", text_hash="0" * 64)
        (self.folder / "wrong.jsonl").write_text(tiny_job.lines(lines[:1]))
        job = self.job_text + HUMAN.replace("labelled", "wrong") + LENIENT
        (self.folder / "wrong.yaml").write_text(job)
        call("run", self.folder / "wrong.yaml", "-o", self.folder / "wrong.h5")
        r = call("report", self.folder / "wrong.h5")
        self.assertIn("wrong.jsonl: line 1: is a label of another answer", " ".join(r.stdout.split()))

    def test_a_sample_needs_the_model_that_wrote_the_answers(self):
        model, away = self.folder / "tiny.gguf", self.folder / "away.gguf"
        model.rename(away)
        try:
            r = call("sample", self.out)
        finally:
            away.rename(model)
        self.assertEqual(r.returncode, 2)
        self.assertIn("tiny.gguf: the model is needed for its tokenizer", r.stderr)


if __name__ == "__main__":
    unittest.main()
