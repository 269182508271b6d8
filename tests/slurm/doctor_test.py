"""`vitrail doctor` on the ranks of a job, `launch --check` before it, on a cluster of two simulated nodes: what they say of
Slurm is what the cluster is configured with.

By hand, as root: python3 tests/slurm/doctor_test.py
"""

import contextlib
import json
import os
import pathlib
import subprocess

import cluster
import harness
from cluster import PLACE, slurm

REFUSED = 78
SETTINGS = harness.TINY_RUN | {"data.train": "synthetic:64,10,28", "data.workers": 1, "run.device": "cpu"}


class DoctorTest(cluster.ClusterTest):
    def submit_line(self, name, line, *sbatch_words):
        script = self.folder / f"{name}.sh"
        script.write_text(f"#!/bin/bash\n{line}\n")
        return self.submit_script(script, name, *sbatch_words)

    def in_job(self, name, words, *sbatch_words, expect="COMPLETED"):
        """{check: what was found} of a command that prints JSON, as the script of a job of one task a node."""
        out = self.folder / f"{name}.json"
        line = " ".join(map(str, [*words, "--format", "json", *harness.flags(SETTINGS | {"run.dir": self.folder / name}), ">", out]))
        job, log = self.submit_line(name, f"{line}\nexit $?", "--ntasks-per-node=1", *sbatch_words)
        self.assertEqual(self.end_of(job, log)[0], expect, log.read_text() + (out.read_text() if out.exists() else ""))
        return {check["check"]: check for check in json.loads(out.read_text())["checks"]}

    def here(self, *words, expect=0):
        """The same without a job, as on a login node."""
        words = [self.program, "launch", "--check", "--format", "json", *harness.flags(SETTINGS | {"run.dir": self.folder / "here"}), *words]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False,
                              env=self.environment | {"SLURM_CONF": os.environ["SLURM_CONF"]})  # fmt: skip
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return {check["check"]: check for check in json.loads(done.stdout)["checks"]}

    def check_found(self, found, verdict, figure, remedy=""):
        self.assertEqual(found["verdict"], verdict, found)
        self.assertIn(figure, found["figure"])
        self.assertIn(remedy, found["remedy"])

    @contextlib.contextmanager
    def configured(self, **changes):
        """The cluster with other values, which it has read."""
        file = pathlib.Path(os.environ["SLURM_CONF"])
        before = file.read_text()
        lines = [line for line in before.splitlines() if line.partition("=")[0] not in changes]
        try:
            file.write_text("\n".join([*(f"{key}={value}" for key, value in changes.items()), *lines]) + "\n")
            slurm("scontrol", "reconfigure")
            yield
        finally:
            file.write_text(before)
            slurm("scontrol", "reconfigure")

    def test_ranks_of_a_job(self):
        found = self.in_job("ranks", [self.program, "launch", "-n", 2, "--doctor"], "--nodes=2", "--time=30")
        self.check_found(found["tasks"], "ok", "2 tasks by srun, joined to one world on 2 nodes")
        self.assertGreater(found["across nodes"]["numbers"]["gb_per_s"], 0.01)
        self.check_found(found["seen by all"], "ok", "what rank 0 makes")
        self.check_found(found["clocks"], "ok", "apart")
        self.check_found(found["controller"], "ok", "Slurm ")
        self.check_found(found["time limit"], "ok", "30 min; run.stop_before = 60 s; checkpoint.every = 10 min")
        self.check_found(found["preemption"], "ok", "GraceTime of main: 20 s")
        self.check_found(found["requeue"], "ok", "this job comes back")
        self.check_found(found["credentials"], "ok", "5 s")
        self.assertFalse((self.folder / "ranks").exists())

    def test_tasks_that_srun_does_not_join(self):
        line = f"srun --mpi=none --ntasks=2 {self.program} doctor; exit $?"
        job, log = self.submit_line("unjoined", line, "--nodes=2", "--ntasks-per-node=1")
        self.assertEqual(self.end_of(job, log)[0], "FAILED", log.read_text())
        text = log.read_text()
        self.assertRegex(text, r"(?m)^  tasks +failed +2 tasks were started by srun without PMIx")
        self.assertIn("-> this Open MPI wants srun --mpi=pmix", text)
        self.assertEqual(text.count("vitrail doctor:"), 1)

    def test_time_limit_of_a_job(self):
        words = [self.program, "launch", "--check", "--signal-lead", 180]
        found = self.in_job("short", words, "--nodes=1", "--time=3", "--no-requeue", expect="FAILED")
        self.check_found(found["time limit"], "failed", "3 min; the warning comes 3 min before its end", "sbatch --time=8")
        self.check_found(found["requeue"], "warning", "does not come back", "--requeue")

    def test_what_the_site_does(self):
        found = self.here("--time-limit", "1:00:00", "--signal-lead", 180)
        self.check_found(found["KillWait"], "ok", "5 s from SIGTERM to SIGKILL")
        self.check_found(found["requeue"], "ok", "JobRequeue = 1")
        self.check_found(found["preemption"], "not known here", "REQUEUE")
        changes = {"JobRequeue": 0, "KillWait": 2, "UnkillableStepTimeout": 20,
                   "AuthInfo": f"socket={pathlib.Path(os.environ['SLURM_CONF']).parent.parent}/run/munge.sock,cred_expire=1800"}  # fmt: skip
        with self.configured(**changes):
            found = self.here()
        self.check_found(found["requeue"], "warning", "JobRequeue = 0", "--requeue")
        self.check_found(found["KillWait"], "warning", "2 s from SIGTERM to SIGKILL", "--signal=B:USR1@180")
        self.check_found(found["UnkillableStepTimeout"], "warning", "20 s")
        self.check_found(found["credentials"], "warning", "30 min")

    def test_its_own_script(self):
        words = harness.flags(SETTINGS | {"run.dir": self.folder / "own"})
        job, log = self.submit_script("slurm/doctor.sh", "own", *PLACE, "--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0",
                                      words=words, VITRAIL=self.program)  # fmt: skip
        self.assertEqual(self.end_of(job, log), ("COMPLETED", 0), log.read_text())
        self.assertRegex(log.read_text(), r"(?m)^  tasks +ok +2 tasks by srun, joined to one world on 2 nodes")

    def test_job_scripts_look_first(self):
        """A pack that is not there ends the job before anything is started."""
        words = harness.flags(SETTINGS | {"data.train": self.folder / "none", "run.epochs": 0})
        environment = {"VITRAIL_RUN_DIR": self.folder / "missing", "VITRAIL_STAGE": "", "VITRAIL": self.program}
        job, log = self.submit_script("slurm/vit_h_21k.sh", "missing", *PLACE, "--nodes=2", "--ntasks-per-node=1",
                                      "--gpus-per-node=0", words=words, **environment)  # fmt: skip
        self.assertEqual(self.end_of(job, log), ("FAILED", 0), log.read_text())
        text = log.read_text()
        self.assertRegex(text, r"(?m)^  data.train +failed +.*none: no such folder")
        self.assertIn(f"exit status {REFUSED}: not requeued", text)
        self.assertNotIn("ranks by srun", text)


if __name__ == "__main__":
    cluster.run_tests()
