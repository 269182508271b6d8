"""slurm/vit_h_21k.sh on a cluster of three simulated nodes, one of which loses power, or holds a rank that cannot be ended:
the job starts again and goes on from its last checkpoint. With the program copied to the nodes' own disks, as users have it.

By hand, as root: python3 tests/slurm/nodes_test.py
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

import cluster
import harness
from cluster import ROOT, slurm
from preempted_test import SMALL, STEPS


class NodesTest(cluster.ClusterTest):
    def submit(self, name, **settings):
        """A job on two nodes, once it has saved step 4: (id, log, run's folder, words)."""
        words = harness.flags(SMALL | {"checkpoint.every": "2st"} | settings)
        run = self.folder / name
        place = ["--nodes=2", "--gpus-per-node=1", "--ntasks-per-node=1"]
        job, log = self.submit_script("slurm/vit_h_21k.sh", name, *place, words=words, VITRAIL=self.program,
                                      VITRAIL_RUN_DIR=run, VITRAIL_STAGE="/dev/shm")
        self.wait_for(lambda: (run / "checkpoints" / "step-00000004").exists(), "checkpoint of step 4", log)
        return job, log, run, words

    def test_a_rank_that_cannot_be_ended(self):
        """Its slurmstepd is gone, so Slurm cannot end it, its cores stay taken, and the next attempt's step, of the same number,
        finds its socket in use: the job must not wait for that, and ends elsewhere."""
        job, log, run, _ = self.submit("stuck", **{"data.train": "synthetic:1024,10,28", "run.steps": 40})
        batch_node, nodes = self.nodes_of(job)
        self.kill_step_daemon(job, next(node for node in nodes if node != batch_node))
        self.assertEqual(self.end_of(job, log)[0], "COMPLETED", log.read_text())
        self.assertIn("failed attempt 1 of 3", log.read_text())

    @staticmethod
    def kill_step_daemon(job, node):
        """-9 for the daemon of the job's step on that node, as its namespace shows it."""
        host = "import socket; print(socket.gethostname())"
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if not name.startswith(f"slurmstepd: [{job}.") or "batch" in name or "extern" in name:
                    continue
                where = subprocess.run(["nsenter", f"--target={process.name}", "--uts", "python3", "-c", host],
                                       check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
                if where == node:
                    os.kill(int(process.name), signal.SIGKILL)
                    return
        raise AssertionError(f"no step of job {job} on {node}")

    def test_a_node_loses_power(self):
        job, log, run, words = self.submit("run", **{"data.train": self.make_pack("data", 1024)})
        batch_node, nodes = self.nodes_of(job)
        lost = next(node for node in nodes if node != batch_node)
        self.node("crash", lost)
        self.addCleanup(self.node, "boot", lost)
        undisturbed = self.folder / "undisturbed"
        self.vitrail("train", "--config", ROOT / "configs" / "vit_h_21k.cfg", *words, "--run.dir", undisturbed)
        self.assertEqual(self.end_of(job, log), ("COMPLETED", 1), log.read_text())
        self.assertNotIn(lost, slurm("scontrol", "show", "job", job).split(" NodeList=")[1].split()[0])
        self.assertFalse((run / "failed_attempts").exists(), log.read_text())
        self.assertEqual([line["step"] for line in harness.read_metrics(run)[0]], list(range(1, STEPS + 1)))
        self.check_same_state(run, undisturbed)
        print(f"{lost} lost: {self.hash_of(run)}, as undisturbed")

    def test_nodes_that_stay_down(self):
        """The requeued job waits for as many nodes as it had: slurm/resume.sh takes the run to the one that is left."""
        job, log, run, words = self.submit("down", **{"data.train": self.make_pack("few", 1024)})
        batch_node, _ = self.nodes_of(job)
        for node in {"n0", "n1", "n2"} - {batch_node}:
            self.node("crash", node)
        self.wait_for(lambda: slurm("squeue", "--noheader", "--job", job, "--format", "%T") == "PENDING", "requeue", log)
        place = ["--nodes=1", "--ntasks-per-node=2", f"--output={log}"]
        environment = os.environ | {"VITRAIL": str(self.program), "VITRAIL_STAGE": "/dev/shm"}
        told = subprocess.run([ROOT / "slurm" / "resume.sh", run, *place], cwd=ROOT, env=environment, check=True,
                              capture_output=True, text=True).stdout  # fmt: skip
        self.assertIn(f"cancelled job {job}, which was waiting", told)
        other = re.search(r"Submitted batch job (\d+)", told)[1]
        self.assertEqual(self.end_of(other, log), ("COMPLETED", 0), log.read_text())
        self.assertIn("written by 2 ranks", log.read_text())
        undisturbed = self.folder / "undisturbed-on-one"
        self.vitrail("train", "--config", ROOT / "configs" / "vit_h_21k.cfg", *words, "--run.dir", undisturbed)
        self.check_same_state(run, undisturbed)
        for node in {"n0", "n1", "n2"} - {batch_node}:
            self.node("boot", node)


if __name__ == "__main__":
    cluster.run_tests(nodes=3)
