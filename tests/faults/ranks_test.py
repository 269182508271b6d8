"""Ranks that end without a word: the others end too, and launch says what happened."""

import os
import re
import shutil
import signal
import time
import unittest

import faults


class RanksTest(faults.FaultTest):
    def start_long_run(self, ranks=2):
        """A run that would take minutes, once it has two checkpoints."""
        run = self.run_folder()
        changes = {"run.steps": 100000, "checkpoint.every": "20st", "log.every": "1000st"}
        job = self.start(*self.words(run, ranks, changes))
        job.wait_for(lambda: len(faults.checkpoints_of(run)) >= 2, "two checkpoints")
        return run, job

    def check_whole_newest(self, run):
        newest = faults.checkpoints_of(run)[-1]
        self.vitrail("checkpoint", "verify", newest)

    def check_ends(self, job, code):
        text = job.finish(expect=code)[1]
        self.assertEqual(job.members(), [])
        self.assertNotRegex(text, faults.NOISE)
        return text

    def test_killed(self):
        for rank in (0, 2):
            with self.subTest(rank=rank):
                run, job = self.start_long_run(ranks=3)
                os.kill(job.ranks()[rank], signal.SIGKILL)
                text = self.check_ends(job, 128 + signal.SIGKILL)
                self.assertEqual(len(re.findall(r"vitrail launch: rank \d on \S+ died: Killed ", text)), 1, text)
                self.check_whole_newest(run)
                shutil.rmtree(run)

    def test_launch_is_killed(self):
        run, job = self.start_long_run()
        os.kill(job.process.pid, signal.SIGKILL)
        while job.members():
            self.assertLess(time.monotonic(), job.deadline, "ranks outlive launch")
            time.sleep(0.05)
        self.check_whole_newest(run)

    def test_asked_before_the_first_step(self):
        """From launch's first word to the first steps: every time it ends as asked, and nothing is lost."""
        run = self.run_folder()
        changes = {"run.steps": 100000, "checkpoint.every": "0st", "log.every": "1000st"}
        for delay in (0, 0.05, 0.15, 0.3, 0.5, 0.8):
            with self.subTest(delay=delay):
                job = self.start(*self.words(run, 2, changes))
                job.wait_for(lambda: job.text("err"), "word of launch")
                time.sleep(delay)
                os.kill(job.process.pid, signal.SIGUSR1)
                self.check_ends(job, faults.SAVED)
                shutil.rmtree(run, ignore_errors=True)

    def test_interrupted_at_the_keyboard(self):
        run, job = self.start_long_run()
        os.kill(job.process.pid, signal.SIGINT)
        text = self.check_ends(job, faults.SAVED)
        self.assertIn("asked to stop", text)
        self.check_whole_newest(run)


if __name__ == "__main__":
    unittest.main()
