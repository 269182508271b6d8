"""A sweep of four tiny runs, here: interrupted as a whole or one task alone, it ends as an undisturbed one. What is begun
keeps its settings, what diverged stays so, and the table tells which is which."""

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import unittest

import harness

STEPS = 60
BASE = harness.TINY_RUN | {"run.steps": STEPS, "checkpoint.every": "10st"}
GRID = """
[grid]
optimizer.lr = 5e-3, 1e-3
[random]
count = 2
seed = 3
model.drop_path = uniform(0.1, 0.3)
"""
TASKS = 4


class SweepTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        base = {key: value for key, value in BASE.items() if key not in ("optimizer.lr", "model.drop_path")}
        cls.grid = cls.folder / "rates.ini"
        cls.grid.write_text(GRID)
        cls.settings = base | {"data.train": cls.make_pack("data", 256)}
        cls.words = harness.flags(cls.settings)
        cls.undisturbed = cls.folder / "undisturbed"
        try:
            cls.table, err = cls.vitrail(*cls.of(cls.undisturbed, "run"), "--at-once", 2)
        except AssertionError as error:  # what its launches said is gone with the folder
            told = [f"{log}:\n{log.read_text()}" for log in cls.undisturbed.glob("*/launch.txt")]
            raise AssertionError("\n".join([str(error), *told])) from error
        assert "task 3 is finished, 0 to go" in err or "task 2 is finished, 0 to go" in err, err

    @classmethod
    def of(cls, folder, action):
        return ["sweep", action, cls.grid, "--output", folder, *cls.words, "-n", "1"]

    def rows(self, folder):
        """The table, without what must differ; and where the tasks lie."""
        rows = json.loads(self.vitrail(*self.of(folder, "status"), "--format", "json")[0])
        return rows, [{key: value for key, value in row.items() if key not in ("folder", "attempts")} for row in rows]

    def expect_undisturbed(self, folder):
        rows, shown = self.rows(folder)
        self.assertEqual(shown, self.rows(self.undisturbed)[1])
        runs, undisturbed = ([place / row["name"] for row in rows] for place in (folder, self.undisturbed))
        hashes = self.hashes_of(*runs, *undisturbed)
        self.assertEqual(hashes[: len(runs)], hashes[len(runs) :])
        for run in runs:
            steps = [line["step"] for line in harness.read_metrics(run)[0]]
            self.assertEqual(steps, list(range(1, STEPS + 1)))

    @staticmethod
    def steps_of(run):
        metrics = run / "metrics.jsonl"
        return metrics.read_text().count("\n") if metrics.exists() else 0

    def test_table(self):
        rows = self.rows(self.undisturbed)[0]
        self.assertEqual([row["state"] for row in rows], ["finished"] * TASKS)
        losses = [row["loss"] for row in rows]
        self.assertEqual(losses, sorted(losses))
        self.assertEqual({row["settings"]["optimizer.lr"] for row in rows}, {"0.005", "0.001"})
        for row in rows:
            lines = harness.read_metrics(self.undisturbed / row["name"])[0]
            self.assertAlmostEqual(row["loss"], sum(float(line["loss"]) for line in lines[-20:]) / 20, delta=1e-12)
        self.assertEqual(self.table, self.vitrail(*self.of(self.undisturbed, "status"))[0])
        self.assertEqual([int(line.split()[0]) for line in self.table.splitlines()[1:]], [row["task"] for row in rows])

    @staticmethod
    def interrupt(job, run):
        """Asks one task alone to save and stop."""
        for pid in job.members():
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if words[1:2] == ["launch"] and str(run) in words:
                os.kill(pid, signal.SIGUSR1)

    def test_one_task_interrupted(self):
        folder = self.folder / "alone"
        job = self.start(*self.of(folder, "run"), "--at-once", 2)
        names = [row["name"] for row in sorted(self.rows(self.undisturbed)[0], key=lambda row: row["task"])]
        job.wait_for(lambda: self.steps_of(folder / names[1]) >= 3, "third step of task 1")
        self.interrupt(job, folder / names[1])
        err = job.finish()[1]
        self.assertIn("task 1 was interrupted and goes on later", err)
        self.assertEqual(err.count("was interrupted"), 1)
        self.assertIn("resumed from", (folder / names[1] / "log.txt").read_text())
        self.assertNotIn("resumed from", (folder / names[0] / "log.txt").read_text())
        self.expect_undisturbed(folder)

    def test_all_interrupted(self):
        """Asked to stop, then killed: each time the same command goes on, and what is finished is left alone."""
        folder = self.folder / "together"
        job = self.start(*self.of(folder, "run"))
        names = [row["name"] for row in sorted(self.rows(self.undisturbed)[0], key=lambda row: row["task"])]
        job.wait_for(lambda: self.steps_of(folder / names[1]) >= 3, "third step of task 1")
        os.kill(job.process.pid, signal.SIGTERM)
        out = job.finish(85)[0]
        states = sorted((int(line.split()[0]), line.split()[3]) for line in out.splitlines()[1:])
        self.assertEqual(states, [(0, "finished"), (1, "preempted"), (2, "waiting"), (3, "waiting")])

        finished = (folder / names[0] / "metrics.jsonl").stat()
        job = self.start(*self.of(folder, "run"))
        job.wait_for(lambda: self.steps_of(folder / names[2]) >= 15, "step 15 of task 2")
        job.kill()
        self.vitrail(*self.of(folder, "run"))
        self.assertEqual((folder / names[0] / "metrics.jsonl").stat().st_mtime_ns, finished.st_mtime_ns)
        self.expect_undisturbed(folder)
        err = self.vitrail(*self.of(folder, "run"))[1]
        self.assertIn("4 tasks: 4 finished;", err)

    def test_one_task_of_an_array(self):
        """What slurm/sweep.sh does."""
        folder = self.folder / "array"
        task = self.vitrail(*self.of(folder, "folder"), "--task", 2)[0].strip()
        self.vitrail(*self.of(folder, "run"), "--task", 2)
        self.assertEqual([path.name for path in folder.iterdir() if path.is_dir()], [os.path.basename(task)])
        self.assertIn("task 2 is finished", self.vitrail(*self.of(folder, "run"), "--task", 2)[1])
        self.vitrail(*self.of(folder, "run"), "--task", 4, expect=2)

    def test_failures(self):
        """A task that fails does not stop the others; the sweep's status is its status."""
        grid = self.folder / "classes.ini"
        grid.write_text("[grid]\nmodel.classes = 5, 10\nrun.steps = 2\n")
        folder = self.folder / "failures"
        fixed = {key: value for key, value in self.settings.items() if key not in ("model.classes", "run.steps")}
        words = ["sweep", "run", grid, "--output", folder, *harness.flags(fixed), "-n", "1"]
        self.assertIn(f"--run.steps: {grid} varies this",
                      self.vitrail(*words, "--run.steps", 3, expect=2)[1])
        out, err = self.vitrail(*words, expect=78)
        self.assertIn("task 0 ended with status 78: see", err)
        log = folder / "classes-5_steps-2" / "launch.txt"
        self.assertTrue(out.endswith(f"task 0 failed with status 78: see {log}\n"), out)
        status = json.loads(self.vitrail("sweep", "status", *words[2:], "--format", "json")[0])
        self.assertEqual([(row["state"], row["status"], row["log"]) for row in status],
                         [("finished", None, None), ("failed", 78, str(log))])
        self.assertIn("task 1 is finished", err)
        self.assertIn("has 10 classes, model.classes is 5", log.read_text())

    def test_space(self):
        plan = json.loads(self.vitrail(*self.of(self.folder / "none", "plan"), "--format", "json")[0])
        self.assertEqual([task["task"] for task in plan["tasks"]], list(range(TASKS)))
        run = self.undisturbed / plan["tasks"][0]["name"]
        actual = sum(path.stat().st_size for path in (run / "checkpoints" / "latest").iterdir())
        promised = plan["checkpoint_bytes"] / (TASKS * 3)  # keep_last = 2, and the one being written
        self.assertTrue(promised <= actual <= promised + 100_000, (promised, actual))
        for action in ("run", "plan"):
            err = self.vitrail(*self.of(self.folder / "none", action), "--quota-gib", "0.001", expect=78)[1]
            self.assertIn("checkpoints of the tasks to run:", err)
        self.assertFalse((self.folder / "none").exists())

    def two_tasks(self, name, rates, **more):
        """(words after `sweep ACTION`, the config file, the folder) of a sweep whose settings are in a file."""
        folder, grid, config = (self.folder / (name + end) for end in ("", ".ini", ".cfg"))
        grid.write_text(f"[grid]\noptimizer.lr = {rates}\n")
        settings = {key: value for key, value in BASE.items() if key != "optimizer.lr"} | {"data.train": self.settings["data.train"]}
        self.write_config(config, settings | more)
        return [grid, "--output", folder, "-n", "1"], config, folder

    @staticmethod
    def write_config(path, settings):
        sections = {}
        for key, value in settings.items():
            section, _, name = key.partition(".")
            sections.setdefault(section, []).append(f"{name} = {value}\n")
        path.write_text("".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items()))

    def status_of(self, words):
        return json.loads(self.vitrail("sweep", "status", *words, "--format", "json")[0])

    def test_config_edited_while_tasks_wait(self):
        """All tasks end where the config said that they would when the sweep began, and nobody has to undo the edit."""
        words, config, folder = self.two_tasks("edited", "5e-3, 1e-3")
        job = self.start("sweep", "run", *words, "--config", config)
        job.wait_for(lambda: self.steps_of(folder / "lr-0.005") >= 3, "third step of task 0")
        text = config.read_text()
        config.write_text(text.replace(f"steps = {STEPS}", f"steps = {STEPS - 10}"))
        self.assertNotEqual(config.read_text(), text)
        job.finish()
        said = f"{config} now: run.steps = {STEPS - 10} (frozen: {STEPS}); the tasks use {folder}/config.cfg"
        out, err = self.vitrail("sweep", "status", *words, "--config", config)
        self.assertIn(said, err)
        self.assertEqual(out.count(f"finished  {STEPS} of {STEPS} steps"), 2, out)
        self.assertIn(said, self.vitrail("sweep", "run", *words, "--config", config)[1])
        self.assertEqual([self.steps_of(folder / name) for name in ("lr-0.005", "lr-0.001")], [STEPS] * 2)
        err = self.vitrail("sweep", "run", *words, "--config", config, "--change", expect=78)[1]
        self.assertIn(f"was begun with run.steps = {STEPS}, now it is {STEPS - 10}", err)

    def test_diverged(self):
        words, config, folder = self.two_tasks("diverged", "1e30, 1e-3, 5e-3", **{"optimizer.name": "sgd", "optimizer.clip_norm": 0})
        run = ["sweep", "run", *words, "--config", config]
        self.assertIn("task 0 diverged: see", self.vitrail(*run, expect=87)[1])
        rows = self.status_of(words)
        self.assertEqual([row["state"] for row in rows], ["finished", "finished", "diverged"])
        self.assertEqual((rows[2]["task"], rows[2]["diverged"], rows[2]["status"], rows[2]["loss"]), (0, True, 87, None))
        log = pathlib.Path(rows[2]["log"])
        printed = log.read_text()
        self.assertIn("training diverged", printed)
        out, err = self.vitrail(*run, expect=87)
        self.assertIn("task 0 diverged and is left alone", err)
        self.assertTrue(out.endswith(f"task 0 diverged: see {log}\n"), out)
        self.assertEqual(log.read_text(), printed)
        self.vitrail(*run, "--task", 0, expect=87)
        self.assertEqual(log.read_text(), printed)
        self.vitrail(*run, "--retry-diverged", expect=87)
        self.assertEqual(log.read_text().count("training diverged"), 2 * printed.count("training diverged"))

    def test_started_twice(self):
        """Who comes second leaves running tasks alone and calls none failed."""
        words, config, folder = self.two_tasks("twice", "5e-3, 1e-3", **{"run.steps": 100000})
        job = self.start("sweep", "run", *words, "--config", config, "--at-once", 2)
        names = ("lr-0.005", "lr-0.001")
        job.wait_for(lambda: all(self.steps_of(folder / name) >= 3 for name in names), "third steps")
        out, err = self.vitrail("sweep", "run", *words, "--config", config, expect=85)
        for task in (0, 1):
            self.assertIn(f"task {task} runs already, on ", err)
        self.assertEqual(out.count(" running "), 2, out)
        for row in self.status_of(words):
            self.assertEqual((row["state"], row["status"], row["attempts"]), ("running", None, 1))
            self.assertTrue(row["node"] and row["images_per_s"] > 0 and row["seconds_left"] > 0, row)
        os.kill(job.process.pid, signal.SIGTERM)
        job.finish(85)
        self.assertEqual([row["state"] for row in self.status_of(words)], ["preempted"] * 2)

    def test_submitted_while_a_task_begins(self):
        """A queue in which a task waits when it is asked first, and runs from then on: it is submitted once."""
        words, config, folder = self.two_tasks("submitted", "5e-3, 1e-3")
        commands = self.folder / "slurm-commands"
        commands.mkdir()
        asked = commands / "asked"
        answers = f"if test -e {asked}; then echo '13|12|0|RUNNING|n0'; else echo '13|12|0|PENDING|'; fi; echo '14|12|1|PENDING|'; touch {asked}"
        for name, does in (("squeue", answers), ("sbatch", "echo 12")):
            (commands / name).write_text(f"#!/bin/sh\n{does}\n")
            (commands / name).chmod(0o755)
        environment = self.environment | {"PATH": f"{commands}:{self.environment['PATH']}"}

        def submit():
            submitted = [self.program, "sweep", "submit", *words, "--config", config]
            done = subprocess.run(submitted, cwd=harness.ROOT, env=environment, capture_output=True, text=True, check=True)
            return done.stdout, done.stderr

        self.assertEqual(submit()[0], "12\n")
        self.assertEqual(json.loads((folder / "array-12.json").read_text())["tasks"], {"0": "lr-0.005", "1": "lr-0.001"})
        out, err = submit()
        self.assertEqual(out, "")
        self.assertRegex(err, r"task 0 .* 12_0: it is left to that\n.*task 1 .* 12_1: it is left to that\n.*nothing is left to submit")

    def test_two_that_share_the_work(self):
        """What the second of two sweeps saw diverge, the first does not begin again."""
        words, config, folder = self.two_tasks("shared", "1e-3, 1e30", **{"optimizer.name": "sgd", "run.steps": 100000})
        run = ["sweep", "run", *words, "--config", config]
        job = self.start(*run)
        job.wait_for(lambda: self.steps_of(folder / "lr-0.001") >= 3, "third step of task 0")
        self.assertIn("task 1 diverged: see", self.vitrail(*run, expect=85)[1])
        self.interrupt(job, folder / "lr-0.001")
        job.wait_for(lambda: job.text("err").count("task 0 begins") == 2, "second beginning of task 0")
        self.assertNotIn("task 1", job.text("err"))
        os.kill(job.process.pid, signal.SIGTERM)
        job.finish(85)

    def test_watched(self):
        """Tables until all have ended, each other than the one before; CSV says what JSON says."""
        words, config, _ = self.two_tasks("watched", '5e-3, 1e-3')
        self.vitrail("sweep", "status", *words, "--config", config, "--watch", "0", expect=2)
        watch = self.start("sweep", "status", *words, "--config", config, "--watch", "0.05")
        watch.wait_for(lambda: "2 waiting" in watch.text("out"), "a table before the start")
        self.vitrail("sweep", "run", *words, "--config", config)
        out, _ = watch.finish()
        tables = out.split("task  optimizer.lr")[1:]
        self.assertTrue(all(table != other for table, other in zip(tables, tables[1:])), out)
        self.assertGreater(len(tables), 2)
        self.assertTrue(out.endswith("2 tasks: 2 finished\n"), out)
        self.assertNotIn("\x1b", out)
        rows = list(csv.DictReader(io.StringIO(self.vitrail("sweep", "status", *words, "--format", "csv")[0])))
        expected = self.status_of(words)
        self.assertEqual(len(rows), 2)
        for row, other in zip(rows, expected):
            settings = other.pop("settings")
            self.assertEqual({key: row.pop(key) for key in settings}, settings)
            shown = {key: "" if value is None else value if isinstance(value, str) else json.dumps(value) for key, value in other.items()}
            self.assertEqual(row, shown)

    def test_other_settings_are_refused(self):
        err = self.vitrail(*self.of(self.undisturbed, "run"), "--optimizer.weight_decay", "0.3", expect=78)[1]
        self.assertIn("was begun with optimizer.weight_decay = 0.02, now it is 0.3", err)


if __name__ == "__main__":
    unittest.main()
