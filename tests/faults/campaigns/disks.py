"""F7: the n-th call that changes a run's files fails, for every n; and a disk that is full or read-only for a while."""

import errno
import os
import pathlib
import shutil
import subprocess

import faults
import folders_test
import harness
from campaign import EVERY, RunCampaign, skip

LIBRARY = pathlib.Path(os.environ.get("VITRAIL_FAILING_IO", harness.ROOT / "build/dev/libfailing_io.so"))
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Calls(RunCampaign):
    name, test, what = "calls", "F7", "one open, write, fsync, rename, ... fails: nothing lost; while saving, training goes on"
    wanted = 100  # about as many as two ranks make in such a run
    steps = 12
    STRIDE = 10  # so many rounds with seeds one after another take every call
    short = {"STRIDE": 60}

    @classmethod
    def setUpClass(cls):
        if not LIBRARY.exists():
            raise skip(f"{LIBRARY.name} is not built")
        super().setUpClass()

    @classmethod
    def play_round(cls, seed):
        cls.first = seed % cls.STRIDE + 1
        return super().play_round(seed)

    def play(self):
        calls = 0
        for rank in (0, 1):
            number = self.first
            while self.try_call(rank, number):
                number += self.STRIDE
                calls += 1
        return calls

    def try_call(self, rank, number):
        """A run in which the call of that number fails; whether there was one."""
        run, report = self.round_folder / f"run-{rank}-{number}", self.round_folder / f"failed-{rank}-{number}"
        error = self.random.choice(ERRORS)
        environment = self.environment | {
            "LD_PRELOAD": str(LIBRARY),
            "FAILING_IO": f"{rank}:{number}:{error}:{run}",
            "FAILING_IO_REPORT": str(report),
        }
        job = harness.Job([self.program, *self.command(run, 2)], environment, self.scratch)
        self.addCleanup(job.kill)
        self.check_gone(job)
        failed = report.read_text() if report.exists() else ""
        told = f"{failed.strip()}: {os.strerror(error)}: {job.report()}"
        status = job.process.returncode
        self.assertIn(status, (faults.DONE, faults.IO), told)
        if ".tmp" in failed and "probe" not in failed:  # the probe comes before the first step
            self.assertEqual(status, faults.DONE, told)
        if status == faults.IO:
            self.check_report(job.text("err"), os.strerror(error))
        self.check_checkpoints(run)
        if failed:
            self.finish_run(run)
        shutil.rmtree(run)
        return bool(failed)


class FullDisk(RunCampaign):
    name, test, what = "full", "F7", "checkpoints on a disk full or read-only for a while: training goes on and saves again"
    wanted = 40
    steps = 600
    changes = {"checkpoint.retry": "1s"}
    short = {"steps": 200}
    PACE = {"run.fault": "forward:0:1:slow"}  # 0.1 s a step: it must not end before a trouble does

    @classmethod
    def setUpClass(cls):
        if not folders_test.can_mount():
            raise skip("may not mount here")
        super().setUpClass()

    def play(self):
        run = self.round_folder / "run"
        script = """
            mkdir -p "$RUN/checkpoints" && mount -t tmpfs -o size=8m tmpfs "$RUN/checkpoints" || exit
            "$@"; code=$?
            mkdir "$RUN.kept"; cp -a "$RUN/." "$RUN.kept"
            exit $code"""
        words = [*folders_test.PRIVATELY, script, "sh", self.program, *self.command(run, 2, self.PACE)]
        job = harness.Job(words, self.environment | {"RUN": str(run)}, self.scratch)
        self.addCleanup(job.kill)
        troubles = [
            ("head -c 9m /dev/zero >filler 2>/dev/null; true", "rm filler"),
            ("mount -o remount,bind,ro .", "mount -o remount,bind,rw ."),
        ]
        self.random.shuffle(troubles)
        for trouble, remedy in troubles:
            self.go_on(job, run, self.random.randint(1, 20))
            self.inside(job, run, trouble)
            self.go_on(job, run, 4 * EVERY)
            self.inside(job, run, remedy)
        job.finish()
        kept = run.with_name("run.kept")
        self.check_checkpoints(kept)
        harness.check_same_metrics(self, kept, self.reference)
        self.assertEqual(self.hash_of(kept), self.hash_of_reference)
        return len(troubles)

    def go_on(self, job, run, more):
        step = harness.step_of(run) + more
        job.wait_for(lambda: harness.step_of(run) >= step, f"step {step}")

    def inside(self, job, run, script):
        """In the run's own view of the file systems."""
        words = ["nsenter", f"--target={job.process.pid}", "--mount", "sh", "-c", f"cd {run}/checkpoints && {script}"]
        subprocess.run(words, check=True)
