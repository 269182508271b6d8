"""F12: several jobs want one run's folder at the same moment, while it is free, released or its owner dead."""

import json
import os
import signal
import time

import faults
import harness
from campaign import Campaign, send
from faults import REFUSED, SAVED

LONG = {"run.steps": 100000, "checkpoint.every": "20st", "log.every": "1000st"}


class Races(Campaign):
    name, test, what = "races", "F12", "one of several jobs gets the folder, the others are refused by its name"
    wanted = 100
    RACES = 2  # one for an empty folder, one for what the winner leaves

    def play(self):
        run = self.round_folder / "run"
        writers = set()
        for number in range(self.RACES):
            before = harness.step_of(run)
            winner = self.race(run, writers)
            winner.wait_for(lambda: harness.step_of(run) > before + 20, "steps of the winner")
            self.assertEqual(winner.process.poll(), None)
            if number + 1 < self.RACES and self.random.random() < 0.5:
                winner.kill()
                continue
            send(winner.process.pid, signal.SIGUSR1)
            winner.finish(expect=SAVED)
        steps = [line["step"] for line in harness.read_metrics(run)[0]]
        self.assertEqual(steps, list(range(1, len(steps) + 1)))
        found = faults.checkpoints_of(run)
        self.vitrail("checkpoint", "verify", *found)
        for checkpoint in found:
            self.assertIn(json.loads((checkpoint / "manifest.json").read_text())["writer"], writers)
        return self.RACES

    def race(self, run, writers):
        """Starts some jobs nearly at once; the one that got the folder, when all others were refused."""
        jobs = []
        for _ in range(self.random.randint(2, 3)):
            jobs.append(self.start(*self.words(run, self.random.randint(1, 2), LONG)))
            time.sleep(self.random.choice((0, 0, self.random.uniform(0, 0.5))))
        deadline = time.monotonic() + harness.PATIENCE_S
        while sum(job.process.poll() is None for job in jobs) > 1:
            self.assertLess(time.monotonic(), deadline, "nobody was refused")
            time.sleep(0.05)
        winners = [job for job in jobs if job.process.poll() is None]
        self.assertEqual(len(winners), 1, "\n".join(job.report() for job in jobs))
        owners = {rank for rank in winners[0].ranks()}
        for job in jobs:
            if job is not winners[0]:
                text = self.check_report(job.finish(expect=REFUSED)[1], run, "still running", "run.dir")
                self.assertIn(int(text.split("belongs to process ")[1].split()[0]), owners, text)
        writers |= {f"{os.uname().nodename}-{rank}" for rank in owners}
        return winners[0]
