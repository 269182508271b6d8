"""A run's folder that cannot be written or is full: found before the first step, or at a save with nothing lost."""

import os
import shutil
import signal
import subprocess
import unittest

import faults
import harness
from faults import DONE, IO, REFUSED, SAVED

# A private mount namespace: what is mounted in it is gone with its last process. "$@" is the command.
PRIVATELY = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]


def can_mount():
    """Root in a container may be refused this."""
    try:
        probe = [*PRIVATELY, "mount -t tmpfs tmpfs /mnt"]
        return os.geteuid() == 0 and subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False


class FoldersTest(faults.FaultTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.undisturbed = cls.folder / "undisturbed"
        cls.train(cls.undisturbed)
        files = faults.checkpoints_of(cls.undisturbed)[-1].iterdir()
        cls.checkpoint_bytes = sum(file.stat().st_size for file in files)

    def train_in(self, script, run, code, changes=None, ranks=2):
        """Trains below a shell script, whose "$@" is the command and $RUN the run's folder; what it said on stderr."""
        run.parent.mkdir(parents=True, exist_ok=True)
        words = [*(PRIVATELY if "mount" in script else ["sh", "-c"]), script, "sh", self.program]
        job = harness.Job([*words, *self.words(run, ranks, changes or {})], self.environment | {"RUN": str(run)}, self.scratch)
        self.addCleanup(job.kill)
        text = job.finish(expect=code)[1]
        self.assertEqual(job.members(), [])
        return text

    def test_below_a_file(self):
        file = self.folder / "file"
        file.write_text("")
        for ranks in (1, 2):
            self.check_fails(IO, file / "run", "Not a directory", "run.dir", run=file / "run", ranks=ranks)

    def test_read_only(self):
        run = self.run_folder() / "run"
        if can_mount():
            text = self.train_in('mkdir "$RUN" && mount -t tmpfs -o ro tmpfs "$RUN" && "$@"', run, IO)
        elif os.geteuid() != 0:
            run.mkdir(parents=True, mode=0o500)
            text = self.train_in('"$@"', run, IO)
        else:
            self.skip("test_read_only: root may write everywhere, and may not mount here")
        self.check_report(text, "rank 0: ", run, "run.dir")
        self.assertFalse((run / "metrics.jsonl").exists())

    def test_full_before_the_first_step(self):
        run = self.run_folder() / "run"
        if not can_mount():
            text = self.train_in('ulimit -f 4; "$@"', run, IO, ranks=1)
            self.check_report(text, run, "File too large", "run.dir")
        else:
            script = 'mkdir "$RUN" && mount -t tmpfs -o size=16k tmpfs "$RUN" && head -c 16k /dev/zero >"$RUN/other" || exit'
            text = self.train_in(f'{script}; "$@"', run, IO)
            self.check_report(text, "rank 0: ", run, "No space left", "free space", "run.dir")

    def test_full_at_a_save(self):
        """Three checkpoints fit, the fourth does not."""
        run = self.run_folder() / "run"
        if not can_mount():
            self.skip("test_full_at_a_save needs a file system of its own, and so root")
        # The mount goes with the last process in it: what is to be looked at is copied out, under the same name.
        room = 3 * self.checkpoint_bytes + self.checkpoint_bytes // 2
        script = f"""
            mkdir "$RUN" "$RUN.kept" && mount -t tmpfs -o size={room} tmpfs "$RUN" || exit
            "$@"; code=$?
            cp -a "$RUN/." "$RUN.kept"
            exit $code"""
        text = self.train_in(script, run, IO)
        self.check_report(text, "saving after step 12", run, "No space left", "free space", f"{run}/checkpoints/step-00000009")
        kept = run.with_name("run.kept")
        self.check_whole(kept, [3, 6, 9])
        self.assertEqual([path.name for path in (kept / "checkpoints").iterdir() if ".tmp" in path.name], [],
                         "half a checkpoint stands in the way of the next attempt")

        # With more space the same command ends as if nothing had happened.
        self.train(kept)
        self.check_steps(kept, faults.STEPS)
        self.check_same_state(kept, self.undisturbed)
        self.assertEqual([path.name for path in (kept / "checkpoints").iterdir() if ".tmp" in path.name], [])

    def test_files_may_not_grow(self):
        """A file-size limit below a checkpoint's size. One rank alone: MPI needs larger files to begin with."""
        run = self.run_folder() / "run"
        self.train(run, {"run.steps": 6}, ranks=1)
        text = self.train_in(f'ulimit -f {self.checkpoint_bytes // 2 // 512}; "$@"', run, IO, ranks=1)
        self.check_report(text, "cannot reserve", "File too large", "checkpoint.keep_last", f"{run}/checkpoints/step-00000006")
        self.check_whole(run, [3, 6])
        self.train(run)
        self.check_whole(run, [3, 6, 9, 12])

    def test_copied_with_its_links_followed(self):
        """As scp does it. No checkpoint could be committed: found before the first step."""
        run = self.run_folder()
        shutil.copytree(self.undisturbed, run, symlinks=False)
        changes = {"run.steps": faults.STEPS + 3}
        text = self.check_fails(IO, f"{run}/checkpoints/latest: it is a folder", "remove that folder", run=run, changes=changes)
        self.assertNotIn(f"step {faults.STEPS + 1}/", text)
        shutil.rmtree(run / "checkpoints/latest")
        self.train(run, changes)

    def test_two_runs_in_one_folder(self):
        """The second is refused by the owner's name, and the first does not notice."""
        run = self.run_folder() / "run"
        long = {"run.steps": 100000, "checkpoint.every": "20st", "log.every": "1000st"}
        first = self.start(*self.words(run, 2, long))
        first.wait_for(lambda: len(faults.checkpoints_of(run)) >= 1, "checkpoint")
        owner = first.ranks()[0]
        # At the same time: each waits for the owner's end before it gives up.
        others = [self.start(*self.words(run, ranks, long)) for ranks in (1, 2)]
        for other in others:
            text = other.finish(REFUSED)[1]
            self.check_report(text, run, f"belongs to process {owner} on ", "still running", "run.dir")
        os.kill(first.process.pid, signal.SIGUSR1)
        first.finish(expect=SAVED)
        steps = [line["step"] for line in harness.read_metrics(run)[0]]
        self.assertEqual(steps, list(range(1, len(steps) + 1)))
        self.vitrail("checkpoint", "verify", faults.checkpoints_of(run)[-1])

    def test_space_of_a_killed_save_is_given_back(self):
        """Else what it left and what the next save writes would have to fit side by side."""
        run = self.run_folder() / "run"
        self.train(run, {"run.steps": 3}, ranks=1)
        leftover = run / "checkpoints" / "step-00000006.tmp-elsewhere-1"
        leftover.mkdir()
        (leftover / "rank-00000-of-00001.h5").write_bytes(bytes(4096))
        self.train(run, {"run.steps": 3}, ranks=1, expect=DONE)
        self.assertFalse(leftover.exists())


if __name__ == "__main__":
    unittest.main()
