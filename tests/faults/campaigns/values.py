"""F10: a gradient that is not a number on one rank; F11: a bit of a weight flipped in one rank's memory."""

import math

import harness
from campaign import EVERY, RunCampaign

CRASH = 1


class NotNumbers(RunCampaign):
    name, test, what = "nan", "F10", "NaN in one rank's gradient: all skip that step, no NaN stays, same bits on other ranks"
    wanted = 50
    steps = 40
    short = {}

    def play(self):
        step = self.random.randint(2, self.steps - 1)
        runs = []
        for ranks in self.random.sample((1, 2, 3, 4), 2):
            run = self.round_folder / f"run-{ranks}"
            fault = f"forward:{self.random.randrange(ranks)}:{step}:nan"
            self.vitrail(*self.command(run, ranks, {"run.fault": fault}))
            lines = harness.read_metrics(run)[0]
            self.assertEqual(lines[step - 1]["skipped"], lines[step - 2]["skipped"] + 1)
            self.assertTrue(all(math.isfinite(float(line["loss"])) for line in lines))
            runs.append(run)
        harness.check_same_metrics(self, *runs)
        self.check_same_state(*runs)
        return 1


class FlippedBits(RunCampaign):
    name, test, what = "flips", "F11", "a weight's bit flipped on one rank: found by the comparison, the rank named, nothing of it saved"
    wanted = 50
    steps = 60
    changes = {"sharding.compare_every": "1st"}  # the next gather of the weights writes over a flipped bit

    def play(self):
        run = self.round_folder / "run"
        ranks = self.random.randint(3, 4)  # of two, nobody knows which one is right
        rank = self.random.randrange(ranks)
        step = self.random.randrange(0, self.steps - EVERY, EVERY) + self.random.randint(1, EVERY - 2)
        job = self.start(*self.command(run, ranks, {"run.fault": f"update:{rank}:{step}:flip"}))
        text = job.finish(expect=CRASH)[1]
        self.assertRegex(text, rf"the weights .* on rank {rank} \(")
        self.assertLessEqual(harness.step_of(run), step + 1)
        self.finish_run(run)
        return 1
