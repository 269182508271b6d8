"""slurm/vit_h_21k.sh and slurm/sweep.sh on a cluster of two simulated nodes: preempted once, they go on; and what exit
statuses lead to.

By hand, as root: python3 tests/slurm/preempted_test.py
"""

import contextlib
import json
import pathlib
import re
import subprocess

import cluster
import harness
from cluster import PLACE, ROOT, slurm

STEPS = 20
TASK_STEPS = 12  # of one rank, which takes twice as long for each

# Large enough to be preempted on the way: a quarter of a second a step.
SMALL = {
    "run.device": "cpu",  # the cluster's GPUs are pretended
    "run.epochs": 0,
    "run.steps": STEPS,
    "run.lanes": 4,
    "data.global_batch_size": 256,
    "data.workers": 1,
    "model.name": "vit_xxs4",
    "model.image_size": 28,
    "model.classes": 10,
    "schedule.warmup": "5st",
    "log.every": "1st",
}

# Stands for the program where only its exit status matters: that of each attempt, one after another.
STATUSES = """#!/bin/bash
if [[ ${SLURM_ARRAY_TASK_ID:-} == 0 ]]; then exec sleep 5; fi
statuses=($STATUSES)
# Blames n0 as a watchdog does, then as the comparison of weights does.
blames=("  ranks 1, 2 on n0 stopped responding (says n1); the launcher ends it"
  "  rank 0: step 3 (epoch 0): ranks differ: the weights (hash) is 0a1b on rank 1 (n0), 2c3d on 3 others")
if [[ ${BLAME:-} ]]; then echo "${blames[${SLURM_RESTART_COUNT:-0}]:-}" >&2; fi
exit "${statuses[${SLURM_RESTART_COUNT:-0}]}"
"""


