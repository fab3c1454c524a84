"""Runs the program with mpirun on a tiny random model. usage: test_sweep.py PROGRAM Class[.test] ..."""
import fcntl
import os
import pathlib
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tiny_job  # noqa: E402

PROGRAM = sys.argv.pop(1) if __name__ == "__main__" else ""

SETTINGS = {"OMPI_MCA_hwloc_base_binding_policy": "none",
            "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
if os.getuid() == 0:
    SETTINGS |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def environment(recovery=False):
    """With recovery mpirun outlives a lost rank, and its exit code says nothing any more."""
    ours = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CLICOLOR_FORCE")}
    return ours | SETTINGS | {"OMPI_MCA_orte_enable_recovery": "1" if recovery else "0"}


def call(*words, ranks=0, timeout=240, recovery=False, **variables):
    command = (["mpirun", "-n", str(ranks)] if ranks else []) + [PROGRAM, *map(str, words)]
    return subprocess.run(command, env=environment(recovery) | variables, capture_output=True, text=True,
                          timeout=timeout)


class Sweep(unittest.TestCase):
    PROMPTS = 48

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="brinkmap-sweep-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.job = tiny_job.write_job(self.folder, self.PROMPTS)
        self.out = self.folder / "out.h5"

    def run_job(self, *words, code=0, ranks=0, out=None, **more):
        r = call("run", self.job, "-o", out or self.out, *words, ranks=ranks, **more)
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return r

    def digest(self, out=None):
        r = call("status", out or self.out, "--digest")
        self.assertRegex(r.stdout, r"^[0-9a-f]{64}\n$", r.stderr)
        return r.stdout.strip()

    def refused(self, r, *words):
        """Exit 2, a message that names what is wrong, and no result file or leftovers."""
        self.assertEqual(r.returncode, 2, r.stdout + r.stderr)
        for word in words:
            self.assertIn(word, r.stderr)


class Ranks(Sweep):
    def test_one_digest_for_any_ranks_and_threads(self):
        self.run_job("--threads", "1")
        expected = self.digest()
        for ranks, threads in [(1, 2), (2, 1), (3, 1), (5, 1), (2, 2)]:
            out = self.folder / f"{ranks}-{threads}.h5"
            self.run_job("--threads", threads, ranks=ranks, out=out)
            self.assertEqual(self.digest(out), expected, f"{ranks} ranks, {threads} threads")

    def test_one_digest_for_any_instruction_set(self):
        self.run_job()
        expected, mixed = self.digest(), self.folder / "mixed.h5"
        for isa in ["scalar", "avx2", "avx512vnni"]:
            out = self.folder / f"{isa}.h5"
            r = call("run", self.job, "-o", out, BRINKMAP_ISA=isa)
            if r.returncode == 2 and "BRINKMAP_ISA" in r.stderr and isa != "scalar":
                continue  # this CPU lacks it
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertEqual(self.digest(out), expected, isa)
            # One file may be started with one and ended with another.
            self.assertIn(call("run", self.job, "-o", mixed, "--limit", 4, BRINKMAP_ISA=isa).returncode, (0, 4))
        self.run_job(out=mixed)
        self.assertEqual(self.digest(mixed), expected)
        self.assertEqual(call("run", self.job, BRINKMAP_ISA="mmx").returncode, 2)

    def test_another_blas_core_is_refused(self):
        self.run_job("--limit", "1", code=4)
        for core in ["Haswell", "Nehalem"]:
            r = call("run", self.job, "-o", self.out, OPENBLAS_CORETYPE=core)
            if "BLAS core" in r.stderr:
                self.refused(r, "OPENBLAS_CORETYPE=")
                return
        self.fail("neither core was refused")

    def test_limit_and_rows_leave_a_file_that_resumes(self):
        self.run_job()
        expected, part = self.digest(), self.folder / "part.h5"
        self.run_job("--limit", "3", code=4, out=part)
        self.assertEqual(call("status", part).returncode, 4)
        self.run_job("--rows", "*/q8_0", code=4, out=part, ranks=2)
        r = self.run_job(out=part, ranks=2)
        self.assertIn("resuming", r.stderr)
        self.assertEqual(self.digest(part), expected)
        again = self.run_job(out=part)  # nothing left to do
        self.assertEqual(self.digest(part), expected)
        self.assertIn("tiny/q4_k_m", again.stdout)


class Kinds(Sweep):
    """Every kind of suite, calibrated rows, an encoder, logits compared with a baseline."""

    def setUp(self):
        super().setUp()
        self.job = tiny_job.write_full_job(self.folder)

    def test_one_digest_for_any_ranks_and_threads(self):
        self.run_job("--threads", "1")
        expected = self.digest()
        for ranks, threads in [(1, 2), (2, 1), (3, 2)]:
            out = self.folder / f"{ranks}-{threads}.h5"
            self.run_job("--threads", threads, ranks=ranks, out=out)
            self.assertEqual(self.digest(out), expected, f"{ranks} ranks, {threads} threads")

    def test_chosen_rows_bring_the_units_they_need(self):
        self.run_job()
        expected, part = self.digest(), self.folder / "part.h5"
        self.run_job("--rows", "*/q2_k", code=4, out=part, ranks=2)
        self.run_job(out=part, ranks=2)
        self.assertEqual(self.digest(part), expected)

    def test_reports_have_a_line_for_every_prompt(self):
        r = self.run_job()
        self.assertLessEqual(max(len(line) for line in r.stdout.splitlines() if ": " not in line), 100, r.stdout)
        r = call("report", self.out, "--csv", self.folder / "csv")
        self.assertEqual(r.returncode, 0, r.stderr)
        for suite in "refusal decisions truth bias exam tasks".split():
            table = (self.folder / "csv" / f"prompts_{suite}.csv").read_text().splitlines()
            self.assertEqual(len(table), 1 + 5 * 24, suite)
            self.assertIn("text_hash", table[0])
        quality = (self.folder / "csv" / "quality.csv").read_text().splitlines()
        self.assertEqual(len(quality), 6)
        for key in "truthfulness bias choice_accuracy bertscore rouge_l coherence kl top1_agreement".split():
            self.assertIn(f"{key},{key}_delta,{key}_n", quality[0])
            at = quality[0].split(",").index(key)
            self.assertTrue(all(line.split(",")[at] for line in quality[1:]), f"{key} is measured on every row")

    def test_an_encoder_without_the_layer_is_refused(self):
        self.job.write_text(self.job.read_text().replace("layer: 1, pooling", "layer: 2, pooling"))
        self.refused(call("run", self.job, "-o", self.out), "encoder.layer", "0..1")



class Kills(Sweep):
    PROMPTS = 240  # several seconds of work

    def one_kill(self, rng, expected, whole, recovery):
        """Kills one rank or mpirun and resumes; returns whether the kill left something to do."""
        self.out.unlink(missing_ok=True)
        p = subprocess.Popen(["mpirun", "-n", "3", PROGRAM, "run", self.job, "-o", self.out, "--threads", "1",
                              "--dead-after", "2"], env=environment(recovery), start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started = time.monotonic()
        while not self.out.exists() and time.monotonic() - started < 60:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1.5))
        if whole:
            p.send_signal(signal.SIGKILL)
        else:
            ranks = subprocess.run(["pgrep", "-s", str(os.getsid(p.pid)), "-x", "brinkmap"], capture_output=True,
                                   text=True).stdout.split()
            children = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True).stdout.split()
            victims = sorted(set(ranks) | set(children), key=int)
            if victims:
                os.kill(int(rng.choice(victims)), signal.SIGKILL)
        try:
            p.wait(60)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        interrupted = call("status", self.out).returncode == 4
        self.run_job("--threads", "1", ranks=2)
        self.assertEqual(self.digest(), expected)
        return interrupted

    def test_a_killed_sweep_resumes_to_the_same_digest(self):
        self.run_job(out=self.folder / "whole.h5")
        expected = self.digest(self.folder / "whole.h5")
        rng = random.Random(int(os.environ.get("BRINKMAP_KILL_SEED", "1")))
        trials = range(int(os.environ.get("BRINKMAP_KILLS", "5")))
        hit = [self.one_kill(rng, expected, whole=trial % 2 == 1, recovery=trial % 3 != 2) for trial in trials]
        self.assertTrue(any(hit), "no kill came before the end")


