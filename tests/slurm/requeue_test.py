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
  squeue*%T*) echo RUNNING ;;
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
        environment = os.environ | {
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

    def test_diverged(self):
        said, calls = self.job("bash -c 'exit 87'")
        self.assertEqual(calls, [], said)
        self.assertIn("training diverged; not requeued", said)

    def test_time_limit_that_cannot_work(self):
        warned = "VITRAIL_SIGNAL_LEAD=180"
        for limit, works in (("1:00", False), ("4:00", False), ("4:01", True), ("1-00:00:00", True), ("UNLIMITED", True)):
            with self.subTest(limit=limit):
                said, _ = self.job("true", before=f"{warned};", limit=limit)
                self.assertEqual("done" in said, works, said)
        self.assertIn("the time limit of 60 s is too short: the warning comes 180 s before its end",
                      self.job("true", before=f"{warned};", limit="1:00")[0])  # fmt: skip

    def test_node_that_does_not_answer(self):
        """It holds up neither what becomes of the job nor its end; with staging, as users have it."""
        said, calls = self.job("bash -c 'exit 137'", before="stage_dir=/tmp/nowhere")
        self.assertEqual(calls, ["requeue 7"], said)
        self.assertFalse((self.folder / "calls" / "srun").exists(), "cleaned before the decision")
        said, calls = self.job("bash -c 'exit 65'", before="stage_dir=/tmp/nowhere")
        self.assertEqual(calls, [], said)
        self.assertIn("left on the nodes: /tmp/nowhere/vitrail-7", said)

    def test_controller_does_not_answer_for_a_while(self):
        said, calls = self.job(f"{SAVED} {self.run_folder}", squeue=3, scontrol=2)
        self.assertEqual(calls, ["requeue 7"] * 3, said)

    def test_controller_does_not_answer_at_all(self):
        said, calls = self.job(STOPPED, squeue=1000)
        self.assertEqual(calls, [], said)
        self.assertIn("Slurm refused two minutes long: squeue --noheader --job 7", said)


if __name__ == "__main__":
    unittest.main()
