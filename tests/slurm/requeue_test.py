"""slurm/requeue.sh where Slurm itself is in trouble, with stand-ins for its commands: no job is lost by that.

By hand: python3 tests/slurm/requeue_test.py
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Fails as often as FAIL_squeue or FAIL_scontrol says, and is counted.
STAND_IN = """#!/bin/bash
name=$(basename "$0")
echo "$*" >>"$CALLS/$name"
if (($(wc -l <"$CALLS/$name") <= FAIL_$name)); then exit 1; fi
if [[ $name == squeue ]]; then echo RUNNING; fi
"""

SAVED = "bash -c 'exit 85'"


class RequeueTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vitrail-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.run_folder = self.folder / "runs" / "one"
        for name in ("squeue", "scontrol", "sleep"):
            (self.folder / name).write_text(STAND_IN)
            (self.folder / name).chmod(0o755)

    def job(self, command, before="", **fails):
        """What the script says of its command, when it was sourced and did `before`; the calls of scontrol."""
        environment = os.environ | {
            "PATH": f"{self.folder}:{os.environ['PATH']}", "CALLS": str(self.folder / "calls"), "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "n0",
        } | {f"FAIL_{name}": str(fails.get(name, 0)) for name in ("squeue", "scontrol", "sleep")}
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

    def test_controller_does_not_answer_for_a_while(self):
        said, calls = self.job(SAVED, squeue=3, scontrol=2)
        self.assertEqual(calls, ["requeue 7"] * 3, said)

    def test_controller_does_not_answer_at_all(self):
        said, calls = self.job(SAVED, squeue=1000)
        self.assertEqual(calls, [], said)
        self.assertIn("Slurm refused two minutes long: squeue --noheader --job 7", said)


if __name__ == "__main__":
    unittest.main()
