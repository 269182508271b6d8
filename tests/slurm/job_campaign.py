"""Campaigns on a private cluster: a job of slurm/vit_h_21k.sh that trains until it is stopped, and what an undisturbed run of
as many steps ends with."""

import contextlib
import os
import pathlib
import shutil
import sys
import time

import cluster
from cluster import ROOT, slurm

sys.path += [str(ROOT / "tests" / "faults" / folder) for folder in ("", "campaigns")]
import harness
from campaign import Campaign

# No end in sight, and a schedule that does not depend on it.
ENDLESS = harness.TINY_RUN | {
    "run.steps": 1000000,
    "data.workers": 1,
    "schedule.name": "constant",
    "checkpoint.every": "2s",
    "checkpoint.keep_last": 3,
    "log.every": "1000st",
    "sharding.timeout": "20s",
}

UNDISTURBED_S = 1800  # thousands of steps by one rank


class JobCampaign(Campaign, cluster.ClusterTest):
    nodes = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        up = contextlib.ExitStack()
        up.enter_context(cluster.running(cls.nodes))
        cls.addClassCleanup(up.close)
        cls.settings = ENDLESS | {"data.train": cls.make_pack("data", 1003)}
        cls.config = cls.folder / "empty.cfg"  # every setting is given as a word
        cls.config.write_text("")

    def setUp(self):
        log = pathlib.Path(os.environ["SLURM_CONF"]).parent.parent / "log" / "slurmctld.log"
        self.addCleanup(lambda: shutil.copy(log, self.round_folder))

    def submit(self, run, *place):
        """An endless job of that folder: (id, log). The script without its line for pretended GPUs: Slurm 22.05 loses count
        of those when a job gives itself back while one of its nodes does not answer."""
        settings = self.settings | {"run.fault": "forward:0:1:slow"}  # few steps, which the undisturbed run soon has made
        script = self.folder / "job.sh"
        lines = (ROOT / "slurm" / "vit_h_21k.sh").read_text().splitlines(keepends=True)
        script.write_text("".join(line for line in lines if "--gpus-per-node" not in line))
        return self.submit_script(script, run.name, "--exclusive", *place, words=harness.flags(settings),
                                  VITRAIL=self.program, VITRAIL_CONFIG=self.config, VITRAIL_RUN_DIR=run, VITRAIL_STAGE="")

    def wait_for_first_save(self, run, log):
        self.wait_for((run / "checkpoints" / "latest").is_symlink, "checkpoint", log)

    def ranks_of(self, run):
        """Ids of the run's rank processes on all nodes."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if words[1:2] == [b"train"] and str(run).encode() in words:
                    found.append(int(process.name))
        return found

    @staticmethod
    def restarts(job):
        return int(slurm("scontrol", "show", "job", job).split("Restarts=")[1].split()[0])

    def wait_for_steps(self, run, log, more=20):
        """The run has gone on."""
        step = harness.step_of(run) + more
        self.wait_for(lambda: harness.step_of(run) >= step, f"step {step}", log)

    def wait_for_restart(self, job, run, log, before):
        """Started again and training."""
        self.wait_for(lambda: self.restarts(job) > before, f"restart {before + 1}", log)
        newest = log.stat().st_size
        self.wait_for(lambda: "resumed from" in log.read_text()[newest:], "resumed run", log)
        self.wait_for_steps(run, log)

    def stop(self, job, run, log):
        """Asks for a checkpoint, and takes the job out of the queue; the run's last step."""
        slurm("scancel", "--batch", "--signal=USR1", job)
        said = "stopped on request after step"
        begin = log.stat().st_size
        self.wait_for(lambda: said in log.read_text()[begin:], "checkpoint", log)
        slurm("scancel", job)
        self.wait_for(lambda: not slurm("squeue", "--noheader", "--jobs", job), f"end of job {job}", log)
        self.assertEqual(self.ranks_of(run), [])
        return harness.step_of(run)

    def check_as_undisturbed(self, run):
        """Every step once, the same losses, the same state."""
        last = harness.step_of(run)
        other = self.round_folder / "undisturbed"
        words = harness.flags(self.settings | {"run.steps": last, "checkpoint.every": "0st", "run.dir": other})
        job = self.start("train", *words)
        job.deadline = time.monotonic() + UNDISTURBED_S
        job.finish()
        mine, theirs = ([(line["step"], line["loss"]) for line in harness.read_metrics(one)[0]] for one in (run, other))
        self.assertEqual([step for step, _ in mine], list(range(1, last + 1)))
        self.assertEqual(mine, theirs)
        self.check_same_state(run, other)
        return last
