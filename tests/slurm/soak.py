"""F17: a job on three of four nodes, and about every minute something happens to it."""

import os
import signal
import time

import harness
from cluster import slurm
from job_campaign import JobCampaign

MINUTES = float(os.environ.get("VITRAIL_SOAK_MINUTES", "12"))
PAUSE_S = (20, 40)  # between a recovery and the next fault


class Soak(JobCampaign):
    name, test, what = "soak", "F17", "minutes on 4 nodes with random faults, all recovered, same bits"
    wanted = 120
    nodes = 4

    def play(self):
        run = self.round_folder / "run"
        job, log = self.submit(run, "--nodes=3", "--ntasks-per-node=1")
        self.wait_for_first_save(run, log)
        began, faults = time.monotonic(), []
        while time.monotonic() - began < 60 * MINUTES:
            time.sleep(self.random.uniform(*PAUSE_S))
            fault = self.random.choice((self.kill, self.hang, self.ask, self.preempt, self.requeue, self.crash, self.cut))
            at, before = time.monotonic(), self.restarts(job)
            step = harness.step_of(run)
            undo = fault(job, run)
            self.wait_for_restart(job, run, log, before)
            if undo:
                undo()
            faults.append(fault.__name__)
            print(f"{fault.__name__} after step {step}: training again after {time.monotonic() - at:.0f} s", flush=True)
        self.stop(job, run, log)
        last = self.check_as_undisturbed(run)
        minutes = int((time.monotonic() - began) / 60)
        print(f"{len(faults)} faults in {minutes} minutes: {last} steps as undisturbed")
        return minutes

    def any_rank(self, run):
        return self.random.choice(self.ranks_of(run))

    def kill(self, _, run):
        os.kill(self.any_rank(run), signal.SIGKILL)

    def hang(self, _, run):
        os.kill(self.any_rank(run), signal.SIGSTOP)

    def ask(self, _, run):
        os.kill(self.any_rank(run), self.random.choice((signal.SIGUSR1, signal.SIGTERM)))

    def preempt(self, job, _):
        node = self.random.choice(self.nodes_of(job)[1])
        slurm("srun", "--partition=hi", "--exclusive", f"--nodelist={node}", "sleep", 1)

    def requeue(self, job, _):
        slurm("scontrol", "requeue", job)

    def crash(self, job, _):
        node = self.random.choice(self.nodes_of(job)[1])
        self.node("crash", node)
        return lambda: self.node("boot", node)

    def cut(self, job, _):
        node = self.random.choice(self.nodes_of(job)[1])
        self.node("cut", node)
        return lambda: self.node("join", node)
