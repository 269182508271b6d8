"""What `vitrail launch` says of how a run ended: success has to be proved by the run, failures are named where they happened,
and what a job runs is what its run was begun with."""

import json
import os
import pathlib
import re
import shutil
import signal
import unittest

import harness

STEPS = 8


class LaunchTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.settings = harness.TINY_RUN | {
            "data.train": "synthetic:256,10,28", "run.steps": STEPS, "schedule.warmup": "2st", "data.workers": 1,
        }  # fmt: skip
        del cls.settings["ema.decay"]

    def launch_with(self, run, *words, expect=0, config=(), variables=(), **settings):
        """`launch` on two ranks with environment variables; stderr."""
        configs = [word for path in config for word in ("--config", path)]
        given = harness.flags((self.settings if not config else {}) | settings | {"run.dir": run})
        job = self.start_words("env", *variables, self.program, "launch", "-n", 2, *configs, *given, *words)
        return job.finish(expect)[1]

    def in_job(self, restarts=0):
        """As inside a Slurm job, whose srun is not at hand."""
        return ["SLURM_JOB_ID=7", "SLURM_NNODES=1", f"SLURM_RESTART_COUNT={restarts}"]

    def write_config(self, name, settings):
        """A config file of these settings."""
        sections = {}
        for key, value in settings.items():
            sections.setdefault(key.split(".")[0], []).append(f"{key.split('.', 1)[1]} = {value}")
        path = self.folder / name
        path.write_text("".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items()))
        return path

    def test_every_mpirun_has_a_folder_for_its_sockets(self):
        """One that all share is removed by the last of them, also while the next one begins."""
        tools = self.folder / "tools_that_note"
        tools.mkdir()
        notes = self.folder / "folders"
        (tools / "mpirun").write_text(f'#!/bin/sh\ntest "$2" = orte_tmpdir_base && ls -d "$3" >> {notes}\nexec {shutil.which("mpirun")} "$@"\n')
        (tools / "mpirun").chmod(0o755)
        path = [f"PATH={tools}:{os.environ['PATH']}"]
        for run in ("first", "second"):
            self.launch_with(self.folder / run, variables=path, **{"run.steps": 2})
        folders = notes.read_text().split()
        self.assertEqual(len(set(folders)), 2, folders)
        self.assertEqual([f for f in folders if pathlib.Path(f).exists()], [])

    def test_a_launcher_that_ends_with_0_is_no_success(self):
        """As srun when it cannot start a rank."""
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "mpirun").write_text("#!/bin/sh\nexit 0\n")
        (tools / "mpirun").chmod(0o755)
        path = [f"PATH={tools}:{os.environ['PATH']}"]
        run = self.folder / "claimed"
        text = self.launch_with(run, expect=1, variables=path)
        self.assertIn("mpirun ended with status 0, but the run has not finished: no checkpoint was written", text)
        self.launch_with(run, **{"run.steps": 4})
        finished = json.loads((run / "finished.json").read_text())
        self.assertEqual(finished["step"], 4)
        # What an earlier launch has proved is no proof of this one.
        text = self.launch_with(run, expect=1, variables=path)
        self.assertIn("the run has not finished: step 4 of 4", text)
        self.assertEqual(json.loads((run / "finished.json").read_text()), finished)
        # Found finished at the start.
        self.assertIn("the run is finished: step 4 of 4", self.launch_with(run, **{"run.steps": 4}))
        self.assertNotEqual(json.loads((run / "finished.json").read_text())["launch"], finished["launch"])

    def test_a_launcher_that_passes_on_no_variables(self):
        """As srun under sbatch --export=NONE: the ranks' record has no launch's name, but is newer than the start."""
        tools = self.folder / "bare"
        tools.mkdir()
        (tools / "mpirun").write_text(f'#!/bin/sh\nunset VITRAIL_LAUNCH\nexec {shutil.which("mpirun")} "$@"\n')
        (tools / "mpirun").chmod(0o755)
        path = [f"PATH={tools}:{os.environ['PATH']}"]
        run = self.folder / "nameless"
        self.launch_with(run, variables=path, **{"run.steps": 4})
        self.assertEqual(json.loads((run / "finished.json").read_text())["launch"], "")
        text = self.launch_with(run, variables=path, **{"run.steps": 4})
        self.assertIn("the run is finished: step 4 of 4", text)
        (tools / "mpirun").write_text("#!/bin/sh\nexit 0\n")
        self.assertIn("the run has not finished", self.launch_with(run, expect=1, variables=path, **{"run.steps": 4}))

    def test_a_refused_length_leaves_a_run_finished(self):
        run = self.folder / "stays"
        config = self.write_config("stays.cfg", self.settings | {"run.steps": 4})
        self.launch_with(run, config=[config])
        finished = (run / "finished.json").read_text()
        text = self.launch_with(run, config=[config], expect=78, **{"run.steps": 3})
        self.assertIn("the checkpoint is at step 4, the run ends at step 3", text)
        self.assertEqual((run / "finished.json").read_text(), finished)

    def test_a_finished_run_is_extended_by_name_only(self):
        run = self.folder / "extended"
        config = self.write_config("length.cfg", self.settings | {"run.steps": 4})
        self.launch_with(run, config=[config])
        config.write_text(config.read_text().replace("steps = 4", f"steps = {STEPS}"))
        text = self.launch_with(run, config=[config], expect=78)
        self.assertIn(f"holds a run that finished at step 4; the settings now end at step {STEPS}", text)
        self.assertIn("--run.steps", text)
        self.launch_with(run, config=[config], **{"run.steps": STEPS})
        self.assertEqual(json.loads((run / "finished.json").read_text())["step"], STEPS)
        self.assertEqual(len(harness.read_metrics(run)[0]), STEPS)

    def test_a_job_goes_on_with_the_settings_it_began_with(self):
        run = self.folder / "frozen"
        config = self.write_config("frozen.cfg", self.settings | {"run.steps": 4})
        via = {"launch.via": "mpirun"}
        self.launch_with(run, config=[config], variables=self.in_job(), **via)
        began = (run / "config.cfg").read_text()
        # Edited for the next experiment while the job waits: another length, a rate, a model; then not even a config.
        edited = self.write_config("frozen.cfg", self.settings | {"run.steps": STEPS, "optimizer.lr": 0.5, "model.depth": 1})
        text = self.launch_with(run, config=[config], variables=self.in_job(restarts=1), **via)
        self.assertIn(f"optimizer.lr = 0.5 in the files named now, 0.005 in {run}/config.cfg, which counts", text)
        self.assertIn("the run is finished: step 4 of 4", text)
        edited.write_text("[run\n")
        text = self.launch_with(run, config=[config], variables=self.in_job(restarts=1), **via)
        self.assertIn(f"goes on with {run}/config.cfg: {config}", text)
        self.assertEqual((run / "config.cfg").read_text(), began)
        # A wanted change is said by name, and stays.
        words = {"run.steps": STEPS, "optimizer.lr": 0.002}
        text = self.launch_with(run, config=[config], variables=self.in_job(restarts=1), **via, **words)
        self.assertIn("changed since the checkpoint: optimizer.lr was 0.005, is 0.002", text)
        text = self.launch_with(run, config=[config], variables=self.in_job(restarts=2), **via)
        self.assertIn(f"the run is finished: step {STEPS} of {STEPS}", text)

    def test_another_run_of_a_new_submission_is_refused(self):
        run = self.folder / "mistaken"
        config = self.write_config("one.cfg", self.settings | {"run.steps": 4})
        other = self.write_config("other.cfg", self.settings | {"run.steps": 4, "model.depth": 1})
        via = {"launch.via": "mpirun"}
        self.launch_with(run, config=[config], variables=self.in_job(), **via)
        text = self.launch_with(run, config=[other], variables=self.in_job(), expect=78, **via)
        self.assertIn("is of another run: model.depth was 2, is 1", text)

    def test_a_killed_rank_is_named_and_a_failure_is_in_the_log(self):
        run = self.folder / "killed"
        settings = self.settings | {"run.dir": run, "run.steps": 100000}
        job = self.start("launch", "-n", 2, *harness.flags(settings))
        job.wait_for(lambda: harness.step_of(run) >= 2, "second step")
        is_second = lambda pid: b"OMPI_COMM_WORLD_RANK=1\0" in pathlib.Path(f"/proc/{pid}/environ").read_bytes()  # noqa: E731
        os.kill(next(filter(is_second, job.ranks())), signal.SIGKILL)
        text = job.finish(expect=137)[1]
        self.assertRegex(text, r"rank 1 on \S+ died: Killed \(.*out of memory.*\); no checkpoint was written yet: ")
        self.assertNotIn("mpirun noticed", text)

        run = self.folder / "diverged"
        text = self.launch_with(run, expect=87, **{"optimizer.name": "sgd", "optimizer.lr": 1e30, "schedule.warmup": "0st"})
        self.assertIn("training diverged: loss", text)
        self.assertIn("exit status 87 (training diverged)", (run / "log.txt").read_text())
        self.assertFalse((run / "finished.json").exists())
        for line in (run / "log.txt").read_text().splitlines()[:5]:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")

    def test_a_checkpoint_tells_what_wrote_it(self):
        run = self.folder / "traced"
        self.launch_with(run)
        manifest = json.loads((run / "checkpoints/latest/manifest.json").read_text())
        self.assertEqual(sorted(manifest["program"]), ["attempt", "commit", "libtorch", "mpi", "time", "version", "xxh3_128"])
        self.assertEqual((len(manifest["hosts"]), manifest["planned_steps"]), (1, STEPS))
        listed = self.vitrail("checkpoint", "list", run)[0]
        self.assertRegex(listed, f"step {STEPS} of {STEPS}, 4 lanes")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        self.assertTrue(all(line["attempt"] == 1 and re.fullmatch(r"[\d-]+T[\d:.]+Z", line["time"]) for line in lines), lines[0])


if __name__ == "__main__":
    unittest.main()
