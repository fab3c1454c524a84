"""Opens a finished result file as anyone would: xarray and h5py, no arguments. usage: test_result_file.py PROGRAM"""
import json
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
            cls.variants = [json.loads(line).get("variant_of", "") for line in (folder / "bad.jsonl").open()]
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


if __name__ == "__main__":
    unittest.main()
