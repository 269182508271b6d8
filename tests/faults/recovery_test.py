"""Failures that a run gets over by itself: a full disk, a loss that runs away; and those it names before it ends."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import unittest

import faults
import harness

WATCHDOG = 86
STEP_S = 8  # the longest phase of a step that the watchdog lets pass: no healthy one takes that long


class RecoveryTest(faults.FaultTest):
    def test_hung_rank_is_named_with_its_stacks(self):
        """Five steps tell what is normal; then STEP_S in one phase are too long."""
        text = self.check_ends_by_watchdog("forward:1:8:hang", {"watchdog.step": f"{STEP_S}s"})
        self.assertRegex(text, r"vitrail: rank 1 on \S+: watchdog: \d+ s in phase `forward` of step 8")
        self.assertIn("train_step", text, "the stack that hangs")
        self.assertIn("last calls of rank 1", text)

    def test_stopped_rank_is_named_by_the_others(self):
        """A stopped process cannot report; those that wait for it can."""
        text = self.check_ends_by_watchdog("backward:1:8:stop", {"watchdog.step": f"{STEP_S}s"})
        self.assertRegex(text, r"rank 0: .*timed out in \w+ after \d+ s: another rank stopped responding")
        self.assertRegex(text, r"rank 1 on \S+ stopped responding")

    def test_rank_0_that_hangs_reports_itself(self):
        """And no rank that waits for it in the same phase does."""
        text = self.check_ends_by_watchdog("update:0:8:hang", {"watchdog.step": f"{STEP_S}s"})
        self.assertEqual(set(re.findall(r"(rank \d) on \S+: watchdog", text)), {"rank 0"}, text)
        self.check_report(text[text.rindex("vitrail: ") :], "training stopped", "last checkpoint: ", "exit status 86")

    def test_a_job_that_was_suspended_goes_on(self):
        """Slurm's gang scheduling stops all of its processes and lets them go on much later: nobody hangs."""
        run = self.run_folder()
        job = self.start(*self.words(run, 2, {"run.steps": 100000, "watchdog.step": f"{STEP_S}s"}))
        job.wait_for(lambda: harness.step_of(run) >= 20, "step 20")
        for sign in (signal.SIGSTOP, signal.SIGCONT):
            for pid in job.ranks():
                os.kill(pid, sign)
            time.sleep(STEP_S + 2)  # long enough to be taken for hanging
        resumed = harness.step_of(run)
        job.wait_for(lambda: harness.step_of(run) > resumed, "a step after it was resumed")
        os.kill(job.process.pid, signal.SIGUSR1)
        job.finish(expect=faults.SAVED)

    def check_ends_by_watchdog(self, fault, changes):
        run = self.run_folder()
        job = self.start(*self.words(run, 2, {"run.fault": fault, "run.steps": 100} | changes))
        text = job.finish(expect=WATCHDOG)[1]
        self.vitrail("checkpoint", "verify", faults.checkpoints_of(run)[-1])
        self.train(run)  # whose steps are fewer: only that it can be resumed
        return text

    def test_slow_rank_is_named(self):
        run = self.run_folder()
        text = self.train(run, {"run.fault": "forward:1:1:slow", "run.steps": 45, "run.lanes": 2})
        self.assertRegex(text, r"rank 1 on \S+ is slow: \d+\.\d\d times the other ranks' median over the last 40 steps, in computing")
        self.assertNotRegex(text, r"rank 0 on \S+ is slow")

    def test_flipped_bit_is_named(self):
        text = self.check_fails(1, "rank 1", ranks=3,
                                changes={"run.fault": "update:1:8:flip", "sharding.compare_every": "2st"})
        self.assertIn("weights", text)

    def test_loss_that_runs_away(self):
        """Back to the checkpoint of step 12; the batches of steps 13 and 14 are left out, on any number of ranks."""
        runs = []
        for ranks in (1, 2):
            run = self.folder / f"spike-{ranks}"
            changes = {"guard.loss_factor": 3, "guard.patience": 1, "run.fault": "forward:0:14:spike",
                       "checkpoint.every": "6st", "run.steps": 18}
            text = self.train(run, changes, ranks=ranks)
            self.assertIn("the loss ran away: back from step 14 to step 12, without the next 2 batches", text)
            runs.append(run)
        for run in runs:
            lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            self.assertEqual([line["step"] for line in lines if "loss" in line], list(range(1, 19)))
            self.assertEqual([harness.computed(line) for line in lines if "gone_back" in line],
                             [{"step": 12, "gone_back": {"from": 14, "left_out_batches": 2}}])
            manifest = json.loads((faults.checkpoints_of(run)[-1] / "manifest.json").read_text())
            self.assertEqual(manifest["left_out"], [{"step": 12, "batches": 2}])
        self.check_same_state(*runs)
        # Steps 13 and on took the batches that steps 15 and on take in a run that nothing happened to.
        order = {}
        for run in (self.run_longer(), runs[0]):
            order[run] = [line["order_hash"] for line in harness.read_metrics(run)[0]]
        plain, guarded = order.values()
        self.assertEqual(guarded[:12], plain[:12])
        self.assertEqual(guarded[12:], plain[14:20])

    def test_loss_that_runs_away_before_the_first_checkpoint(self):
        """Back to the beginning, moments included: a gradient that is not a number leaves none."""
        guard = {"guard.loss_factor": 3, "guard.patience": 1, "checkpoint.every": "0st", "run.steps": 18}
        spoilt, clean = self.folder / "spoilt", self.folder / "clean"
        text = self.train(spoilt, guard | {"run.fault": "forward:0:14:spike"})
        self.assertIn("back from step 14 to step 0, without the next 14 batches", text)
        self.train(clean, guard | {"run.fault": "forward:0:1:nan", "guard.skip": 13})
        harness.check_same_metrics(self, spoilt, clean)
        self.check_same_state(spoilt, clean)

    # Step 13 is the first with a rate that matters, and it is absurd: losses of thousands, then no numbers.
    RUNAWAY = {"guard.loss_factor": 3, "checkpoint.every": "6st", "optimizer.name": "sgd", "optimizer.lr": 1e-12,
               "optimizer.clip_norm": 0, "schedule.name": "step", "schedule.decay_every": "12st",
               "schedule.decay_rate": 1e13, "schedule.warmup": "0st", "run.steps": 10000}

    def test_loss_that_runs_away_again_and_again(self):
        """Each time as soon as the first time, although few losses were seen since going back."""
        run = self.run_folder()
        text = self.vitrail(*self.words(run, 2, self.RUNAWAY | {"guard.patience": 2}), expect=faults.DIVERGED)[1]
        self.check_report(text, "training diverged: the loss ran away after going back 3 times to step 12")
        self.assertEqual(len(re.findall("back from step 1[56] to step 12, ", text)), 3, text)

    def test_stopped_while_the_loss_is_bad(self):
        """What is saved then would be what the next attempt begins with."""
        run = self.run_folder()
        job = self.start(*self.words(run, 2, self.RUNAWAY | {"guard.patience": 1000000}))
        job.wait_for(lambda: harness.step_of(run) >= 20, "step 20")
        os.kill(job.process.pid, signal.SIGUSR1)
        text = job.finish(expect=faults.SAVED)[1]
        self.check_whole(run, [6, 12])
        self.assertIn("goes on from the last checkpoint: the loss was bad", text)

    def run_longer(self):
        run = self.folder / "longer"
        self.train(run, {"run.steps": 20})
        return run

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small file system wants root")
    def test_full_disk(self):
        """While saving fails, training goes on; what was saved stays; saving works again when there is room."""
        mount = self.folder / "small"
        mount.mkdir()
        # Room for what the whole run says of itself: a slow test must not find the disk full of metrics.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", mount], check=True)
        try:
            self.check_full_disk(mount / "run", mount / "ballast")
        finally:
            subprocess.run(["umount", "-l", mount], check=True)

    def check_full_disk(self, run, ballast):
        changes = {"checkpoint.every": "3st", "checkpoint.keep_last": 2, "run.steps": 100000, "checkpoint.retry": "1s"}
        job = self.start(*self.words(run, 2, changes))
        job.wait_for(lambda: len(faults.checkpoints_of(run)) >= 2, "two checkpoints")
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):  # until no byte is left
            while True:
                file.write(b"x" * 65536)
        job.wait_for(lambda: "could not be saved (failure 3 in a row)" in job.text("err"), "three failures")
        self.assertIn("No space left on device", job.text("err"))
        self.assertIn("WARNING, all since step", job.text("err"))
        kept = faults.checkpoints_of(run)
        self.assertEqual(len(kept), 2)
        for checkpoint in kept:
            self.vitrail("checkpoint", "verify", checkpoint)
        ballast.unlink()
        job.wait_for(lambda: "saving works again" in job.text("err"), "saving again")
        os.kill(job.process.pid, signal.SIGUSR1)
        job.finish(expect=faults.SAVED)
        steps = [line["step"] for line in harness.read_metrics(run)[0]]
        self.assertEqual(steps, list(range(1, len(steps) + 1)), "no line of the metrics is missing")

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small file system wants root")
    def test_disk_that_is_too_small(self):
        mount = self.folder / "tiny"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", mount], check=True)
        try:
            text = self.check_fails(faults.IO, "checkpoints: ", "lower checkpoint.keep_last", run=mount / "run")
            self.assertNotIn("step 1/", text, "found before the first step")
        finally:
            subprocess.run(["umount", "-l", mount], check=True)


if __name__ == "__main__":
    unittest.main()