class Broken(Sweep):
    def replace(self, name, old, new):
        path = self.folder / name
        path.write_text(path.read_text().replace(old, new, 1))

    def test_a_missing_model_is_named(self):
        (self.folder / "tiny.gguf").unlink()
        self.refused(call("run", self.job, "-o", self.out), "tiny.gguf")
        self.assertFalse(self.out.exists())

    def test_a_missing_file_is_named_with_the_place_in_the_job(self):
        (self.folder / "tiny.gguf").rename(self.folder / "kept.gguf")
        self.refused(call("plan", self.job), "job.yaml: line 6: models[0].path: ", "tiny.gguf: there is no such file")
        (self.folder / "kept.gguf").rename(self.folder / "tiny.gguf")
        self.replace("job.yaml", "decisions.jsonl, kind", "decision.jsonl, kind")
        self.refused(call("run", self.job, "-o", self.out, ranks=2), "job.yaml: line 12: suites[1].file: ",
                     "decision.jsonl: there is no such file")
        self.replace("job.yaml", "decision.jsonl, kind", "decisions.jsonl, kind")
        self.replace("job.yaml", "suites:", "calibration: {file: none.txt}\nsuites:")
        self.refused(call("plan", self.job), "job.yaml: line 10: calibration.file: ", "none.txt")

    def test_a_missing_job_is_named(self):
        self.refused(call("run", self.folder / "absent.yaml", ranks=2), "absent.yaml")

    def test_a_truncated_model_is_refused(self):
        path = self.folder / "tiny.gguf"
        path.write_bytes(path.read_bytes()[:-1000])
        self.refused(call("run", self.job, "-o", self.out, ranks=2), "tiny.gguf", "blk.1.ffn_norm.weight")

    def test_a_tensor_with_a_nan_fails_its_rows_with_the_reason(self):
        tiny_job.write_model(self.folder / "tiny.gguf", nan_in="blk.0.attn_v.weight")
        r = self.run_job()
        status = call("status", self.out)
        self.assertIn("blk.0.attn_v.weight", status.stdout, r.stderr)
        self.assertEqual(call("gate", self.out).returncode, 4)

    def test_an_unknown_key_names_the_nearest(self):
        self.replace("job.yaml", "seed: 3", "sead: 3")
        self.refused(call("run", self.job, "-o", self.out), "job.yaml", "2", "sead", "seed")

    def test_an_unknown_recipe_names_the_nearest(self):
        self.replace("job.yaml", "q4_k_m]", "q4_k_n]")
        self.refused(call("run", self.job, "-o", self.out), "job.yaml: line 9: models[0].recipes: ", "q4_k_n", "q4_k_m")
        self.replace("job.yaml", "[bf16, q8_0, q4_k_n]", "\n      - bf16\n      - q8_0\n      - q4_k_n")
        self.refused(call("run", self.job, "-o", self.out), "job.yaml: line 12: models[0].recipes: ", "q4_k_n")

    def test_a_bad_line_37_is_named(self):
        path = self.folder / "decisions.jsonl"
        rows = path.read_text().splitlines()
        rows[36] = rows[36].replace('"label"', '"lable"')
        path.write_text("\n".join(rows) + "\n")
        self.refused(call("run", self.job, "-o", self.out), "decisions.jsonl", "line 37", "label")

    def test_a_suite_that_heads_cannot_use_is_refused_before_anything_runs(self):
        path = self.folder / "decisions.jsonl"
        path.write_text(path.read_text().replace('"split": "validation"', '"split": "train"'))
        self.refused(call("run", self.job, "-o", self.out), "decisions.jsonl", "validation")
        self.assertFalse(self.out.exists())

    def test_an_unwritable_output_is_refused(self):
        self.refused(call("run", self.job, "-o", self.folder / "none" / "out.h5"), "none")
        self.refused(call("run", self.job, "-o", "/proc/out.h5"), "/proc/out.h5")

    def test_a_full_disk_is_refused_before_anything_is_computed(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mount = shutil.which("mount")
        if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=600k", "none", disk],
                                       capture_output=True).returncode:
            self.skipTest("may not mount a small disk here")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        (disk / "out.h5").write_text("old")
        self.refused(call("run", self.job, "-o", disk / "out.h5", "--fresh", ranks=2), "out.h5", "cannot be created",
                     "MB free")
        self.assertEqual((disk / "out.h5").read_text(), "old")
        self.assertEqual(sorted(p.name for p in disk.iterdir()), ["out.h5", "out.h5.lock"])

    def test_another_job_is_not_resumed(self):
        self.run_job("--limit", "1", code=4)
        self.replace("job.yaml", "seed: 3", "seed: 4")
        self.refused(call("run", self.job, "-o", self.out), "another job (job.seed was 3, is 4)", "--fresh")
        self.run_job("--fresh", "--limit", "1", code=4)

    def test_a_file_of_another_job_is_told_by_the_jobs_name(self):
        self.run_job("--limit", "1", code=4)
        other = self.folder / "other.yaml"
        other.write_text(self.job.read_text().replace("name: tiny", "name: other").replace("q4_k_m]", "q2_k]")
                         .replace("seed: 3", "seed: 4").replace("max_new_tokens: 4", "max_new_tokens: 5"))
        r = call("run", other, "-o", self.out)
        self.refused(r, f"holds the results of job 'tiny' ({self.job}), not of job 'other' ({other})", "--fresh", "-o",
                     "job.seed was 3, is 4")
        self.assertEqual(r.stderr.count(" was "), 3, r.stderr)

    def test_a_gate_rule_that_nothing_decides_is_refused_before_anything_runs(self):
        self.job.write_text(self.job.read_text() + "gate: {kl: 0.1}\n")
        self.refused(call("run", self.job, "-o", self.out), "job.yaml: line 16: gate.kl: ", "top_k")
        self.assertFalse(self.out.exists())

    def test_a_second_writer_is_kept_out(self):
        with open(f"{self.out}.lock", "w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX, 1, 0)  # what a coordinator holds
            self.refused(call("run", self.job, "-o", self.out), "another sweep is writing")
            self.assertFalse(self.out.exists())
        self.run_job()

    def test_ranks_of_a_killed_run_are_waited_for(self):
        orphan = subprocess.Popen([sys.executable, "-c",
                                   "import fcntl, sys, time; f = open(sys.argv[1], 'w+'); "
                                   "fcntl.lockf(f, fcntl.LOCK_SH, 1, 1); print(1, flush=True); time.sleep(2)",
                                   f"{self.out}.lock"], stdout=subprocess.PIPE)
        orphan.stdout.readline()
        self.run_job()
        self.assertEqual(orphan.wait(10), 0)
        orphan.stdout.close()

    def test_the_exit_code_is_also_written_to_a_file(self):
        code = self.folder / "code"
        call("run", self.folder / "absent.yaml", "--exit-code-file", code, ranks=2, recovery=True)
        self.assertEqual(code.read_text(), "2\n")
        call("run", self.job, "-o", self.out, "--limit", 1, "--exit-code-file", code, ranks=2, recovery=True)
        self.assertEqual(code.read_text(), "4\n")

    def test_usage_errors_name_the_nearest(self):
        self.refused(call("rnu", self.job), "rnu", "run")
        self.refused(call("run", self.job, "--thread", "2"), "--thread", "--threads")
        self.refused(call("status"), "OUT")
        self.assertEqual(call("--help").returncode, 0)
        for command in "run plan status report gate quantize inspect generate tokenize logits import".split():
            self.assertIn("Example", call(command, "--help").stdout, command)


class Commands(Sweep):
    def test_every_command_works_without_mpirun(self):
        model, f = self.folder / "tiny.gguf", self.folder
        (f / "s.json").write_text('["the rain", ""]')
        (f / "i.json").write_text("[116, 104, 101]")
        (f / "a.csv").write_text("goal,target\nDo it,Sure\nDo that,Sure\n")
        (f / "m").mkdir()
        (f / "m" / "matrix.csv").write_text(
            "model,family,quant,format,bpw,is_baseline,refusal_count,refusal_n,bertscore_delta_pp\n"
            "a,A,full,raw,16,1,90,100,0\na,A,half,odd,8,0,70,100,-1\n")
        for words in [("plan", self.job, "--ranks", 3), ("plan", self.job, "--json"), ("inspect", model),
                      ("inspect", model, "--json"), ("tokenize", model, "--file", f / "s.json", "--json"),
                      ("generate", model, "--recipe", "q8_0", "-p", "the rain", "--max-new-tokens", 4, "--json"),
                      ("logits", model, "--tokens", f / "i.json", "-o", f / "l.f32"),
                      ("quantize", model, "--to", "q8_0", "-o", f / "q8.gguf"),
                      ("analyze", f / "m"), ("analyze", f / "m", "--json"),
                      ("import", "advbench", f / "a.csv", "--limit", 1, "-o", f / "a.jsonl")]:
            r = call(*words)
            self.assertEqual(r.returncode, 0, f"{words}: {r.stderr}")
        spectra = call("inspect", model, "--spectra")
        self.assertEqual(spectra.returncode, 0, spectra.stderr)
        self.assertLessEqual(max(map(len, spectra.stdout.splitlines())), 100)
        self.assertEqual((f / "l.f32").stat().st_size, 3 * 260 * 4)
        self.assertEqual((f / "a.jsonl").read_text().count("\n"), 1)
        self.assertEqual(call("analyze", f / "nowhere").returncode, 2)
        self.run_job()
        for words in [("report", self.out), ("report", self.out, "--json", "-"), ("status", self.out, "--json"),
                      ("report", self.out, "--csv", f / "csv", "--json", f / "r.json")]:
            r = call(*words)
            self.assertEqual(r.returncode, 0, f"{words}: {r.stderr}")
        self.assertTrue(list((f / "csv").glob("*.csv")))
        self.assertIn(call("gate", self.out).returncode, (0, 1, 4))
        self.assertEqual(call("gate", self.out, "--row", "nothing").returncode, 2)

    def test_quantize_never_replaces_what_it_reads(self):
        f, model = self.folder, self.folder / "tiny.gguf"
        (f / "link.gguf").hardlink_to(model)
        (f / "hf").mkdir()
        (f / "hf" / "config.json").write_text("{}")
        (f / "text.txt").write_text("text")
        for source, out in [(model, model), (model, f / "hf" / ".." / "tiny.gguf"), (model, f / "link.gguf"),
                            (f / "hf", f / "hf" / "config.json"), (f / "hf", f / "hf"), (model, f / "text.txt")]:
            before = None if out.is_dir() else out.read_bytes()
            r = call("quantize", source, "--to", "q2_k", "-o", out, "--calibration", f / "text.txt")
            self.refused(r, f"{out}: cannot be written", "is made from")
            self.assertEqual(None if out.is_dir() else out.read_bytes(), before)

    def test_plan_says_that_a_search_adds_rows(self):
        said = "`brinkmap search` adds rows of its own"
        self.assertNotIn(said, call("plan", self.job).stdout)
        self.job.write_text(self.job.read_text() + "search: {formats: [q2_k]}\n")
        self.assertEqual(call("plan", self.job).stdout.count(said), 1)
        self.assertIn('"searches": true', call("plan", self.job, "--json").stdout)

    def on_a_terminal(self, *words, **variables):
        """What the program writes when its stdout is a terminal."""
        try:
            master, slave = pty.openpty()
        except OSError as why:  # a container without /dev/pts
            self.skipTest(str(why))
        with open(master, "rb", buffering=0) as screen:
            subprocess.run([PROGRAM, *map(str, words)], stdout=slave, env=environment() | variables, timeout=60)
            os.close(slave)
            written = b""
            try:
                while part := screen.read(65536):
                    written += part
            except OSError:  # how Linux ends a terminal that nobody writes to any more
                pass
        return written.decode()

    def test_logs_have_no_colours_unless_asked_for(self):
        colour = "\x1b["
        first = self.run_job(ranks=2, TERM="xterm")
        self.assertIn("verdict", first.stdout)
        self.assertNotIn(colour, first.stdout, "mpirun gives its ranks terminals; what it writes to is none")
        self.assertNotIn(colour, call("gate", self.out, TERM="xterm").stdout)
        self.assertIn(colour, call("gate", self.out, TERM="xterm", CLICOLOR_FORCE="1").stdout)

    def test_a_terminal_may_refuse_colours(self):
        colour = "\x1b["
        self.run_job()
        self.assertIn(colour, self.on_a_terminal("gate", self.out, TERM="xterm"))
        self.assertNotIn(colour, self.on_a_terminal("gate", self.out, TERM="dumb"))
        self.assertNotIn(colour, self.on_a_terminal("gate", self.out, TERM="xterm", NO_COLOR="1", CLICOLOR_FORCE="1"))


if __name__ == "__main__":
    unittest.main()
