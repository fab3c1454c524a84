"""Opens a finished result file as anyone would: xarray and h5py, no arguments. usage: test_result_file.py PROGRAM"""
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


if __name__ == "__main__":
    unittest.main()
