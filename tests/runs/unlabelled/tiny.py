"""What runs of tasks without labels are tried on: a small network, two packs, and one undisturbed run."""

import pathlib
import signal
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import harness  # noqa: E402

WORLDS = (1, 2, 3, 4, 8) if harness.LONG else (1, 3)


class Runs(harness.RunTest):
    TASK = {}  # settings of the subclass
    WITHOUT = ()  # settings that have no effect there

    @classmethod
    def prepared(cls):
        """More of them, of what has to be made first."""
        return {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train, cls.val = cls.make_pack("train", 96), cls.make_pack("val", 50)
        cls.body = harness.TINY_MODEL | {"model.name": "deit_ti16", "model.patch": 4}
        cls.settings = cls.body | {
            "run.seed": 1,
            "run.lanes": 8,
            "data.train": cls.train,  # 3 steps an epoch
            "data.val": cls.val,
            "data.global_batch_size": 32,
            "model.drop_path": 0.1,
            "optimizer.name": "adamw",
            "optimizer.lr": 0.002,
            "checkpoint.every": "2st",
            "evaluate.neighbours": 5,
        } | cls.TASK
        for key in cls.WITHOUT:
            del cls.settings[key]
        cls.settings |= cls.prepared()
        cls.reference = cls.folder / "undisturbed"
        cls.vitrail("launch", "-n", 2, *harness.flags(cls.settings | {"run.dir": cls.reference}))

    def check_any_number_of_ranks(self):
        for ranks in WORLDS:
            with self.subTest(ranks=ranks):
                run = self.folder / f"world-{ranks}"
                self.launch(run, ranks, self.settings)
                harness.check_same_metrics(self, run, self.reference)
                self.check_same_state(run, self.reference)

    def check_killed_and_resumed(self, *kills):
        """Killed with so many ranks in the update of each of these steps, then on three to the end."""
        run = self.folder / "killed"
        for ranks, step in kills:
            job, _ = self.start_held(self.settings | {"run.dir": run}, ranks, step, "update")
            self.assertEqual(job.kill(), -signal.SIGKILL, job.report())
        self.launch(run, 3, self.settings)
        harness.check_same_metrics(self, run, self.reference)
        self.check_same_state(run, self.reference)

    def refused(self, expect, **more):
        """What `train` says of these settings besides."""
        given = self.settings | {"run.dir": self.folder / "refused"} | {k.replace("__", "."): v for k, v in more.items()}
        return self.vitrail("train", *harness.flags(given), expect=expect)[1]
