"""F2: USR1 and TERM to whom and whenever; F3: the same with too little time to save before kill -9."""

import signal
import time

import faults
import harness
from campaign import KILL, RunCampaign, send


ASKING = (signal.SIGUSR1, signal.SIGTERM)
WHOM = ("rank", "all", "launch", "launch and all")


class Asked(RunCampaign):
    """A run that is asked to stop several times, and goes on each time."""

    def ask(self, job, whom, number, times=1):
        for again in range(times):
            if again:
                time.sleep(self.random.uniform(0, 0.03))
            ranks = job.ranks()
            if whom == "rank" and ranks:
                send(self.random.choice(ranks), number)
            if whom in ("all", "launch and all"):
                for rank in ranks:
                    send(rank, number)
            if "launch" in whom or not ranks:
                send(job.process.pid, number)


class Signals(Asked):
    name, test, what = "signals", "F2", "USR1 or TERM, once or twice: exit 85, no step lost"
    wanted = 200
    short = {"TIMES": 2}
    MOMENTS = ("start", "step", "step", "save", "evaluation")

    def disturb(self, job, run, when):
        number = self.random.choice(ASKING)
        self.ask(job, self.random.choice(WHOM), number, times=self.random.choice((1, 1, 2)))
        self.check_stopped(job, run, when == "start", number)
        return job.process.returncode != 0

    def reach(self, job, run, when):
        if when != "evaluation":
            return super().reach(job, run, when)
        every = 20
        step = (harness.step_of(run) // every + 1) * every
        there = self.wait_in(job, lambda: harness.step_of(run) >= step)
        time.sleep(self.random.uniform(0, 0.1))
        return there

    def check_stopped(self, job, run, may_die_of_it, number):
        """`may_die_of_it`: the program was only just starting. The job script tries that again."""
        self.check_gone(job)
        self.check_no_damage(job)
        status = job.process.returncode
        if status == 0:  # it was asked in the last step
            return
        if may_die_of_it and status in (-number, 128 + number):
            return
        self.assertEqual(status, faults.SAVED, job.report())
        latest = run / "checkpoints" / "latest"
        saved = int(latest.readlink().name.removeprefix("step-")) if latest.is_symlink() else 0
        self.assertEqual(saved, harness.step_of(run), f"finished steps are not saved: {job.report()}")


class Grace(Asked):
    name, test, what = "grace", "F3", "TERM, and kill -9 before the save is through: nothing damaged"
    wanted = 200
    short = {"TIMES": 2}

    def disturb(self, job, run, when):
        self.ask(job, self.random.choice(WHOM), signal.SIGTERM)
        time.sleep(self.random.uniform(0, 0.06))
        job.kill()
        self.check_no_damage(job)
        self.check_checkpoints(run)
        return job.process.returncode == -KILL
