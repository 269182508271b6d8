"""One kind of fault again and again, each round with its own seed: what tests/faults/campaigns/long.py runs.

A campaign says what it counts and how often the long form wants it; play() is one round. A round that fails is repeated by
its seed, and its folder is kept.
"""

import contextlib
import os
import random
import shutil
import signal
import time
import unittest

import faults
import harness

EVERY = 6  # steps between checkpoints


class Campaign(faults.FaultTest):
    name = test = what = ""
    wanted = 0  # count of the long form
    short = None  # constants of the short form, which ctest runs; None: another test says the same

    @classmethod
    def play_round(cls, seed):
        """How many it counted. A failed round's folder is left at cls.round_folder."""
        case = cls("play")
        case.random = random.Random(f"{cls.name} {seed}")
        cls.round_folder = cls.folder / f"{cls.name}-{seed}"
        cls.round_folder.mkdir()
        try:
            case.setUp()
            count = case.play()
        finally:
            case.doCleanups()
        shutil.rmtree(cls.round_folder)
        for left in cls.scratch.iterdir():  # 4 MiB for every rank that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        return count

    def play(self):
        raise NotImplementedError


class RunCampaign(Campaign):
    """Campaigns that disturb one run a few times and compare its end with that of an undisturbed one."""

    steps = 120
    changes = {}
    TIMES = 5  # disturbed in one run
    FEWEST_RANKS = 2
    MOMENTS = ("step", "step", "save")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pack = cls.make_pack("data", 1003)
        cls.settings = harness.TINY_RUN | {
            "run.steps": cls.steps,
            "data.train": pack,  # 31 steps an epoch
            "data.val": pack,
            "evaluate.every": "20st",
            "checkpoint.every": f"{EVERY}st",
            "precision.compute": "fp16",  # steps are skipped now and then: the loss scale is part of the state
            "precision.loss_scale": 2**22,
            "precision.loss_scale_window": 5,
        } | cls.changes
        cls.reference = cls.folder / "undisturbed"
        cls.vitrail(*cls.command(cls.reference, 2))
        cls.hash_of_reference = cls("play").hash_of(cls.reference)

    @classmethod
    def command(cls, run, ranks, changes=None):
        words = harness.flags(cls.settings | {"run.dir": run} | (changes or {}))
        return [*(["train"] if ranks == 1 else ["launch", "-n", ranks]), *words]

    def play(self):
        """The run is started again after each disturbance, on as many ranks as chance has it."""
        run = self.round_folder / "run"
        count = 0
        while count < self.TIMES:
            job = self.start(*self.command(run, self.random.randint(self.FEWEST_RANKS, 4)))
            when = self.random.choice(self.MOMENTS)
            if not self.reach(job, run, when):
                job.finish()  # the run's end
                break
            count += self.disturb(job, run, when)
        self.finish_run(run, self.random.randint(1, 4))
        return count

    def disturb(self, job, run, when):
        """To the job's end. Whether it was disturbed, or had ended before."""
        raise NotImplementedError

    def wait_in(self, job, moment):
        """Whether the moment came before the job's end."""
        while job.process.poll() is None:
            if moment():
                return True
            self.assertLess(time.monotonic(), job.deadline, job.report())
            time.sleep(harness.POLL_S)
        return False

    def reach(self, job, run, when):
        """Waits for a random moment of that kind: start, step, save. False: the job has ended before."""
        if when == "start":
            began, delay = time.monotonic(), self.random.uniform(0, 1.5)
            return self.wait_in(job, lambda: time.monotonic() - began > delay)
        if when == "step":
            step = harness.step_of(run) + self.random.randint(1, 2 * EVERY)
            there = self.wait_in(job, lambda: harness.step_of(run) >= step)
            time.sleep(self.random.uniform(0, 0.02))
        else:
            there = self.wait_in(job, lambda: self.is_saving(run))
            time.sleep(self.random.uniform(0, 0.004))
        return there and job.process.poll() is None

    @staticmethod
    def is_saving(run):
        with contextlib.suppress(FileNotFoundError):
            return any(".tmp" in name for name in os.listdir(run / "checkpoints"))
        return False

    def check_gone(self, job):
        """Whatever was killed: nothing of the job is left, long before a machine could be called slow."""
        deadline = time.monotonic() + harness.PATIENCE_S
        while job.process.poll() is None or job.members():
            self.assertLess(time.monotonic(), deadline, f"processes {job.members()} are left: {job.report()}")
            time.sleep(0.01)

    def check_no_damage(self, job):
        """A kill leaves leftovers, which go without a word, but never a damaged checkpoint under its final name."""
        self.assertNotIn("passed over", job.text("err"))
        self.assertNotIn("passed over", job.text("out"))

    def check_checkpoints(self, run):
        found = faults.checkpoints_of(run)
        if found:
            self.vitrail("checkpoint", "verify", *found)

    def finish_run(self, run, ranks=2):
        """To the end: metrics and hash of the undisturbed run."""
        job = self.start(*self.command(run, ranks))
        job.finish()
        self.check_no_damage(job)
        harness.check_same_metrics(self, run, self.reference)
        self.assertEqual(self.hash_of(run), self.hash_of_reference)


def send(process, number):
    """A signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


KILL = signal.SIGKILL
skip = unittest.SkipTest
