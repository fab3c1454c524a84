"""Experiments and hybrids on a tiny random model, with mpirun. usage: test_experiments.py PROGRAM Class[.test] ..."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import test_sweep  # noqa: E402
import tiny_job  # noqa: E402
from test_sweep import Sweep, call  # noqa: E402

test_sweep.PROGRAM = sys.argv.pop(1)


class Study(Sweep):
    """Every kind of experiment."""

    def setUp(self):
        super().setUp()
        self.job = tiny_job.write_study_job(self.folder)

    def report(self, name):
        self.assertEqual(call("report", self.out, "--json", self.folder / "r.json").returncode, 0)
        return json.loads((self.folder / "r.json").read_text())["tables"][name]

    def test_one_digest_for_any_ranks_and_threads(self):
        r = self.run_job("--threads", "1")
        self.assertIn("direction", r.stdout)
        self.assertNotIn("Failed units", r.stdout)
        expected = self.digest()
        for ranks, threads in [(1, 2), (2, 1), (3, 1)]:
            out = self.folder / f"{ranks}-{threads}.h5"
            self.run_job("--threads", threads, ranks=ranks, out=out)
            self.assertEqual(self.digest(out), expected, f"{ranks} ranks, {threads} threads")

    def test_one_digest_for_any_ranks_with_states_in_16_bits(self):
        whole = self.job.read_text()
        self.job.write_text("states: f16\n" + whole)
        r = self.run_job("--threads", "1")
        self.assertNotIn("Failed units", r.stdout)
        expected = self.digest()
        for ranks in [2, 3]:
            out = self.folder / f"{ranks}.h5"
            self.run_job("--threads", "1", ranks=ranks, out=out)
            self.assertEqual(self.digest(out), expected, f"{ranks} ranks")

    def test_a_state_that_16_bits_do_not_hold_is_missing_with_its_reason(self):
        tiny_job.write_model(self.folder / "tiny.gguf", large=3e6)
        self.job.write_text("states: f16\n" + self.job.read_text())
        r = self.run_job()
        self.assertIn("lacks a hidden state: decisions_state_status says why", " ".join(r.stdout.split()))

    def test_plan_and_run_say_what_the_states_take(self):
        whole = call("plan", self.job, "--json")
        states = {s["variable"]: s for s in json.loads(whole.stdout)["states"]}
        self.assertEqual(states["decisions_state_mean"]["bytes"], 3 * 60 * 2 * 256 * 4)
        self.assertEqual(states["decisions_span_mean"]["bytes"], 3 * 60 * 4 * 2 * 256 * 4)
        self.job.write_text("states: f16\n" + self.job.read_text())
        half = {s["variable"]: s for s in json.loads(call("plan", self.job, "--json").stdout)["states"]}
        for name, s in states.items():
            self.assertEqual(s["bytes"], half[name]["bytes"] * (1 if name.startswith("cited_") else 2), name)
        self.assertIn("decisions_span_token", call("plan", self.job).stdout)
        self.assertIn("decisions ", self.run_job().stderr)

    def test_json_evidence_lines_are_read_and_shown_with_scores(self):
        suite = self.folder / "decisions.jsonl"
        items = [json.loads(line) for line in suite.read_text().splitlines()]
        for i, item in enumerate(items):
            for j, line in enumerate(item["evidence"]):
                old = line["statement"]
                line["statement"] = json.dumps({"key": f"TRP-{i:06}", "cosine": round(0.9 - j / 10, 4),
                                                "label": line["label"], "statement": old})
                item["prompt"] = item["prompt"].replace(old, line["statement"], 1)
        suite.write_text(tiny_job.lines(items))
        r = self.run_job()
        self.assertNotIn("Failed units", r.stdout)
        try:
            import h5py
        except ImportError:
            self.skipTest("h5py is not there to read what the model was shown")
        # The same texts written by hand give the same states: their hashes say so, of the first row.
        with h5py.File(self.out) as f:
            orders, scores, shown = (f[name][0] for name in ["again_order", "cited_score", "again_content_hash"])
        for item, order, score in zip(items, orders, scores.reshape(len(items), -1)):
            lines = item["evidence"]
            order = [int(j) for j in order[:len(lines)]]
            self.assertEqual(order, sorted(range(len(lines)), key=lambda j: -score[j]))
            head, tail = item["prompt"].split(lines[0]["statement"])[0], item["prompt"].split("\n")[-1]
            for j, line in enumerate(lines):
                cosine = json.loads(line["statement"])["cosine"]
                line["statement"] = line["statement"].replace(f'"cosine": {cosine}', f'"evidence_score": {score[j]:.4f}')
            item["evidence"] = [lines[j] for j in order]
            item["prompt"] = head + "".join(line["statement"] + "\n" for line in item["evidence"]) + tail
        suite.write_text(tiny_job.lines(items))
        self.out = self.folder / "written.h5"
        self.run_job()
        with h5py.File(self.out) as f:
            self.assertTrue((f["decisions_content_hash"][0] == shown).all())

    def test_a_method_that_leaves_its_features_is_a_no_op_and_no_result(self):  # also behind a chain of against
        self.run_job()
        methods = {(m["experiment"], m["row"]): m for m in self.report("methods")}
        self.assertEqual(len(methods), 21)
        for (experiment, row), m in methods.items():
            self.assertEqual(m["no_op"], 1 if experiment == "masked_last" else 0, experiment)
            self.assertEqual(m["p_wilcoxon"] is None, experiment == "masked_last", experiment)
        self.assertEqual(methods["frozen", "tiny/q8_0"]["shift"], 0)

    def test_the_study_has_a_line_for_every_row(self):
        self.run_job()
        self.assertEqual([v["row"] for v in self.report("evaluator")], ["tiny/bf16", "tiny/q8_0", "tiny/q2_k"])
        self.assertEqual(len(self.report("probes")), 9)
        self.assertGreater(self.report("evaluator")[0]["cited_auc"], 0)
        self.assertGreater(self.report("evaluator")[0]["speed_ratio"], 0)
        self.assertEqual(len(self.report("approvals")), 6)  # balanced items, then all
        self.assertEqual(len(self.report("arms")), 3)
        self.assertEqual(len(self.report("method_checks")), 21)

    def test_a_suite_without_evidence_or_with_its_lines_elsewhere_is_refused(self):
        suite = self.folder / "decisions.jsonl"
        whole = suite.read_text()
        suite.write_text(whole.replace('"evidence"', '"proof"', 1))
        self.refused(call("run", self.job, "-o", self.out), "line 1", "evidence")
        suite.write_text(whole.replace("judge thing 2\\n", "judge thing 2 ", 1))
        self.refused(call("run", self.job, "-o", self.out), "line 3", "evidence lines")

    def test_a_label_leak_is_refused(self):
        suite = self.folder / "decisions.jsonl"
        suite.write_text(suite.read_text().replace('"g9"', '"g0"'))  # test and train
        self.refused(call("run", self.job, "-o", self.out), "action_group", "g0")


class Hybrids(Sweep):
    SELECTED = "{hybrid: {keep: bf16, rest: q2_k, select: {by: alpha, side: top, fraction: 0.5}}}"

    def recipes(self, *recipes):
        text = self.job.read_text()
        self.job.write_text(text.replace("[bf16, q8_0, q4_k_m]", "[bf16, " + ", ".join(recipes) + "]"))

    def test_rows_of_a_hybrid_are_those_of_its_list(self):
        self.recipes(self.SELECTED, "{hybrid: {keep: bf16, rest: q2_k, select: {by: random, fraction: 0.5, draw: 1}}}")
        r = self.run_job(ranks=2)
        self.assertIn("tiny/q2_k+bf16(alpha,top,50%)", r.stdout)
        self.assertIn("tiny/q2_k+bf16(random,50%,draw1)", r.stdout)
        kept = self.folder / "tiny.gguf.spectra.json"
        self.assertTrue(kept.exists())
        expected, alone = self.digest(), self.folder / "alone.h5"
        kept.write_text("{")  # broken: computed anew
        self.run_job(out=alone)
        self.assertEqual(self.digest(alone), expected)
        sizes = {row["row"]: row["bytes"] for row in json.loads(call("plan", self.job, "--json").stdout)["rows"]}
        for recipe in ["q2_k+bf16(alpha,top,50%)", "q2_k+bf16(random,50%,draw1)"]:
            out = self.folder / "hybrid.gguf"
            r = call("quantize", self.folder / "tiny.gguf", "--to", recipe, "--seed", 3, "-o", out)
            self.assertEqual(r.returncode, 0, r.stderr)
            tensors = json.loads(call("inspect", out, "--json").stdout)["tensors"]
            self.assertEqual(sum(t["bytes"] for t in tensors), sizes["tiny/" + recipe])
            self.assertEqual(sum(t["format"] == "BF16" for t in tensors), 7)

    def test_spectra_and_rows_of_each_module_are_the_same_for_any_ranks(self):
        random = ['"q2_k+bf16(random,50%,draw{})"'.format(i) for i in range(3)]
        self.recipes("q2_k", '"q2_k+bf16(alpha,top,50%)"', '"q2_k+bf16(slope,bottom,50%)"', *random,
                     "{each: {of: module, rest: bf16, to: [q2_k]}}")
        self.job.write_text(self.job.read_text().replace("experiments:", "experiments:\n  - {id: spectra, kind: spectra}"))
        kept = self.folder / "tiny.gguf.spectra.json"
        r = self.run_job()
        self.assertIn("by a spectral figure, at equal bytes", r.stdout)
        expected, spectra = self.digest(), kept.read_text()
        for ranks in [2, 3, 5]:
            kept.unlink()
            out = self.folder / f"{ranks}.h5"
            self.run_job(ranks=ranks, out=out)
            self.assertEqual(self.digest(out), expected, f"{ranks} ranks")
            self.assertEqual(kept.read_text(), spectra, f"{ranks} ranks")
        report = json.loads(self.report())
        self.assertEqual(len(report["findings"]), 2)
        tables = report["tables"]
        self.assertEqual(len(tables["sensitivity"]), 14)
        self.assertEqual(len(tables["spectra"]), 14)
        self.assertEqual(len(tables["spectral_contests"]), 2)
        self.assertEqual({row["row"] for row in tables["spectral_contests"]},
                         {"tiny/q2_k+bf16(alpha,top,50%)", "tiny/q2_k+bf16(slope,bottom,50%)"})
        self.assertEqual({row["n"] for row in tables["spectral_correlation"] if row["measure"] == "loss"}, {14})

    def report(self):
        path = self.folder / "report.json"
        r = call("report", self.out, "--json", path)
        self.assertEqual(r.returncode, 0, r.stderr)
        return path.read_text()

    def test_a_written_hybrid_gives_the_logits_of_its_recipe(self):
        f = self.folder
        (f / "half.yaml").write_text(self.SELECTED[1:-1] + "\n")
        (f / "i.json").write_text("[116, 104, 101, 32, 114]")
        for words in [("quantize", f / "tiny.gguf", "--to", f / "half.yaml", "-o", f / "half.gguf"),
                      ("logits", f / "half.gguf", "--tokens", f / "i.json", "-o", f / "a.f32"),
                      ("logits", f / "tiny.gguf", "--recipe", f / "half.yaml", "--tokens", f / "i.json", "-o",
                       f / "b.f32")]:
            r = call(*words)
            self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual((f / "a.f32").read_bytes(), (f / "b.f32").read_bytes())

    def test_wrong_sides_and_modules_are_named(self):
        self.refused(call("quantize", self.folder / "tiny.gguf", "--to", "q2_k+bf17(alpha,top,50%)", "-o", self.out),
                     "bf17", "bf16")
        self.refused(call("quantize", self.folder / "tiny.gguf", "--to", "q2_k+nf4(alpha,top,50%)", "-o", self.out),
                     "q2_k")
        self.recipes("{hybrid: {keep: bf16, rest: q2_k, select: {by: list, modules: [blk.9.attn_q]}}}")
        self.refused(call("run", self.job, "-o", self.out), "blk.9.attn_q")


if __name__ == "__main__":
    unittest.main()
