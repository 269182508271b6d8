"""F13: an array of runs, each of them sent back to the queue once at a random moment."""

import re
import time

import harness
from cluster import PLACE, slurm
from job_campaign import JobCampaign

TASKS = 20
STEPS = 150
AT_ONCE = 6


class Arrays(JobCampaign):
    name, test, what = "arrays", "F13", "tasks of an array requeued at random: alone, and with the same bits"
    wanted = TASKS

    def play(self):
        rates = ", ".join(f"{number}e-4" for number in range(1, TASKS + 1))
        grid = self.round_folder / "rates.ini"
        grid.write_text(f"[grid]\noptimizer.lr = {rates}\n")
        settings = self.settings | {"run.steps": STEPS, "checkpoint.every": "20st"}
        del settings["optimizer.lr"]
        words = harness.flags(settings)
        tasks, undisturbed = self.round_folder / "tasks", self.round_folder / "undisturbed"
        log = self.round_folder / "task-%a.log"
        place = [*PLACE, "--gpus-per-node=0", "--parsable", "--ntasks-per-node=1", f"--output={log}"]
        array = slurm(self.program, "sweep", "submit", grid, "--output", tasks, "--at-once", AT_ONCE, *words,
                      "--sbatch-args", " ".join(place), VITRAIL=self.program, VITRAIL_STAGE="")
        moments = {task: self.random.randint(1, STEPS // 2) for task in range(TASKS)}  # steps
        folders = {task: tasks / f"lr-{(task + 1) / 10000:g}" for task in range(TASKS)}
        deadline = time.monotonic() + 600
        while moments:
            for task, step in list(moments.items()):
                if harness.step_of(folders[task]) >= step:
                    slurm("scontrol", "requeue", f"{array}_{task}")
                    del moments[task]
            self.assertLess(time.monotonic(), deadline, f"tasks {sorted(moments)} did not start")
            time.sleep(0.02)
        self.vitrail("sweep", "run", grid, "--output", undisturbed, "--at-once", 2, *words)
        for task in range(TASKS):
            where = self.round_folder / f"task-{task}.log"
            self.assertEqual(self.end_of(f"{array}_{task}", where), ("COMPLETED", 1), where.read_text())
            self.assertRegex(where.read_text(), re.escape("attempt 1: done"))
        hashes = [self.hashes_of(*(root / folder.name for folder in folders.values())) for root in (tasks, undisturbed)]
        self.assertEqual(*hashes)
        self.assertEqual(len(set(hashes[0])), TASKS)
        return TASKS
