"""`brinkmap search` on a tiny random model, with mpirun. usage: test_search.py PROGRAM"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import test_sweep  # noqa: E402
import tiny_job  # noqa: E402
from test_sweep import call  # noqa: E402

test_sweep.PROGRAM = sys.argv.pop(1)

KL_LIMIT = 0.03  # nat a token: some of the mixtures keep it
SEARCH = """gate: {veto_to_approve: 1000, refusal_drop_pp: 100, kl: LIMIT}
search: {formats: [q4_k_s, q2_k], of: block, candidates: 3, looks: 2}
"""


class Search(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="brinkmap-search-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.job = tiny_job.write_job(self.folder, prompts=24)
        self.kept = self.job.read_text().split("experiments:")[0].replace("perplexity}", "perplexity, top_k: 8}")
        self.set_limit(KL_LIMIT)

    def set_limit(self, kl):
        self.job.write_text(self.kept + SEARCH.replace("LIMIT", str(kl)))

    def search(self, name, *words, code=0, **more):
        r = call("search", self.job, "-o", self.folder / f"{name}.yaml", "--json", self.folder / f"{name}.json",
                 "--threads", 1, *words, **more)
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return r

    def found(self, name):
        """The recipe's bytes, and everything that was tried but where it was written."""
        results = json.loads((self.folder / f"{name}.json").read_text())
        for model in results["models"]:
            del model["recipe_file"], model["text"]
        return (self.folder / f"{name}.yaml").read_bytes(), results

    def test_any_number_of_ranks_finds_the_same(self):
        r = self.search("alone")
        self.assertLessEqual(max(len(line) for line in r.stdout.splitlines() if not line.startswith("tiny: ")), 100)
        expected = self.found("alone")
        for ranks in (1, 2, 3):
            self.search(f"on{ranks}", ranks=ranks)
            self.assertEqual(self.found(f"on{ranks}"), expected, f"{ranks} ranks")

    def test_the_pick_is_written_loads_and_is_the_row_that_passed(self):
        self.search("r")
        model = json.loads((self.folder / "r.json").read_text())["models"][0]
        self.assertTrue(model["found"])
        rows = {row["recipe"]: row for row in model["rows"]}
        pick = rows[model["recipe"]]
        self.assertEqual((pick["verdict_choosing"], pick["verdict_held_out"]), ("pass", "pass"))
        smaller = [row for row in rows.values() if row["bytes"] < pick["bytes"]]
        self.assertTrue(smaller)
        for row in smaller:
            self.assertNotEqual((row["verdict_choosing"], row["verdict_held_out"]), ("pass", "pass"))
        f, tiny = self.folder, self.folder / "tiny.gguf"
        (f / "i.json").write_text("[116, 104, 101, 32, 114]")
        for words in [("quantize", tiny, "--to", f / "r.yaml", "-o", f / "r.gguf"),
                      ("logits", f / "r.gguf", "--tokens", f / "i.json", "-o", f / "a.f32"),
                      ("logits", tiny, "--recipe", model["recipe"], "--tokens", f / "i.json", "-o", f / "b.f32")]:
            r = call(*words)
            self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual((f / "a.f32").read_bytes(), (f / "b.f32").read_bytes())
        tensors = json.loads(call("inspect", f / "r.gguf", "--json").stdout)["tensors"]
        self.assertEqual(sum(t["bytes"] for t in tensors), pick["bytes"])

    def test_the_same_command_goes_on(self):
        self.search("whole")
        expected = self.found("whole")
        r = self.search("part", "--limit", 3, code=4)
        self.assertIn("the same command goes on", r.stdout)
        self.assertFalse((self.folder / "part.yaml").exists())
        killed = subprocess.Popen([test_sweep.PROGRAM, "search", self.job, "-o", self.folder / "part.yaml"],
                                  env=test_sweep.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not list(self.folder.glob("part-round1.h5")) and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        self.search("part", ranks=2)
        self.assertEqual(self.found("part"), expected)
        before = list(self.folder.glob("part-*.h5"))
        self.assertTrue({"part-sensitivity.h5", "part-round1.h5", "part-verdict.h5"} <= {p.name for p in before})
        self.search("part")
        self.assertEqual(self.found("part"), expected)

    def test_where_nothing_passes_no_recipe_stays(self):
        self.set_limit(0)
        (self.folder / "r.yaml").write_text("q8_0\n")
        r = self.search("r", code=1)
        self.assertIn("nothing found", r.stdout)
        self.assertFalse((self.folder / "r.yaml").exists())
        self.assertFalse(json.loads((self.folder / "r.json").read_text())["models"][0]["found"])

    def test_bad_input_is_named_and_ends_every_rank(self):
        for words, message in [(("--budget", "100"), "expected at least"), (("--budgit", "1"), "--budget")]:
            r = self.search("r", *words, code=2, ranks=2 if words[0] == "--budget" else 0, timeout=60)
            self.assertIn(message, r.stderr)
        self.job.write_text(self.kept)
        self.assertIn("nothing to search over", self.search("r", code=2).stderr)
        self.job.write_text(self.kept + "search: {formats: [q2_l]}\n")
        self.assertIn("did you mean 'q2_k'", self.search("r", code=2).stderr)
        self.job.write_text(self.kept + "search: {formats: [gptq-4-g128]}\n")
        self.assertIn("cannot be mixed", self.search("r", code=2).stderr)

    def test_recipes_of_each_are_judged_as_the_rows_that_they_are(self):
        self.job.write_text(self.job.read_text().replace(
            "recipes: [bf16, q8_0, q4_k_m]", "recipes: [bf16, q8_0, {each: {rest: bf16, to: [q2_k], of: block}}]"))
        self.search("r")
        own = [row["recipe"] for row in json.loads((self.folder / "r.json").read_text())["models"][0]["rows"]
               if not row["allocated"]]
        self.assertGreater(len(own), 3)
        self.assertNotIn("(each", "".join(own))

    def test_an_output_never_replaces_what_the_search_reads(self):
        before = self.job.read_text()
        other = self.folder / "other.yaml"
        other.symlink_to(self.job)
        for words in [("-o", self.job), ("-o", other), ("-o", self.folder / "tiny.gguf"),
                      ("-o", self.folder / "r.yaml", "--json", self.job),
                      ("-o", self.folder / "r.yaml", "--json", self.folder / "r.yaml")]:
            r = call("search", self.job, *words)
            self.assertEqual(r.returncode, 2, r.stdout + r.stderr)
            self.assertIn("cannot be written", r.stderr)
        self.assertEqual(self.job.read_text(), before)

    def test_labels_in_a_file_are_refused_before_anything_is_measured(self):
        judge = "experiments:\n  - {id: human, kind: judge, suite: refusal, labels_file: labels.jsonl}\n"
        self.job.write_text(self.job.read_text() + judge)
        self.assertIn("labels_file", self.search("r", code=2).stderr)
        self.assertFalse(list(self.folder.glob("r-*")))

    def test_a_fresh_search_that_is_stopped_goes_on_without_fresh(self):
        self.search("r")
        self.set_limit(2 * KL_LIMIT)  # other rounds: what the first search left does not fit them
        self.assertIn("another", self.search("r", code=2).stderr)
        self.search("r", "--fresh", "--limit", 3, code=4)
        self.assertEqual([p.name for p in self.folder.glob("r-*.h5")], ["r-sensitivity.h5"])
        self.search("r")

    def test_what_cannot_be_decided_is_told_from_what_is_incomplete(self):
        # A rule on benign prompts, of which the suite has none.
        self.job.write_text(self.job.read_text().replace("refusal_drop_pp: 100",
                                                         "refusal_drop_pp: 100, over_refusal_rise_pp: 100"))
        suite = self.folder / "refusal.jsonl"
        suite.write_text(suite.read_text().replace('"answer"', '"refuse"'))
        code = self.folder / "code"
        r = self.search("r", "--exit-code-file", code, code=4)
        self.assertEqual(code.read_text(), "4 undecided\n")
        self.assertIn("cannot be decided", r.stdout)
        self.search("s", "--exit-code-file", code, "--limit", 3, code=4)
        self.assertEqual(code.read_text(), "4\n")

    def test_a_failed_row_is_never_the_pick(self):
        tiny_job.write_model(self.folder / "tiny.gguf", nan_in="output_norm.weight")
        r = self.search("r", code=2)
        self.assertIn("the baseline lacks results", r.stderr)
        self.assertFalse((self.folder / "r.yaml").exists())


if __name__ == "__main__":
    unittest.main()
