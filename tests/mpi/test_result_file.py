"""Opens a finished result file as anyone would: xarray and h5py, no arguments. usage: test_result_file.py PROGRAM"""
import hashlib
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy as np
    import xarray
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tiny_job  # noqa: E402

NOTEBOOK = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "notebooks" / "read_results.py"
PROGRAM = sys.argv.pop(1)


class ResultFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.temporary.name)
        cls.path = folder / "out.h5"
        subprocess.run([PROGRAM, "run", tiny_job.write_job(folder), "-o", cls.path], check=True,
                       stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_xarray_reads_rates_by_the_name_of_the_row(self):
        with xarray.open_dataset(self.path) as d:
            self.assertEqual(list(d.row.values), ["tiny/bf16", "tiny/q8_0", "tiny/q4_k_m"])
            for row in d.row.values:
                one = d.sel(row=row)
                harmful = d.refusal_expected == 1
                by_hand = (one.refusal_refusal.where(harmful) > 0).sum() / harmful.sum()
                self.assertAlmostEqual(float(one.refusal_refusal_rate), float(by_hand), places=12)
                self.assertEqual(int(one.refusal_harmful_n), 24)

    def test_the_notebook_runs_on_it(self):
        r = subprocess.run([sys.executable, NOTEBOOK, self.path], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        for words in ["3 rows", "bits_per_weight", "q4_k_m"]:
            self.assertIn(words, r.stdout)

    def test_xarray_reads_the_votes(self):
        with xarray.open_dataset(self.path) as d:
            self.assertEqual(d.decision_vote_count.dims, ("row", "decision_test", "class"))
            self.assertEqual(list(d["class"].values), ["APPROVE", "REVISE", "VETO"])
            self.assertTrue((d.decision_vote_count.sum("class") == 20).all())
            by_hand = (d.decision_prediction == 2).sum("decision_seed")
            self.assertTrue((d.decision_vote_count.sel({"class": "VETO"}) == by_hand).all())

    def test_h5py_finds_units_names_and_fill_of_every_variable(self):
        with h5py.File(self.path) as f:
            self.assertEqual(f["complete"][()], 1)
            for key in ["schema_version", "program_version", "job_hash", "weights_sha256", "tokenizer_sha256",
                        "suite_sha256", "command_line", "machine", "blas_core", "isa"]:
                self.assertIn(key, f.attrs)
            for name, d in f.items():
                if not isinstance(d, h5py.Dataset) or h5py.h5ds.is_scale(d.id) or d.dtype == object:
                    continue
                for key in ["units", "long_name", "_FillValue"]:
                    self.assertIn(key, d.attrs, name)
                self.assertIsNone(d.chunks, name)
                for axis in d.dims:
                    self.assertEqual(len(axis), 1, name)
            self.assertEqual(f["refusal_refusal"].attrs["flag_meanings"].split()[0], "answer")
            self.assertTrue(np.all(f["unit_status"][()] == 1))


def auc(high, low):
    """Chance that one of `high` is above one of `low`, ties half."""
    return ((high[:, None] > low).mean() + (high[:, None] >= low).mean()) / 2


def halves(variants):
    """0 or 1 for each prompt: questions in turn, all wordings of one together."""
    out, known, questions = [], {}, 0
    for variant in variants:
        half = known.get(variant, questions % 2)
        if not variant or variant not in known:
            questions += 1
        if variant:
            known[variant] = half
        out.append(half)
    return np.array(out)


class Mechanisms(unittest.TestCase):
    """The mechanistic probes of a row, computed again with numpy from the stored states."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            job = tiny_job.write_mechanism_job(folder)
            cls.variants = [json.loads(line).get("variant_of", "")
                            for line in (folder / "bad.jsonl").read_text().splitlines()]
            subprocess.run([PROGRAM, "run", job, "-o", folder / "out.h5"], check=True, stdout=subprocess.DEVNULL)
            with h5py.File(folder / "out.h5") as f:
                cls.file = {name: d[()] for name, d in f.items() if isinstance(d, h5py.Dataset)}

    def test_numpy_gives_the_same_directions_and_neurons(self):
        f, base = self.file, 1
        bad_half, good_half = halves(self.variants), np.arange(18) % 2
        for row in [0, 2]:
            for block in range(tiny_job.LAYERS):
                states = {(s, r): f[f"{s}_block_last"][r, :, block].astype(np.float64)
                          for s in ["bad", "good"] for r in [row, base]}
                made = {(r, h): states["bad", r][bad_half != h].mean(0) - states["good", r][good_half != h].mean(0)
                        for r in [row, base] for h in [0, 1, 2]}
                own, reference = made[row, 2], made[base, 2]
                got = {what: f[f"mechanisms_{what}"][row, block] for what in
                       ["norm", "cosine", "auc_own", "auc_baseline", "neuron_error", "other_error", "error_ratio",
                        "error_share", "neuron_overlap"]}
                self.assertAlmostEqual(got["norm"], np.linalg.norm(own), places=12)
                cosine = own @ reference / np.linalg.norm(own) / np.linalg.norm(reference)
                self.assertAlmostEqual(got["cosine"], cosine, places=12)
                for key, of in [("auc_own", row), ("auc_baseline", base)]:
                    # made[of, h] lacks half h, which it judges.
                    by_hand = np.mean([auc(states["bad", row][bad_half == h] @ made[of, h],
                                           states["good", row][good_half == h] @ made[of, h]) for h in [0, 1]])
                    self.assertAlmostEqual(got[key], by_hand, places=12)
                selected = np.argsort(-np.abs(reference), kind="stable")[:tiny_job.WIDTH // 20]
                error = np.abs(states["bad", row] - states["bad", base]).sum(0)
                others = np.delete(error, selected)
                self.assertAlmostEqual(got["neuron_error"], error[selected].mean() / 24, places=12)
                self.assertAlmostEqual(got["other_error"], others.mean() / 24, places=12)
                self.assertAlmostEqual(got["error_ratio"], error[selected].mean() / others.mean(), places=10)
                self.assertAlmostEqual(got["error_share"], error[selected].sum() / error.sum(), places=12)
                same = set(selected) & set(np.argsort(-np.abs(own), kind="stable")[:tiny_job.WIDTH // 20])
                self.assertEqual(got["neuron_overlap"], len(same) / len(selected))

    def test_the_row_has_the_means_of_its_prompts(self):
        f = self.file
        for s, suite in enumerate(["bad", "good"]):
            own, base = f[f"{suite}_first_entropy"][2], f[f"{suite}_first_entropy"][1]
            self.assertTrue(((own > 0) & (own < np.log(260))).all())
            self.assertAlmostEqual(f["mechanisms_first_entropy"][2, s], own.mean(), places=12)
            self.assertAlmostEqual(f["mechanisms_first_entropy_shift"][2, s], (own - base).mean(), places=12)
            same = f[f"{suite}_first_token"][2] == f[f"{suite}_first_token"][1]
            self.assertAlmostEqual(f["mechanisms_first_agree"][2, s], same.mean(), places=12)
            bins = np.minimum(9, (f[f"{suite}_first_top1"][2] * 10).astype(int))
            gap = [abs((same - f[f"{suite}_first_top1"][2])[bins == b].sum()) for b in range(10)]
            self.assertAlmostEqual(f["mechanisms_first_ece"][2, s], sum(gap) / len(own), places=12)
            first = f[f"{suite}_tokens"][2][:, 0]
            ended = first < 0  # an end token, or nothing
            self.assertTrue((f[f"{suite}_first_token"][2][~ended] == first[~ended]).all())


class StudyFile(unittest.TestCase):
    """What the evaluator study keeps of hidden states, in 16 bits."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        job = tiny_job.write_study_job(cls.folder)
        job.write_text("states: f16\n" + job.read_text())
        cls.path = cls.folder / "out.h5"
        subprocess.run([PROGRAM, "run", job, "-o", cls.path], check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_states_open_as_float16(self):
        with h5py.File(self.path) as f:
            for name in ["state_last", "state_mean", "span_mean", "span_token"]:
                d = f["decisions_" + name]
                self.assertEqual(d.dtype, np.float16, name)
                self.assertTrue(np.isnan(d.attrs["_FillValue"]).all(), name)
            self.assertTrue((f["decisions_state_status"][()] == 0).all())
            self.assertTrue(np.isfinite(f["decisions_state_mean"][()]).all())
            self.assertGreater(np.abs(f["decisions_state_mean"][()].astype(np.float32)).max(), 0.1)
        with xarray.open_dataset(self.path) as d:
            self.assertEqual(d.decisions_state_last.dims, ("row", "decisions_prompt", "block", "width"))
            self.assertTrue(np.isfinite(d.decisions_state_last.values.astype(np.float32)).all())

    def test_the_mean_of_a_line_is_that_of_its_tokens(self):
        with h5py.File(self.path) as f:
            offset = f["decisions_span_offset"][0, 5]
            tokens = f["decisions_span_token"][0, 5, 0].astype(np.float64)
            means = f["decisions_span_mean"][0, 5, :, 0]  # 0.48 of the way through two blocks is the first
            for j in range(4):
                by_hand = tokens[offset[j]:offset[j + 1]].mean(axis=0)
                np.testing.assert_allclose(means[j], by_hand, rtol=2e-3, atol=2e-3)

    def test_the_stored_evidence_head_gives_the_stored_scores(self):
        with h5py.File(self.path) as f:
            head = {k: f["cited_" + k][1, 0].astype(np.float64) for k in
                    ["mean", "scale", "attention_weight", "attention_bias", "attention_vector", "input_weight",
                     "input_bias", "output_weight", "output_bias"]}
            checked = 0
            for i in range(0, f["cited_score"].shape[2], 7):
                offset = f["decisions_span_offset"][1, i]
                h = (f["decisions_span_token"][1, i, 0].astype(np.float64) - head["mean"]) * head["scale"]
                for j in range(int((offset >= 0).sum()) - 1):
                    x = h[offset[j]:offset[j + 1]]
                    e = np.tanh(x @ head["attention_weight"].T + head["attention_bias"]) @ head["attention_vector"]
                    share = np.exp(e - e.max()) / np.exp(e - e.max()).sum()
                    z = head["input_weight"] @ (share @ x) + head["input_bias"]
                    gelu = np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in z])
                    score = 1 / (1 + math.exp(-(gelu @ head["output_weight"] + head["output_bias"])))
                    self.assertAlmostEqual(score, f["cited_score"][1, 0, i, j], places=4)
                    checked += 1
            self.assertGreater(checked, 20)
            for name in ["validation_auc", "validation_loss", "train_loss"]:
                self.assertTrue(np.isfinite(f["cited_" + name][()]).all(), name)
            self.assertTrue((f["cited_best_epoch"][()] <= f["cited_epochs"][()]).all())

    def test_content_hashes_can_be_made_again(self):
        suite = [json.loads(line) for line in (self.folder / "decisions.jsonl").read_text().splitlines()]
        strings = self.folder / "strings.json"
        strings.write_text(json.dumps([item["prompt"] for item in suite]))
        r = subprocess.run([PROGRAM, "tokenize", self.folder / "tiny.gguf", "--file", strings, "--json"], check=True,
                           capture_output=True, text=True)
        tokens = json.loads(r.stdout)
        with h5py.File(self.path) as f:
            weights = f.attrs["weights_sha256"]
            for row, recipe in enumerate(["bf16", "q8_0", "q2_k"]):
                content = f"weights={weights}\nrecipe={recipe}\nrequantize=false\nactivations=q8\n".encode()
                for i in (0, 17):
                    by_hand = hashlib.sha256(content + np.array(tokens[i], "<i4").tobytes()).digest()
                    self.assertEqual(f["decisions_content_hash"][row, i].tobytes(), by_hand)


if __name__ == "__main__":
    unittest.main()
