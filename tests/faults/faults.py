"""What the fault tests share: runs of a few steps, and what a good failure looks like.

One file by hand: python3 tests/faults/packs_test.py [PacksTest.test_...]
"""

import os
import pathlib
import re
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent / "runs"))
import harness

DONE, USAGE, BAD_DATA, IO, REFUSED, SAVED, DIVERGED = 0, 2, 65, 74, 78, 85, 87

STEPS = 12
IMAGES = 96  # one epoch
SETTINGS = harness.TINY_RUN | {
    "run.steps": STEPS,
    "data.global_batch_size": 8,
    "checkpoint.every": "3st",
    "checkpoint.keep_last": 9,
    "checkpoint.retry": "1s",
    "log.every": "1st",
}

# Words of the machinery below us, which a user should not have to read.
NOISE = re.compile(
    r"mpirun (noticed|has|was)|\b[op]rte|MPI_ABORT|MPI_Abort|terminate called|what\(\):|-{20}|c10::|std::|"
    r"Segmentation|core dumped|Sanitizer"
)


def flip_a_bit(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def cut(path):
    """What a full disk or an interrupted copy leaves."""
    os.truncate(path, path.stat().st_size // 2)


def checkpoints_of(run):
    return sorted(path for path in (run / "checkpoints").glob("step-????????"))


class FaultTest(harness.RunTest):
    """Tests that share a pack of 96 images."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pack = cls.make_pack("pack", IMAGES)

    def run_folder(self):
        return self.folder / self.id().rpartition(".")[2]

    @classmethod
    def words(cls, run, ranks, changes):
        """The command that trains; ranks = 1: `train` by itself. `changes` win over SETTINGS, None leaves a key out."""
        settings = SETTINGS | {"data.train": cls.pack, "run.dir": run} | changes
        flags = harness.flags({key: value for key, value in settings.items() if value is not None})
        return [*(["train"] if ranks == 1 else ["launch", "-n", ranks]), *flags]

    @classmethod
    def train(cls, run, changes=None, ranks=2, expect=DONE):
        """Trains to the end; what it said on stderr."""
        return cls.vitrail(*cls.words(run, ranks, changes or {}), expect=expect)[1]

    def check_fails(self, code, *causes, run=None, changes=None, ranks=2):
        """A run that ends with that exit status, one report with all causes, and no process left; the report."""
        run = run or self.run_folder()
        job = self.start(*self.words(run, ranks, changes or {}))
        text = job.finish(expect=code)[1]
        self.assertEqual(job.members(), [], f"still there after: {text}")
        self.assertNotIn("did not answer", text, "a rank that was told of the failure was waited for")
        return self.check_report(text, *causes)

    def check_report(self, text, *causes):
        begins = [match.start() for match in re.finditer(r"^vitrail: ", text, re.MULTILINE)]
        self.assertEqual(len(begins), 1, f"one report is wanted: {text}")
        self.assertNotRegex(text, NOISE)
        report = text[begins[0] :]
        for cause in causes:
            self.assertIn(str(cause), report)
        return report

    def check_steps(self, run, steps):
        self.assertEqual([line["step"] for line in harness.read_metrics(run)[0]], list(range(1, steps + 1)))

    def check_whole(self, run, steps):
        """The checkpoints of just these steps are there, and each is whole."""
        found = checkpoints_of(run)
        self.assertEqual([int(path.name.removeprefix("step-")) for path in found], steps)
        self.vitrail("checkpoint", "verify", *found)
