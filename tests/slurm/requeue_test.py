"""slurm/requeue.sh where Slurm itself is in trouble, with stand-ins for its commands: no job is lost by that.

By hand: python3 tests/slurm/requeue_test.py
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Fails as often as FAIL_squeue or FAIL_scontrol says, and is counted.
STAND_IN = """#!/bin/bash
name=$(basename "$0")
echo "$*" >>"$CALLS/$name"
if (($(wc -l <"$CALLS/$name") <= FAIL_$name)); then exit 1; fi
case "$name $*" in
  squeue*%l*) echo "${LIMIT:-UNLIMITED}" ;;
  squeue*%L*) echo "${LEFT:-UNLIMITED}" ;;
  squeue*%T*) echo RUNNING ;;
  squeue*"--job ${ALIVE:-none}") echo "$ALIVE main one root R 1:00 1 n0" ;;
  scontrol*"show job"*) printf '   %s\n' "Command=/x/slurm/vit_h_21k.sh --a b" "StdOut=${STDOUT:-}" ;;
  scontrol*"show hostnames"*) printf '%s\n' n0 n1 ;;
  srun*) exec python3 -c "import time; time.sleep(600)" ;;  # a node that does not answer
esac
"""

STOPPED = "bash -c 'exit 85'"
SAVED = """bash -c 'mkdir -p "$0/checkpoints" && ln -sfn step-00000203 "$0/checkpoints/latest" && exit 85'"""


class RequeueTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vitrail-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.run_folder = self.folder / "runs" / "one"
        for name in ("squeue", "scontrol", "sleep", "srun"):
            (self.folder / name).write_text(STAND_IN)
            (self.folder / name).chmod(0o755)

    def job(self, command, before="", limit="UNLIMITED", **fails):
        """What the script says of its command, when it was sourced and did `before`; the calls of scontrol."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VITRAIL")} | {
            "PATH": f"{self.folder}:{os.environ['PATH']}", "CALLS": str(self.folder / "calls"), "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "n0", "SLURM_NNODES": "1", "LIMIT": limit,
        } | {f"FAIL_{name}": str(fails.get(name, 0)) for name in ("squeue", "scontrol", "sleep", "srun")}
        shutil.rmtree(self.folder / "calls", ignore_errors=True)
        (self.folder / "calls").mkdir()
        script = f"source slurm/requeue.sh; {before}\nrun_and_requeue '{self.run_folder}' {command}"
        done = subprocess.run(["bash", "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        calls = self.folder / "calls" / "scontrol"
        return done.stdout + done.stderr, calls.read_text().splitlines() if calls.exists() else []

    def test_run_folder_is_not_there_yet(self):
        """A launch that failed is tried again, and counted."""
        said, calls = self.job("bash -c 'exit 137'")
        self.assertEqual(calls, ["requeue 7"], said)
        self.assertEqual((self.run_folder / "failed_attempts").read_text(), "none 1\n")

    def test_a_config_names_its_folder(self):
        """As the program reads it; one that says nothing, or that the program refuses, is called as its file."""
        program = self.folder / "program"
        for printed, folder in (("name = mine\\ndir =", "runs/mine"), ("name = mine\\ndir = /own", "/own"),
                                ("name = default\\ndir =", "runs/some"), ("", "runs/some")):
            program.write_text(f"#!/bin/sh\nprintf '[launch]\\nvia = auto\\n\\n[run]\\n{printed}\\n'\n")
            program.chmod(0o755)
            script = "source slurm/train.sh; folder_of_config configs/some.cfg --run.steps 3"
            done = subprocess.run(["bash", "-c", script], env=os.environ | {"VITRAIL": str(program), "VITRAIL_RUNS": "runs"},
                                  cwd=ROOT, capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout.strip(), folder, printed)

    def test_what_the_look_before_a_start_found(self):
        """I/O that may pass is tried again, without another look; what is wrong for good is not."""
        program, started = self.folder / "program", self.folder / "started"
        program.write_text(f'#!/bin/sh\ncase "$*" in *--check*) exit $LOOK ;; esac\necho "$*" >>{started}\nexit 78\n')
        program.chmod(0o755)
        for look, requeued in ((74, True), (78, False)):
            before = f"export VITRAIL={program} VITRAIL_STAGE= LOOK={look}; source slurm/train.sh"
            said, calls = self.job("checked -n 1", before=before)
            self.assertEqual("requeue 7" in calls, requeued, said)
            self.assertFalse(started.exists())
        self.job("checked -n 1", before="SLURM_RESTART_COUNT=1; attempt=1; " + before)
        self.assertEqual(started.read_text(), "launch -n 1\n")

    def test_asked_before_the_command_runs(self):
        said, calls = self.job("python3 -c 'import time; time.sleep(60)'", before="kill -TERM $$")
        self.assertEqual(calls, ["requeue 7"], said)
        self.assertFalse((self.run_folder / "failed_attempts").exists())

    def test_saved(self):
        said, calls = self.job(f"{SAVED} {self.run_folder}")
        self.assertEqual(calls, ["requeue 7"], said)
        self.assertIn("saved after step-00000203, as is normal before a time limit or preemption; back to the queue, continues "
                      "as attempt 1", said)  # fmt: skip
        self.assertFalse((self.run_folder / "failed_attempts").exists())

    def test_stopped_again_and_again_without_a_step(self):
        """As where the time limit is over before the first one: not for ever."""
        expected = [["requeue 7"], ["requeue 7"], []]
        for number, calls_expected in enumerate(expected, 1):
            said, calls = self.job(STOPPED)
            self.assertEqual(calls, calls_expected, said)
            self.assertIn(f"85 without a new checkpoint: failed attempt {number} of 3 since checkpoint none", said)

    def test_stopped_by_the_time_limit_again_and_again(self):
        """As an evaluation that takes longer than its limit, or ranks that take too long to start: not for ever."""
        dies = "python3 -c 'import time; time.sleep(60)'"
        before = "export LEFT=3:00 VITRAIL_SIGNAL_LEAD=180; kill -USR1 $$"
        for number, calls_expected in enumerate((["requeue 7"], ["requeue 7"], []), 1):
            said, calls = self.job(dies, before=before)
            self.assertEqual(calls, calls_expected, said)
            self.assertIn(f"exit status 138 at the time limit: failed attempt {number} of 3 since checkpoint none", said)
        self.assertIn(f"not tried again: mend the cause, delete {self.run_folder}/failed_attempts and submit again", said)
        # Preempted long before: as often as it takes. A warning that comes as soon as the job begins will do so again.
        for name, counted in (("TERM", False), ("USR1", True)):
            shutil.rmtree(self.run_folder, ignore_errors=True)
            said, calls = self.job(dies, before=f"export LEFT=2:00:00; kill -{name} $$")
            self.assertEqual(calls, ["requeue 7"], said)
            self.assertEqual((self.run_folder / "failed_attempts").exists(), counted, said)

    def test_rank_that_could_not_be_started(self):
        """srun names the rank only: its node is blamed, and left out once that happened twice."""
        fails = "bash -c 'echo srun: error: task 3 launch failed: Unspecified error >&2; exit 1'"
        for times in (1, 2):
            said, calls = self.job(fails, before="export SLURM_NNODES=2 SLURM_NTASKS=4")
            self.assertEqual((self.run_folder / "suspect_nodes").read_text(), "n1\n" * times, said)
        self.assertIn("update jobid=7 excnodelist=n1", calls)

    def test_packs_grow_over_time_limits(self):
        packs = self.run_folder
        (packs / "one" / "unfinished").mkdir(parents=True)
        before = "source slurm/pack.sh; export LEFT=3:00 VITRAIL_SIGNAL_LEAD=180; kill -USR1 $$"
        for number in range(4):
            (packs / "one" / "unfinished" / f"shard-{number}.h5").touch()
            said, calls = self.job("python3 -c 'import time; time.sleep(60)'", before=before)
            self.assertEqual(calls, ["requeue 7"], said)
            self.assertIn(f"failed attempt 1 of 3 since checkpoint {number + 1}-shards", said)

    def test_diverged(self):
        said, calls = self.job("bash -c 'exit 87'")
        self.assertEqual(calls, [], said)
        self.assertIn("training diverged; not requeued", said)

    def test_time_limit_that_cannot_work(self):
        warned = "VITRAIL_SIGNAL_LEAD=180"
        for limit, works in (("1:00", False), ("3:30", False), ("3:31", True), ("1-00:00:00", True), ("UNLIMITED", True)):
            with self.subTest(limit=limit):
                said, _ = self.job("true", before=f"{warned};", limit=limit)
                self.assertEqual("done" in said, works, said)
        self.assertIn("the time limit of 60 s is too short: the warning comes 180 s before its end",
                      self.job("true", before=f"{warned};", limit="1:00")[0])  # fmt: skip

    def test_names_among_the_words(self):
        """The folder, its ledgers and the job's name are those that the words give."""
        train = "source slurm/train.sh; remember_job() { :; }; vitrail=echo; stage_dir=; SLURM_NTASKS=2 train vit_h_21k"
        for words, folder in (
            ("", "runs/vit_h_21k"),
            ("--run.name dup1", "runs/dup1"),
            ("--run.name=dup1", "runs/dup1"),
            ("--run.dir /tmp/elsewhere/x", "/tmp/elsewhere/x"),
            ("--run.dir /tmp/elsewhere/x --run.name dup1", "/tmp/elsewhere/x"),
        ):
            with self.subTest(words=words):
                said, calls = self.job("", before=f"{train} {words}")
                self.assertIn(f"launch -n 2 --launch.mpi pmix --run.device cuda --config configs/vit_h_21k.cfg {words} --run.dir {folder}".replace("  ", " "),
                              said)  # fmt: skip
                self.assertIn(f"update jobid=7 jobname={os.path.basename(folder)}", calls)

    def test_a_job_stays_with_its_run(self):
        """Whatever its config names by the time of a later attempt; the run's own settings count where it is gone."""
        program, config = self.folder / "program", self.folder / "some.cfg"
        program.touch(0o755)
        config.touch()
        train = f"source slurm/train.sh; stage_dir=; SLURM_NTASKS=2 VITRAIL_CONFIG={config} train some"
        for restart, name in ((0, "first"), (1, "other"), (2, None)):
            program.write_text(f"#!/bin/bash\n[[ $* != *--print-config* ]] || printf 'name = {name}\\ndir =\\n'\necho \"$*\"\n")
            if not name:
                config.unlink()
                (self.run_folder.parent / "first").mkdir(parents=True, exist_ok=True)
                (self.run_folder.parent / "first" / "config.cfg").touch()
            said, _ = self.job("", before=f"export VITRAIL={program} VITRAIL_RUNS={self.run_folder.parent} SLURM_RESTART_COUNT={restart}; {train}")
            self.assertIn(f"--run.dir {self.run_folder.parent}/first", said)
            self.assertIn(f"--config {config if name else self.run_folder.parent / 'first' / 'config.cfg'} ", said)

    def test_log_of_a_job_with_another_name(self):
        """Slurm calls the logs of later attempts by the new name: it leads to the first one's."""
        old, new = self.folder / "vit_h_21k-7.log", self.folder / "one-7.log"
        old.write_text("attempt 0\n")
        scontrol = self.folder / "scontrol"
        scontrol.write_text(f"#!/bin/bash\nif [[ $1 == update ]]; then touch {self.folder}/renamed; fi\n"
                            f"if [[ -e {self.folder}/renamed ]]; then echo '   StdOut={new}'; else echo '   StdOut={old}'; fi\n")  # fmt: skip
        self.job("true", before="source slurm/train.sh; SLURM_JOB_ID=7 name_job one;")
        self.assertEqual(new.read_text(), "attempt 0\n")
        self.assertTrue(new.is_symlink())

    def test_second_job_of_a_run(self):
        """It does not take the place of the first in job.sh while that is in the queue."""
        self.run_folder.mkdir(parents=True)
        job_sh = self.run_folder / "job.sh"
        train = f"source slurm/train.sh; vitrail=echo; stage_dir=; SLURM_NTASKS=2 train vit_h_21k --run.dir {self.run_folder}"
        for alive, number in (("5", 5), ("none", 7)):
            job_sh.write_text("job=5\nscript=/x/slurm/vit_h_21k.sh\nconfig=a.cfg\nwords=()\n")
            said, _ = self.job("", before=f"export ALIVE={alive} SLURM_NTASKS_PER_NODE=4 SLURM_GPUS_PER_NODE=4; {train}")
            self.assertEqual(job_sh.read_text().count(f"job={number}\n"), 1, said)
        self.assertIn("on_a_node=(--ntasks-per-node=4 --gpus-per-node=4)\n", job_sh.read_text())

    def test_from_another_directory(self):
        for script in sorted((ROOT / "slurm").glob("*.sh")):
            if not os.access(script, os.X_OK):
                continue
            done = subprocess.run([script], cwd=self.folder, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), script)
            self.assertRegex(done.stderr, r"^(submit|run) this from the repository's root\n$")

    def test_run_whose_job_waits_for_nodes(self):
        """slurm/resume.sh cancels the waiting job and submits its script on other nodes."""
        self.run_folder.mkdir(parents=True)
        job_sh = self.run_folder / "job.sh"
        shown = "   JobState={} Reason=None\n   Partition=gpu AllocNode:Sid=x Account=(null) QOS=long\n   TimeLimit=1-00:00:00 TimeMin=N/A\n"
        notes = self.folder / "notes"
        for name in ("scancel", "sbatch"):
            (self.folder / name).write_text(f'#!/bin/bash\nprintf "%s|" {name} "$VITRAIL_CONFIG" "$VITRAIL_RUNS" "$@" >>{notes}\necho "8;here"\n')
            (self.folder / name).chmod(0o755)
        environment = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        environment.pop("VITRAIL_RUNS", None)

        def resume(state, *words):
            notes.write_text("")
            job_sh.write_text("job=7\nscript=slurm/vit_h_21k.sh\nconfig=a.cfg\nwords=(--optimizer.lr 1e-3 'a b')\n"
                              "on_a_node=(--gpus-per-node=4)\n[[ -v VITRAIL_RUNS ]] || export VITRAIL_RUNS=/r\\ s\n")  # fmt: skip
            (self.folder / "scontrol").write_text(f"#!/bin/bash\ncat <<'END'\n{shown.format(state)}END\n")
            done = subprocess.run(["slurm/resume.sh", self.run_folder, *words], cwd=ROOT, env=environment, capture_output=True,
                                  text=True, check=False)  # fmt: skip
            return done.returncode, notes.read_text(), done.stdout + done.stderr

        # Wherever it is asked from, the run stays where it is.
        folder = self.run_folder.resolve()
        submitted = (f"sbatch|a.cfg|/r s|--parsable|--partition=gpu|--qos=long|--time=1-00:00:00|--gpus-per-node=4|--nodes=1|slurm/vit_h_21k.sh|"
                     f"--optimizer.lr|1e-3|a b|--run.dir|{folder}|")  # fmt: skip
        status, said, _ = resume("PENDING", "--nodes=1")
        self.assertEqual((status, said), (0, f"{submitted}scancel||/r s|7|"))
        self.assertIn("job=8\n", job_sh.read_text())  # resumed once more, this one is replaced
        status, said, _ = resume("COMPLETED", "--nodes=1")
        self.assertEqual((status, said), (0, submitted))
        status, said, text = resume("RUNNING", "--nodes=1")
        self.assertEqual((status, said), (78, ""))
        self.assertIn("it needs no help", text)
        for words in ((), ("1",), ("nodes=1",), ("--time=1:00:00",)):
            status, said, text = resume("PENDING", *words)
            self.assertEqual((status, said), (2, ""), words)
            self.assertIn("--nodes=K", text)
        # What Slurm does not take costs no place in the queue.
        (self.folder / "sbatch").write_text("#!/bin/bash\necho 'sbatch: error: no' >&2\nexit 1\n")
        self.assertEqual(resume("PENDING", "--nodes=1")[:2], (1, ""))

    def test_node_that_does_not_answer(self):
        """It holds up neither what becomes of the job nor its end; with staging, as users have it."""
        said, calls = self.job("bash -c 'exit 137'", before="stage_dir=/tmp/nowhere")
        self.assertEqual(calls, ["requeue 7"], said)
        self.assertFalse((self.folder / "calls" / "srun").exists(), "cleaned before the decision")
        said, calls = self.job("bash -c 'exit 65'", before="stage_dir=/tmp/nowhere")
        self.assertEqual(calls, [], said)
        self.assertIn("left on the nodes: /tmp/nowhere/vitrail-0-7", said)

    def test_controller_does_not_answer_for_a_while(self):
        said, calls = self.job(f"{SAVED} {self.run_folder}", squeue=3, scontrol=2)
        self.assertEqual(calls, ["requeue 7"] * 3, said)

    def test_controller_does_not_answer_at_all(self):
        said, calls = self.job(STOPPED, squeue=1000)
        self.assertEqual(calls, [], said)
        self.assertIn("Slurm refused two minutes long: squeue --noheader --job 7", said)


if __name__ == "__main__":
    unittest.main()
