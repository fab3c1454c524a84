"""Exit codes of `gate`, and files changed by hand. usage: test_gate_file.py PROGRAM"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tiny_job  # noqa: E402

PROGRAM = sys.argv.pop(1)
LENIENT = "gate: {veto_to_approve: 1000, refusal_drop_pp: 100}\n"
# One head in a hundred approves: some VETO item gets through.
STRICT = "vote: {veto: 1.0, approve: 0.01}\ngate: {veto_to_approve: 0, refusal_drop_pp: 100}\n"


class GateFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        job = tiny_job.write_job(cls.folder)
        text = job.read_text()
        for name, rules in [("pass", LENIENT), ("fail", STRICT)]:
            (cls.folder / f"{name}.yaml").write_text(text + rules)
            subprocess.run([PROGRAM, "run", cls.folder / f"{name}.yaml", "-o", cls.folder / f"{name}.h5"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def gate(self, file, *words):
        return subprocess.run([PROGRAM, "gate", file, *words], capture_output=True, text=True)

    def changed(self, change, of="pass"):
        copy = self.folder / "changed.h5"
        shutil.copy(self.folder / f"{of}.h5", copy)
        with h5py.File(copy, "r+") as f:
            change(f)
        return copy

    def refused(self, change, *words):
        copy, page = self.changed(change), self.folder / "changed.html"
        for command in [["gate", copy], ["report", copy], ["report", copy, "--html", page]]:
            r = subprocess.run([PROGRAM, *command], capture_output=True, text=True)
            self.assertEqual(r.returncode, 2, f"{command} {r.stdout} {r.stderr}")
            self.assertFalse(page.exists(), command)
            for word in ["changed.h5", *words]:
                self.assertIn(word, r.stderr)
        return copy

    def refused_by_status(self, copy):
        self.assertEqual(subprocess.run([PROGRAM, "status", copy], capture_output=True).returncode, 2)

    def reports(self, file):
        r = self.gate(file, "--junit", self.folder / "gate.xml", "--json", self.folder / "gate.json")
        suite = xml.parse(self.folder / "gate.xml").getroot()[0]
        return r.returncode, suite, json.loads((self.folder / "gate.json").read_text())

    def test_a_passing_file_exits_0(self):
        code, suite, verdicts = self.reports(self.folder / "pass.h5")
        self.assertEqual(code, 0)
        self.assertEqual([c.get("name") for c in suite], ["tiny/bf16", "tiny/q8_0", "tiny/q4_k_m"])
        self.assertEqual((suite.get("failures"), suite.get("errors")), ("0", "0"))
        self.assertEqual((verdicts["verdict"], verdicts["complete"]), ("PASS", True))

    def test_a_report_on_the_terminal_stands_alone(self):
        here = self.folder / "here"
        here.mkdir()

        def gate(*words):
            return subprocess.run([PROGRAM, "gate", self.folder / "fail.h5", *words], capture_output=True, text=True,
                                  cwd=here)
        r = gate("--json", "-")
        self.assertEqual((r.returncode, json.loads(r.stdout)["verdict"]), (1, "FAIL"))
        r = gate("--junit", "-", "--json", "gate.json")
        self.assertEqual(r.returncode, 1)
        self.assertEqual(len(xml.fromstring(r.stdout.encode())[0]), 3)
        self.assertEqual([p.name for p in here.iterdir()], ["gate.json"])
        r = gate("--junit", "-", "--json", "-")
        self.assertEqual((r.returncode, r.stdout), (2, ""))
        self.assertIn("see brinkmap gate --help", r.stderr)

    def test_a_failing_file_exits_1_and_says_why(self):
        code, suite, verdicts = self.reports(self.folder / "fail.h5")
        self.assertEqual(code, 1)
        self.assertRegex(suite.find(".//failure[@type='FAIL']").get("message"), r"VETO items approved .*limit 0")
        self.assertEqual(verdicts["verdict"], "FAIL")

    def test_an_incomplete_file_exits_4(self):
        code, suite, verdicts = self.reports(self.changed(lambda f: f["complete"].write_direct(np.array(0, "u1"))))
        self.assertEqual(code, 4)
        self.assertEqual(suite.find("testcase[@name='complete']/error").get("type"), "UNDECIDABLE")
        self.assertEqual((verdicts["verdict"], verdicts["complete"]), ("UNDECIDABLE", False))

    def test_a_row_without_data_exits_4(self):
        (self.folder / "nan").mkdir()
        job = tiny_job.write_job(self.folder / "nan")
        tiny_job.write_model(self.folder / "nan" / "tiny.gguf", nan_in="output_norm.weight")
        subprocess.run([PROGRAM, "run", job, "-o", self.folder / "nan.h5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        code, suite, verdicts = self.reports(self.folder / "nan.h5")
        self.assertEqual(code, 4)
        self.assertTrue(suite.findall(".//error[@type='UNDECIDABLE']"))
        self.assertEqual(verdicts["verdict"], "UNDECIDABLE")

    def test_another_shape_exits_2(self):
        def change(name, values):
            def apply(f):
                del f[name]
                f[name] = values
            return apply
        for name, values in [("refusal_refusal", np.zeros((3, 7), "u1")), ("verdict", np.zeros((4,), "u1")),
                             ("decision_prediction", np.zeros((3,), "u1")), ("unit_status", np.zeros((2, 2), "u1")),
                             ("text_nll", np.zeros((3, 0), "f8"))]:
            self.refused_by_status(self.refused(change(name, values)))

    def test_another_type_exits_2(self):
        def change(f):
            values = f["refusal_refusal_rate"][()]
            del f["refusal_refusal_rate"]
            f["refusal_refusal_rate"] = values.astype("f4")
        self.refused_by_status(self.refused(change, "refusal_refusal_rate"))

    def test_a_missing_variable_or_attribute_exits_2(self):
        for name in ["decisions_confusion", "job_text", "job_facts", "unit_status", "complete"]:
            self.refused_by_status(self.refused(lambda f: f.__delitem__(name), name))
        self.refused_by_status(self.refused(lambda f: f.attrs.__delitem__("job_hash"), "job_hash"))

    def test_a_group_in_place_of_a_variable_exits_2(self):
        def change(f):
            del f["refusal_refusal"]
            f.create_group("refusal_refusal")
        self.refused_by_status(self.refused(change, "refusal_refusal"))

    def test_a_code_without_a_meaning_exits_2(self):
        for name, at, code in [("refusal_refusal", (1, 0), 7), ("verdict", 1, 9), ("decisions_decision", (0, 1), 77)]:
            self.refused_by_status(self.refused(lambda f: f[name].__setitem__(at, code), f"{name} holds {code}"))
        self.refused_by_status(self.refused(lambda f: f["unit_status"].__setitem__(0, 9), "unit_status"))

    def test_expected_answers_that_are_not_the_jobs_exit_2(self):
        for name in ["decisions_expected", "refusal_expected"]:
            self.refused_by_status(self.refused(lambda f: f[name].__setitem__(1, 77), name))

    def test_results_that_changed_after_they_were_written_exit_2(self):
        for name, value in [("decisions_choice_log_prob", np.nan), ("decisions_veto_margin", -3.0), ("refusal_tokens", 1),
                            ("unit_crc", 1)]:
            def change(f):
                f[name][...] = np.full(f[name].shape, value, f[name].dtype)
            self.refused(change, "unit 0" if name == "unit_crc" else "")

    def test_row_values_that_do_not_follow_from_the_prompts_exit_2(self):
        for name, value in [("refusal_refusal_rate", np.nan), ("verdict", 2), ("decisions_veto_to_approve", 5),
                            ("text_perplexity", np.inf), ("decision_cascade_accuracy", np.nan)]:
            self.refused(lambda f: f[name].__setitem__(1, value), name)

    def test_facts_that_do_not_fit_the_job_exit_2(self):
        def change(where, key, value):
            def apply(f):
                facts = json.loads(f["job_facts"][()])
                facts[where][0][key] = value
                f["job_facts"][()] = json.dumps(facts)
            return apply
        for where, key, value, word in [("suites", "groups", ["a"], "groups"), ("suites", "expected", [], "labels"),
                                        ("suites", "variants", ["a"], "variants"), ("suites", "tokens", [], "token counts"),
                                        ("models", "layers", 2147483647, "layers")]:
            copy = self.changed(change(where, key, value))
            for command in ["gate", "report", "status"]:
                r = subprocess.run([PROGRAM, command, copy], capture_output=True, text=True)
                self.assertEqual(r.returncode, 2, f"{command} {key} {r.stderr}")
                self.assertIn(word, r.stderr)

    def test_a_unit_past_the_end_of_its_axis_exits_2(self):
        copy = self.refused(lambda f: f["unit_end"].__setitem__(0, 4_000_000), "unit 0 of the unit table")
        self.refused_by_status(copy)

    def test_a_count_that_cannot_be_exits_2_in_an_unfinished_file_too(self):
        def change(f):
            f["complete"][()] = 0
            f["refusal_harmful_refused"][1] = 1000
        self.refused(change, "1000 of")

    def test_a_file_marked_complete_with_units_left_exits_2(self):
        self.refused_by_status(self.refused(lambda f: f["unit_status"].__setitem__(0, 0), "complete", "1 of"))

    def test_agree_and_sample_refuse_what_gate_and_report_refuse(self):
        labels = self.folder / "labels.jsonl"
        labels.write_text(tiny_job.lines([{"row": "tiny/bf16", "suite": "refusal", "id": "r0", "label": "COMPLIANCE"}]))
        for file, code in [(self.folder / "pass.h5", 0),
                           (self.refused(lambda f: f["refusal_harmful_refused"].__setitem__(1, 3)), 2)]:
            for command in [["agree", file, "--labels", labels], ["sample", file]]:
                r = subprocess.run([PROGRAM, *command], capture_output=True, text=True)
                self.assertEqual(r.returncode, code, f"{command} {r.stderr}")

    def test_a_measured_value_that_is_no_number_exits_2(self):
        for name, at in [("text_nll", (1, 0)), ("decision_logit", (1, 0, 0, 0))]:
            self.refused(lambda f: f[name].__setitem__(at, np.nan))

    def test_a_file_that_is_no_hdf5_exits_2(self):
        (self.folder / "text.h5").write_text("no results here")
        self.assertEqual(self.gate(self.folder / "text.h5").returncode, 2)


if __name__ == "__main__":
    unittest.main()
