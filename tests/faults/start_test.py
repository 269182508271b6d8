"""What is wrong around a run before it begins: folders, host names, masks of processors, halves of a Slurm job, GPUs that
were promised. One line of ours with the way out, before MPI or LibTorch speak; or it is no trouble at all."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import faults
import harness
from faults import IO, REFUSED, SAVED

ENDLESS = {"run.steps": 100000, "checkpoint.every": "1000st", "log.every": "1000st"}


class StartTest(faults.FaultTest):
    def run_with(self, words, expect, folder=None, prefix=(), **environment):
        """(stdout, stderr) of a command in a folder, with these variables (None: without)."""
        changed = {key: value for key, value in (self.environment | environment).items() if value is not None}
        done = subprocess.run([*map(str, prefix), str(self.program), *map(str, words)], env=changed, cwd=folder, text=True,
                              capture_output=True, check=False, timeout=harness.PATIENCE_S)  # fmt: skip
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def first_line(self, run):
        return (run / "log.txt").read_text().splitlines()[0]

    def test_working_directory_was_deleted(self):
        for words in (self.words(self.run_folder(), 1, {}), self.words(self.run_folder(), 2, {}), ["models"], ["--version"]):
            with self.subTest(command=words[0]):
                gone = self.folder / "gone"
                gone.mkdir()
                script = 'cd "$0" && rmdir "$0" && exec "$@"'
                err = self.run_with(words, IO, prefix=["sh", "-c", script, gone])[1]
                self.assertRegex(err, r"\Avitrail: the working directory was deleted\n  hint: .*\n\Z")
        self.assertFalse(self.run_folder().exists())

    def test_no_folder_for_temporary_files(self):
        plain = self.folder / "plain"
        plain.write_text("")
        for place, reason in ((self.folder / "missing", "No such file or directory"), (plain, "Not a directory"), ("/proc", "")):
            with self.subTest(place=place):
                err = self.run_with(self.words(self.run_folder(), 2, {}), IO, TMPDIR=str(place))[1]
                self.check_report(err, f"TMPDIR (temporary files): {place}: {reason}", "set TMPDIR")
        self.assertFalse((self.folder / "missing").exists())
        self.assertFalse(self.run_folder().exists())

    def test_host_name_that_mpirun_does_not_survive(self):
        if not harness.may_name_hosts():
            self.skip("a long host name: this user may not give this machine another one")
        prefix = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']
        err = self.run_with(self.words(self.run_folder(), 2, {}), REFUSED, prefix=[*prefix, "h" * 57])[1]
        self.check_report(err, "h" * 57 + ", has 57 letters", "shorter name")
        self.assertFalse(self.run_folder().exists())
        self.run_with(self.words(self.run_folder(), 2, {}), faults.DONE, prefix=[*prefix, "h" * 56])
        self.run_with(self.words(self.folder / "one-rank", 1, {}), faults.DONE, prefix=[*prefix, "h" * 63])

    def test_a_part_of_a_slurm_job(self):
        """By ssh to a node of one's job, in a container, in an editor."""
        for number, part in enumerate(({"SLURM_JOB_ID": "7"}, {"SLURM_JOB_ID": "7", "SLURM_JOBID": "7", "SLURM_CPUS_ON_NODE": "2"})):
            for ranks in (1, 2):
                with self.subTest(part=part, ranks=ranks):
                    self.run_with(self.words(self.folder / f"part-{number}-{ranks}", ranks, {}), faults.DONE, **part)
        err = self.run_with(self.words(self.run_folder(), 2, {"launch.via": "srun"}), REFUSED, SLURM_JOB_ID="7")[1]
        self.check_report(err, "launch.via = srun", "SLURM_NNODES")

    def test_tasks_that_nobody_joined(self):
        """As srun without PMIx starts them, and another MPI's mpiexec. Only the first one speaks."""
        step = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_MPI_TYPE": "pmi2"}
        words = self.words(self.run_folder(), 1, {})
        err = self.run_with(words, REFUSED, SLURM_PROCID="0", **step)[1]
        self.check_report(err, "2 tasks were started by srun --mpi=pmi2", "srun --mpi=pmix", "launch.mpi", "slurm/site.sh")
        self.assertEqual(self.run_with(words, REFUSED, SLURM_PROCID="1", **step)[1], "")
        err = self.run_with(words, REFUSED, PMI_SIZE="2", PMI_RANK="0")[1]
        self.check_report(err, "2 tasks were started by another MPI's launcher")
        err = self.run_with(self.words(self.run_folder(), 2, {}), REFUSED, SLURM_PROCID="0", **step)[1]
        self.check_report(err, "vitrail launch starts the ranks itself, but this is one of 2")
        self.assertFalse(self.run_folder().exists())
        alone = {"sharding.communicator": "local"}
        self.run_with(self.words(self.folder / "alone", 1, alone), faults.DONE, SLURM_PROCID="0", **step)

    def test_mpi_that_knows_of_fewer_ranks(self):
        """The variables of an mpirun that is not there: MPI itself sees one rank."""
        stale = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
                 "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}  # fmt: skip
        err = self.run_with(self.words(self.run_folder(), 1, {}), REFUSED, **stale)[1]
        self.check_report(err, "rank 0 of 2 by the launcher's word, but rank 0 of 1 by MPI's")
        self.assertFalse(self.run_folder().exists())

    def test_gpus_that_were_promised(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skip("run.device = auto where a promised GPU is missing: this machine has one")
        for ranks in (1, 2):
            err = self.run_with(self.words(self.run_folder(), ranks, {}), REFUSED, CUDA_VISIBLE_DEVICES="0")[1]
            self.check_report(err, "run.device = auto finds no GPU on ", "CUDA_VISIBLE_DEVICES = 0", "set run.device = cpu")
        self.assertFalse(self.run_folder().exists())
        run = self.folder / "on-cpu"
        self.run_with(self.words(run, 2, {"run.device": "cpu"}), faults.DONE, SLURM_GPUS_ON_NODE="1")
        self.assertRegex(self.first_line(run), r"device: CPU \(\w+\), 2 ranks on 1 node, exchange over MPI$")
        words = ["eval", "--checkpoint", run, "--data", self.pack, "--run.device"]
        self.check_report(self.run_with([*words, "auto"], REFUSED, SLURM_GPUS_ON_NODE="1")[1], "SLURM_GPUS_ON_NODE = 1")
        self.assertRegex(self.run_with([*words, "cpu"], faults.DONE)[1], r"(?m)^device: CPU \(\w+\), 1 rank$")
        words = ["predict", "--checkpoint", run, "--data", self.pack, "--run.device"]
        self.check_report(self.run_with([*words, "auto"], REFUSED, SLURM_JOB_GPUS="0")[1], "SLURM_JOB_GPUS = 0")
        self.assertRegex(self.run_with([*words, "cpu"], faults.DONE)[1], r"(?m)^device: CPU \(\w+\), 1 rank$")

    def test_ranks_stay_in_the_mask(self):
        """mpirun would bind them outside of it."""
        processors = sorted(os.sched_getaffinity(0))
        if len(processors) == 1:
            self.skip("a mask of some processors: this machine has one")
        last = str(processors[-1])
        job = self.start_words("taskset", "-c", last, self.program, *self.words(self.run_folder(), 2, ENDLESS))
        job.wait_for(lambda: harness.step_of(self.run_folder()) > 0, "first step")
        masks = [re.search(r"Cpus_allowed_list:\s*(\S+)", pathlib.Path(f"/proc/{rank}/status").read_text())[1] for rank in job.ranks()]
        self.assertEqual(masks, [last, last])
        os.kill(job.process.pid, signal.SIGTERM)
        text = job.finish(expect=SAVED)[1]
        self.assertIn("2 ranks by mpirun on this host, more than its 1 processor: not bound", text)

    def test_quota_of_time(self):
        """As a container has it: without -n as many ranks as it pays for, and none is bound to what others use, too."""
        if len(os.sched_getaffinity(0)) == 1:
            self.skip("a quota below the number of processors: this machine has one")
        prefix = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.limited_group()]
        words = ["launch", *self.words(self.run_folder(), 2, {})[3:]]
        err = self.run_with(words, faults.DONE, prefix=prefix)[1]
        self.assertRegex(err, r"1 rank by mpirun on this host, sharing 1 of its \d+ processors: not bound")

    def test_threads_and_ranks_that_do_not_fit(self):
        run = self.run_folder()
        self.train(run, {"run.steps": 1, "run.threads": 40, "data.workers": 50}, ranks=3)
        text = (run / "log.txt").read_text()
        self.assertIn("warning: 3 ranks share 4 micro-batches (run.lanes) unevenly: 1 of them compute 2 a step", text)
        self.assertRegex(text, r"warning: .*: \d+ compute threads \(.*run.threads = 40\) and \d+ loader threads \(.*data.workers = 50\)")

    def test_terminal_closes(self):
        """HUP means: save and stop; under nohup it means nothing."""
        for prefix in ([], ["nohup"]):
            for ranks in (1, 2):
                with self.subTest(prefix=prefix, ranks=ranks):
                    run = self.run_folder()
                    job = self.start_words(*prefix, self.program, *self.words(run, ranks, ENDLESS))
                    job.wait_for(lambda run=run: harness.step_of(run) > 0, "first step")
                    os.kill(job.process.pid, signal.SIGHUP)
                    if prefix:
                        step = harness.step_of(run)
                        job.wait_for(lambda run=run, step=step: harness.step_of(run) > step + 20, "steps after the hangup")
                        os.kill(job.process.pid, signal.SIGTERM)
                    job.finish(expect=SAVED)
                    self.check_steps(run, harness.step_of(run))
                    shutil.rmtree(run)


if __name__ == "__main__":
    unittest.main()
