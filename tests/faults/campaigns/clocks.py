"""F15: the wall clock jumps by an hour, forth and back, under a run that saves by time."""

import os
import pathlib
import signal

import faults
import harness
from campaign import RunCampaign, send, skip


HOUR_S = 3600
LIBRARY = "faketime/libfaketimeMT.so.1"


class Clocks(RunCampaign):
    name, test, what = "clocks", "F15", "jumps of the clock by an hour: same bits, saved as often"
    wanted = 100
    short = {"steps": 200}
    steps = 400
    changes = {"checkpoint.every": "1s", "evaluate.every": "0st"}

    @classmethod
    def setUpClass(cls):
        libraries = list(pathlib.Path("/usr/lib").glob(f"**/{LIBRARY}"))
        if not libraries:
            raise skip("faketime is not installed")
        super().setUpClass()
        cls.shift = cls.folder / "shift"
        cls.environment = cls.environment | {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(cls.shift),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, hours):
        """All at once: a file half written would be no time at all."""
        new = self.shift.with_suffix(".new")
        new.write_text(f"{hours * HOUR_S:+d}\n")
        new.rename(self.shift)

    def play(self):
        """Two stretches, each held at a step while the clock jumps."""
        run = self.round_folder / "run"
        jumps = 0
        for stretch in (0, 1):
            self.jump(self.random.choice((-1, 0, 1)))
            step = harness.step_of(run) + self.random.randint(10, 40)
            job, held = self.start_held(self.settings | {"run.dir": run}, self.random.randint(2, 3), step)
            self.jump(self.random.choice((-2, -1, 0, 1, 2)))
            jumps += 1
            if stretch == 0:
                send(job.process.pid, signal.SIGUSR1)
                job.wait_for(lambda held=held: harness.has_pending(held, signal.SIGUSR1), "request in rank 0")
            os.kill(held, signal.SIGCONT)
            job.finish(expect=faults.DONE if stretch else faults.SAVED)
        self.assertGreaterEqual(len(faults.checkpoints_of(run)), 2, "the jumps put off the saves")
        harness.check_same_metrics(self, run, self.reference)
        self.assertEqual(self.hash_of(run), self.hash_of_reference)
        return jumps