class PreemptedTest(cluster.ClusterTest):
    def submit(self, name, *sbatch_words, words=(), **environment):
        """Submits the script to train into the folder `name`; (job id, the file that it writes to)."""
        environment = {"VITRAIL_RUN_DIR": self.folder / name, "VITRAIL_STAGE": ""} | environment
        place = ["--gpus-per-node=1", "--ntasks-per-node=1", *sbatch_words]
        return self.submit_script("slurm/vit_h_21k.sh", name, *place, words=words, **environment)

    def check_staged(self, place):
        """Both ranks run from their node's own disk, with the libraries that are not the system's."""
        maps = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cmdline").read_bytes().split(b"\0")[:2] == [f"{place}/vitrail".encode(), b"train"]:
                    maps.append((process / "maps").read_text())
        self.assertEqual(len(maps), 2)
        for text in maps:
            self.assertIn(f"{place}/lib/libtorch_cpu.so", text)
            self.assertEqual(re.findall(rf" (/(?!usr/|lib|{place[1:]}/)\S+\.so\S*)", text), [])

    def test_preempted(self):
        pack = self.make_pack("images", 1024)
        undisturbed = self.folder / "undisturbed"
        config = ROOT / "configs" / "vit_h_21k.cfg"
        words = harness.flags(SMALL | {"data.train": pack})
        job, log = self.submit("run", "--nodes=2", words=words, VITRAIL=self.program, VITRAIL_STAGE="/dev/shm")
        run = self.folder / "run"
        metrics = run / "metrics.jsonl"
        self.wait_for(lambda: metrics.exists() and metrics.read_text().count("\n") >= 3, "third step", log)
        self.check_staged(f"/dev/shm/vitrail-0-{job}")
        slurm("srun", "--partition=hi", "--exclusive", "--nodes=2", "sleep", 1)
        # While the job waits.
        self.vitrail("train", "--config", config, *words, "--run.dir", undisturbed)
        ended = self.end_of(job, log)
        text = log.read_text()
        self.assertEqual(ended, ("COMPLETED", 1), text)
        stopped = int(re.search(r"stopped on request after step (\d+)", text)[1])
        self.assertTrue(3 <= stopped < STEPS, text)
        self.assertIn(f"resumed from {run}/checkpoints/step-{stopped:08} (step {stopped}, written by 2 ranks)", text)
        self.assertIn("2 ranks by srun on 2 nodes", text)

        steps = harness.read_metrics(run)[0]
        self.assertEqual([line["step"] for line in steps], list(range(1, STEPS + 1)))
        losses = [line["loss"] for line in harness.read_metrics(undisturbed)[0]]
        self.assertEqual([line["loss"] for line in steps], losses)
        self.check_same_state(run, undisturbed)
        print(f"preempted after step {stopped}: {self.hash_of(run)}, as undisturbed")

    def test_what_cannot_be_ends_the_job_at_once(self):
        """srun that joins nobody, GPUs that are not there: one report, nothing is tried again, no run folder is touched."""
        words = SMALL | {"data.train": "synthetic:1024,10,28", "run.steps": 4}
        by_script = {key: value for key, value in words.items() if key != "run.device"}
        auto = words | {"run.device": "auto"}
        cases = {
            "none": (words, {"VITRAIL_MPI": "none"}, "2 tasks were started by srun without PMIx, which this Open MPI does not join"),
            "pmi2": (words, {"VITRAIL_MPI": "pmi2"}, "2 tasks were started by srun --mpi=pmi2, which this Open MPI does not join"),
            "cuda": (by_script, {}, "run.device = cuda, but LibTorch finds no GPU on n"),
            "auto": (auto, {}, "where SLURM_GPUS_ON_NODE = 1: this program was built without CUDA"),
        }
        place = ["--nodes=1", "--ntasks-per-node=2"]
        jobs = {name: self.submit(name, *place, words=harness.flags(settings), VITRAIL=self.program, **environment)
                for name, (settings, environment, _) in cases.items()}  # fmt: skip
        for name, (job, log) in jobs.items():
            with self.subTest(name=name):
                self.assertEqual(self.end_of(job, log), ("FAILED", 0), log.read_text() if log.exists() else "")
                text = log.read_text()
                self.assertIn("exit status 78", text)
                self.assertEqual(len(re.findall(re.escape(cases[name][2]), text)), 1, text)
                begun = [part for part in ("log.txt", "metrics.jsonl", "checkpoints") if (self.folder / name / part).exists()]
                self.assertEqual(begun, [], text)
                hint = "slurm/site.sh" if "VITRAIL_MPI" in cases[name][1] else "set run.device = cpu"
                self.assertEqual(text.count(hint), 1, text)

    def test_time_limit_whose_signal_is_lost(self):
        """The run has asked Slurm when its two minutes are over: it saves and stops by itself, and comes back."""
        words = harness.flags(SMALL | {"data.train": "synthetic:1024,10,28", "run.steps": 100000, "run.stop_before": "70s"})
        job, log = self.submit("limit", "--nodes=1", "--time=2", "--signal=B:USR2@1", words=words, VITRAIL=self.program,
                               VITRAIL_SIGNAL_LEAD=1)
        self.wait_for(lambda: log.exists() and "back to the queue" in log.read_text(), "requeue", log)
        slurm("scancel", job)
        text = log.read_text()
        self.assertRegex(text, r"stopped on request after step \d+")
        self.assertNotIn("asked for a checkpoint", text)

    def test_exit_statuses(self):
        """All jobs at once: each waits some seconds for its next attempt."""
        cases = {
            "done": ("0", "COMPLETED", 0),
            "saved": ("85 85 0", "COMPLETED", 2),
            "usage": ("2", "FAILED", 0),
            "data": ("65", "FAILED", 0),
            "options": ("78", "FAILED", 0),
            "recovers": ("1 137 0", "COMPLETED", 2),
            "gives up": ("1 74 86 0", "FAILED", 2),
            "blamed": ("86 1 0", "COMPLETED", 2),
        }
        program = self.folder / "statuses"
        program.write_text(STATUSES)
        program.chmod(0o755)
        jobs = {}
        for name, (statuses, *_) in (cases | {"array": ("85 0",)}).items():
            (self.folder / name).mkdir()
            array = ["--array=0-1"] if name == "array" else []
            blame = {"BLAME": "yes"} if name == "blamed" else {}
            jobs[name] = self.submit(name, "--nodes=1", "--gpus-per-node=0", *array, VITRAIL=program, STATUSES=statuses, **blame)
        for name, (_, *expected) in cases.items():
            with self.subTest(name=name):
                job, log = jobs[name]
                self.assertEqual(list(self.end_of(job, log)), expected, log.read_text())
        counted, last = jobs["gives up"][1].read_text().splitlines()[-2:]
        self.assertRegex(counted, "exit status 86: failed attempt 3 of 3 since checkpoint none$")
        self.assertRegex(last, "not tried again: mend the cause, delete .*/gives up/failed_attempts and submit again$")
        text = jobs["blamed"][1].read_text()
        self.assertIn("blamed twice, so without: n0", text)
        self.assertIn("attempt 2: on n1: ", text)
        self.assertEqual((self.folder / "blamed" / "suspect_nodes").read_text(), "n0\nn0\n")
        self.assertNotIn("blamed twice", jobs["recovers"][1].read_text())
        # The last task of an array has the array's own id, by which all tasks would be requeued.
        job, log = jobs["array"]
        self.assertEqual(self.end_of(f"{job}_1", log), ("COMPLETED", 1))
        self.assertEqual(self.end_of(f"{job}_0", log), ("COMPLETED", 0), log.read_text())

    def test_sweep(self):
        """An array of four tasks, two at a time: one is preempted, and it alone starts again; one diverges, and stays so.
        The settings are those of when it was submitted, whatever happens to grid and config."""
        grid, config, tasks = (self.folder / name for name in ("rates.ini", "base.cfg", "tasks"))
        text = f"[zip]\noptimizer.lr = 3e-3, 1e30, 1e-3, 3e-4\nrun.steps = {TASK_STEPS}, 6, 6, 6\n"
        grid.write_text(text)
        settings = SMALL | {"data.train": self.make_pack("sweep-data", 1024), "optimizer.name": "sgd"}
        words = harness.flags({key: value for key, value in settings.items() if key not in ("run.steps", "log.every")})
        config.write_text("[optimizer]\nmomentum = 0.8\n")
        sweep = [grid, "--output", tasks]
        place = [*PLACE, "--gpus-per-node=1", "--parsable", "--ntasks-per-node=1"]
        submit = [self.program, "sweep", "submit", *sweep, "--config", config, "--at-once", 2, *words, "--sbatch-args", " ".join(place)]
        array = slurm(*submit, VITRAIL=self.program, VITRAIL_STAGE="")
        grid.write_text("[grid]\noptimizer.lr = 1\n")  # the array has copies
        config.write_text("[optimizer]\nmomentum = 0.1\n")
        names = [f"lr-0.003_steps-{TASK_STEPS}", "lr-1e+30_steps-6", "lr-0.001_steps-6", "lr-0.0003_steps-6"]
        first, log = tasks / names[0], tasks / "logs" / f"{array}_0.log"

        def told():
            grid.write_text(text)
            rows = json.loads(self.vitrail_in_slurm("sweep", "status", *sweep, "--format", "json"))
            return {row["task"]: row for row in rows}

        self.assertEqual(slurm("squeue", "--noheader", "--job", array, "--format", "%j").split()[0], "rates")
        self.wait_for(lambda: harness.step_of(first) >= 3, "third step", log)
        rows = told()
        node = slurm("squeue", "--noheader", "--job", f"{array}_0", "--format", "%N")
        self.assertEqual((rows[0]["state"], rows[0]["job"], rows[0]["node"]), ("running", f"{array}_0", node))
        self.assertEqual((rows[3]["state"], rows[3]["job"], rows[3]["node"]), ("waiting", f"{array}_3", None))
        self.assertEqual(slurm(*submit[:-2], "--sbatch-args", "--hold", VITRAIL=self.program), "")  # all is there
        hi = subprocess.Popen(["srun", "--partition=hi", "--exclusive", f"--nodelist={node}", "sleep", "8"])
        self.wait_for(lambda: told()[0]["state"] == "preempted", "preemption", log)
        self.assertEqual(told()[0]["job"], f"{array}_0")
        self.assertEqual(hi.wait(cluster.PATIENCE_S), 0)
        undisturbed = self.folder / "undisturbed-task"  # while the task waits
        self.vitrail("train", *words, "--optimizer.momentum", 0.8, "--run.steps", TASK_STEPS, "--run.dir", undisturbed, "--optimizer.lr", "3e-3")
        ends = [self.end_of(f"{array}_{task}", tasks / "logs" / f"{array}_{task}.log") for task in range(4)]
        self.assertEqual(ends, [("COMPLETED", 1), ("FAILED", 0), ("COMPLETED", 0), ("COMPLETED", 0)], log.read_text())

        rows = told()
        self.assertEqual([rows[task]["state"] for task in range(4)], ["finished", "diverged", "finished", "finished"])
        self.assertEqual((rows[1]["job"], rows[1]["log"]), (f"{array}_1", str(tasks / "logs" / f"{array}_1.log")))
        self.assertIn("training diverged", pathlib.Path(rows[1]["log"]).read_text())
        self.check_same_state(first, undisturbed)
        self.assertEqual(list(ROOT.glob("sweep-*.log")), [])

    def vitrail_in_slurm(self, *words):
        """As on a login node: the program's environment names the cluster."""
        return slurm(self.program, *words)


if __name__ == "__main__":
    cluster.run_tests()
