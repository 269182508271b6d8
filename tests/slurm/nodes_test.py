"""slurm/vit_h_21k.sh on a cluster of three simulated nodes, one of which loses power: Slurm starts the job again without it,
it goes on from its last checkpoint, and nothing counts as a failed attempt.

By hand, as root: python3 tests/slurm/nodes_test.py
"""

import cluster
import harness
from cluster import ROOT, slurm
from preempted_test import SMALL, STEPS


class NodesTest(cluster.ClusterTest):
    def test_a_node_loses_power(self):
        words = harness.flags(SMALL | {"data.train": self.make_pack("data", 1024), "checkpoint.every": "2st"})
        run = self.folder / "run"
        place = ["--nodes=2", "--gpus-per-node=1", "--ntasks-per-node=1"]
        job, log = self.submit_script("slurm/vit_h_21k.sh", "run", *place, words=words, VITRAIL=self.program,
                                      VITRAIL_RUN_DIR=run, VITRAIL_STAGE="")
        self.wait_for(lambda: (run / "checkpoints" / "step-00000004").exists(), "checkpoint of step 4", log)
        batch_node, nodes = self.nodes_of(job)
        lost = next(node for node in nodes if node != batch_node)
        self.node("crash", lost)
        undisturbed = self.folder / "undisturbed"
        self.vitrail("train", "--config", ROOT / "configs" / "vit_h_21k.cfg", *words, "--run.dir", undisturbed)
        self.assertEqual(self.end_of(job, log), ("COMPLETED", 1), log.read_text())
        self.assertNotIn(lost, slurm("scontrol", "show", "job", job).split(" NodeList=")[1].split()[0])
        self.assertFalse((run / "failed_attempts").exists(), log.read_text())
        self.assertEqual([line["step"] for line in harness.read_metrics(run)[0]], list(range(1, STEPS + 1)))
        self.check_same_state(run, undisturbed)
        print(f"{lost} lost: {self.hash_of(run)}, as undisturbed")


if __name__ == "__main__":
    cluster.run_tests(nodes=3)
