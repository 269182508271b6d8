"""F1, F5, F6 from inside: `run.fault` kills, hangs or slows a rank in a named phase of a named step."""

import re

import faults
import harness
from campaign import EVERY, KILL, RunCampaign

IN_A_STEP = ("data", "forward", "backward", "reduce", "update", "record")
WHILE_SAVING = ("copy", "write", "manifest", "rename", "prune")
BY_RANK_0 = ("manifest", "rename", "prune")
WATCHDOG = 86
LIMIT_S = 10  # no healthy phase takes that long


class FaultPoints(RunCampaign):
    """Runs with a fault in a phase that the run is about to come to."""

    phases = ("start", "load", *IN_A_STEP, *WHILE_SAVING, "evaluate")

    def fault(self, run, phase, rank, kind):
        """As run.fault wants it, soon after the newest checkpoint."""
        latest = run / "checkpoints" / "latest"
        saved = int(latest.readlink().name.removeprefix("step-")) if latest.is_symlink() else 0
        step = saved + self.random.randint(1, 2 * EVERY)
        if phase in ("start", "load"):
            step = 0
        elif phase in WHILE_SAVING:
            step = (saved // EVERY + self.random.randint(1, 2)) * EVERY
        elif phase == "evaluate":
            step = (saved // 20 + 1) * 20
        return f"{phase}:{0 if phase in BY_RANK_0 else rank}:{step}:{kind}"

    def go_with_fault(self, run, phase, kind, changes=None):
        """(the job when it has ended, the fault)."""
        ranks = self.random.randint(2, 4)
        fault = self.fault(run, phase, self.random.randrange(ranks), kind)
        job = self.start(*self.command(run, ranks, {"run.fault": fault} | (changes or {})))
        self.check_gone(job)
        self.check_no_damage(job)
        return job, fault


class KillPoints(FaultPoints):
    name, test, what = "points", "F1", "a rank kills itself with -9 in a named phase: no bit lost"
    wanted = 100
    short = {"phases": ("load", "copy", "rename"), "steps": 60}
    KILLS = 5

    def play(self):
        run = self.round_folder / "run"
        kills = 0
        for phase in self.random.sample(self.phases, min(self.KILLS, len(self.phases))):
            job, fault = self.go_with_fault(run, phase, "kill")
            self.assertIn(job.process.returncode, (faults.DONE, 128 + KILL), f"{fault}: {job.report()}")
            if job.process.returncode == faults.DONE:
                break
            kills += 1
        self.finish_run(run, self.random.randint(1, 4))
        return kills


class HangPoints(FaultPoints):
    name, test, what = "watchdog", "F5", "a rank hangs in a named phase: its watchdog names it, the phase and its stacks, exit 86"
    wanted = 50
    changes = {"watchdog.step": f"{LIMIT_S}s", "watchdog.other": "60s"}
    phases = IN_A_STEP
    steps = 60

    def play(self):
        run = self.round_folder / "run"
        hangs = 0
        for phase in self.random.sample(self.phases, 3):
            job, fault = self.go_with_fault(run, phase, "hang")
            self.assertEqual(job.process.returncode, WATCHDOG, f"{fault}: {job.report()}")
            text, rank = f"{fault}\n{job.text('err')}", fault.split(":")[1]
            self.assertRegex(text, rf"rank {rank} on \S+: watchdog: \d+ s in phase `{phase}`")
            self.assertIn("PhaseLog", text, "the stack that hangs")
            blamed = re.findall(r"rank (\d+) on \S+: watchdog: ", text)
            self.assertLessEqual(set(blamed), {rank}, text)
            hangs += 1
        self.finish_run(run)
        return hangs


class Slowness(FaultPoints):
    name, test, what = "slow", "F6", "a slow rank: named within 50 steps, and no other"
    wanted = 50
    steps = 60
    changes = {"evaluate.every": "0st"}

    def play(self):
        run = self.round_folder / "run"
        ranks = self.random.randint(2, 3)
        slow = self.random.randrange(ranks)
        job = self.start(*self.command(run, ranks, {"run.fault": f"forward:{slow}:1:slow", "run.steps": 50}))
        job.finish()
        text = job.text("err")
        self.assertRegex(text, rf"rank {slow} on \S+ is slow: \d+\.\d\d times")
        self.assertEqual(set(re.findall(r"rank (\d+) on \S+ is slow", text)), {str(slow)}, text)
        return 1
