"""A run that is killed or asked to stop, and started again by the same command, ends as if nothing had happened."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import time
import unittest

import harness

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "checkpoint_v1"
STEPS = 40
EVERY = 6  # steps between checkpoints: a kill loses up to five steps, which must come again with the same bits
LAST_KILL = 39
PHASES = ("data", "forward", "backward", "reduce", "update", "record")  # of a step


class ResumeTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pack = cls.make_pack("data", 1003)
        cls.settings = harness.TINY_RUN | {
            "run.steps": STEPS,
            "data.train": pack,  # 31 steps an epoch: the run goes on in a second one
            "data.val": pack,
            "checkpoint.every": f"{EVERY}st",
            "precision.compute": "fp16",  # steps are skipped now and then: the loss scale is part of the state
            "precision.loss_scale": 2**22,
            "precision.loss_scale_window": 5,
        }
        cls.reference = cls.folder / "undisturbed"
        cls.vitrail("launch", "-n", 2, *harness.flags(cls.settings | {"run.dir": cls.reference}))

    def setUp(self):
        # VITRAIL_TEST_SEED=N tries other moments; each test draws its own, also when it runs alone.
        self.random = random.Random(f"{os.environ.get('VITRAIL_TEST_SEED', '1')} {self.id()}")

    def hold(self, run, ranks, step, phase=None, settings=None):
        return self.start_held((settings or self.settings) | {"run.dir": run}, ranks, step, phase or self.random.choice(PHASES))

    def finish_run(self, run, ranks):
        return self.launch(run, ranks, self.settings)

    def kill_in_step(self, run, ranks, step, settings=None):
        """Starts the run and ends all its processes with -9 in that step."""
        job, _ = self.hold(run, ranks, step, settings=settings)
        self.assertEqual(job.kill(), -signal.SIGKILL, job.report())
        self.assertIn(harness.step_of(run), (step - 1, step))
        print(f"{run.name}: {ranks} ranks killed in step {step}")

    def saved_step(self, run):
        return json.loads(self.vitrail("checkpoint", "list", run, "--format", "json")[0])[-1]["step"]

    def check_as_undisturbed(self, run):
        harness.check_same_metrics(self, run, self.reference)
        self.check_same_state(run, self.reference)

    def test_killed_and_resumed_on_any_number_of_ranks(self):
        for before, after in ((2, 2), (2, 4), (4, 1), (2, 3)):
            with self.subTest(before=before, after=after):
                run = self.folder / f"killed-{before}-{after}"
                # A save waits for the one before it: that of step EVERY is there when the second one begins.
                self.kill_in_step(run, before, self.random.randint(2 * EVERY + 1, LAST_KILL))
                _, log = self.finish_run(run, after)
                self.assertIn(f"written by {before} rank", log)
                self.check_as_undisturbed(run)

    def test_killed_before_the_first_checkpoint(self):
        run = self.folder / "killed-early"
        settings = self.settings | {"checkpoint.every": "0st"}  # none but the last
        self.kill_in_step(run, 2, self.random.randint(1, LAST_KILL), settings)
        _, log = self.launch(run, 2, settings)
        self.assertNotIn("resumed from", log)
        self.check_as_undisturbed(run)

    def test_killed_again_and_again(self):
        run = self.folder / "killed-often"
        step = 0
        for ranks in (2, 3, 1, 4):
            step = self.random.randint(step + 1, step + EVERY)
            self.kill_in_step(run, ranks, step)
        self.finish_run(run, 2)
        self.check_as_undisturbed(run)

    def test_killed_while_saving(self):
        run = self.folder / "killed-saving"
        checkpoints = run / "checkpoints"
        job, _ = self.hold(run, 2, EVERY * self.random.randint(2, 5), "write")
        self.assertTrue([name for name in os.listdir(checkpoints) if ".tmp" in name], os.listdir(checkpoints))
        job.kill()
        print(f"{run.name}: after step {harness.step_of(run)}, left: {sorted(os.listdir(checkpoints))}")
        self.finish_run(run, 2)
        self.assertFalse([path for path in run.rglob("*") if ".tmp" in path.name], "left from the interrupted saving")
        self.check_as_undisturbed(run)

    def test_one_rank_killed(self):
        run = self.folder / "rank-killed"
        job, held = self.hold(run, 2, self.random.randint(EVERY + 1, LAST_KILL))
        os.kill(self.random.choice(job.ranks()), signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):  # it was the one
            os.kill(held, signal.SIGCONT)
        _, log = job.finish(expect=128 + signal.SIGKILL)
        self.assertRegex(log, r"rank \d on \S+ died: Killed ")
        self.finish_run(run, 2)
        self.check_as_undisturbed(run)

    def check_graceful(self, name, number, asked):
        run = self.folder / name
        job, held = self.hold(run, 2, self.random.randint(1, STEPS // 2))
        os.kill(asked(job, held), number)
        job.wait_for(lambda: harness.has_pending(held, number), "request in rank 0")
        os.kill(held, signal.SIGCONT)
        job.finish(expect=85)
        stopped = harness.step_of(run)
        self.assertLess(stopped, STEPS)
        self.assertEqual(self.saved_step(run), stopped, "a finished step was not saved")
        print(f"{name}: stopped after step {stopped}")
        _, log = self.finish_run(run, 2)
        self.assertIn(f"(step {stopped}, ", log)
        self.check_as_undisturbed(run)

    def test_asked_to_stop(self):
        self.check_graceful("usr1-to-launch", signal.SIGUSR1, lambda job, _: job.process.pid)

    def test_one_rank_terminated(self):
        self.check_graceful("term-to-a-rank", signal.SIGTERM, lambda _, held: held)

    def test_a_checkpoint_of_format_version_1(self):
        """Of the first release: it goes on from there."""
        run = self.folder / "version-1"
        shutil.copytree(FIXTURE, run)
        _, log = self.vitrail("train", "--config", run / "config.cfg", "--run.dir", run, "--run.steps", 8)
        self.assertIn("(step 6, written by 2 ranks)", log)
        self.assertEqual([line["step"] for line in harness.read_metrics(run)[0]], list(range(1, 9)))
        self.assertEqual(self.vitrail("checkpoint", "hash", run / "checkpoints" / "step-00000006")[0].split()[0],
                         (run / "state_hash").read_text().strip())

    def test_finished_run_is_left_alone(self):
        def contents():
            files = (path for path in self.reference.rglob("*") if path.is_file())
            rewritten = ("log.txt", "events.jsonl", "finished.json")  # which tells the launch that found the run finished
            return {path: path.read_bytes() for path in files if path.name not in rewritten and path.parent.name != ".owners"}

        before = contents()
        _, log = self.finish_run(self.reference, 3)
        self.assertIn(f"the run is finished: step {STEPS} of {STEPS}", log)
        self.assertEqual(contents(), before)

    def test_own_config_repeats_the_run(self):
        run = self.folder / "repeated"
        self.vitrail("launch", "-n", 2, "--config", self.reference / "config.cfg", "--run.dir", run)
        self.check_as_undisturbed(run)


if __name__ == "__main__":
    unittest.main()
