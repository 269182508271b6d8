"""Ranks that are not alike, or do not come: named at once, and nobody waits for ever."""

import os
import shutil
import signal
import unittest

import faults
import harness

WATCHDOG = 86


class AgreementTest(faults.FaultTest):
    def start_unlike(self, run, changes_of_last, ranks=3):
        """Ranks of one world whose last one is given other settings."""
        words = harness.mpirun()
        for count, changes, end in ((ranks - 1, {}, [":"]), (1, changes_of_last, [])):
            words += ["-n", count, self.program, *self.words(run, 1, changes), *end]
        return self.start_words(*words)

    def test_another_setting(self):
        for changes, words in (
            ({"optimizer.lr": 0.007}, r"optimizer\.lr is 0\.007 on rank 2 \(.+\), 0\.005 on 2 others"),
            ({"data.train": f"{self.pack}/."}, r"data\.train is .*/\. on rank 2 \("),
            ({"ema.decay": 0}, r"ema\.decay is 0 on rank 2"),
        ):
            with self.subTest(changes=changes):
                run = self.run_folder()
                text = self.start_unlike(run, changes).finish(expect=faults.REFUSED)[1]
                self.assertRegex(text, words)
                self.assertEqual(text.count("ranks differ"), 1, text)
                self.assertFalse((run / "metrics.jsonl").exists(), "it trained")
                shutil.rmtree(run, ignore_errors=True)

    def test_a_rank_that_hangs(self):
        """Stopped, as by a dead file system: the others end with their last calls, the launcher ends it."""
        run = self.run_folder()
        changes = {"run.steps": 100000, "log.every": "1000st", "sharding.timeout": "20s"}  # no healthy call takes that long
        job = self.start(*self.words(run, 3, changes))
        job.wait_for(lambda: len(faults.checkpoints_of(run)) >= 2, "two checkpoints")
        os.kill(job.ranks()[2], signal.SIGSTOP)
        text = job.finish(expect=WATCHDOG)[1]
        self.assertRegex(text, r"ranks? [01].*: .*step \d+.*: timed out in \w+ after 20 s: another rank stopped responding")
        self.assertRegex(text, r"last calls of rank \d:\n +#\d+ ")
        self.assertRegex(text, r"#\d+ \w+ [\d.]+ KiB, not done after \d+\.\d+ s")
        self.assertIn(f"rank 2 on {os.uname().nodename} stopped responding ", text)
        self.assertIn("raise sharding.timeout", text)
        self.assertIn("last checkpoint: ", text)
        self.assertEqual(job.members(), [])
        self.vitrail("checkpoint", "verify", faults.checkpoints_of(run)[-1])

    def test_stage_2_wants_a_lane_a_rank(self):
        self.check_fails(faults.REFUSED, "sharding.stage = 2", "take 4 ranks", changes={"sharding.stage": 2})
        self.check_fails(faults.USAGE, "sharding.stage 3", "0 to 2", changes={"sharding.stage": 3}, ranks=1)


if __name__ == "__main__":
    unittest.main()
