"""How gradients and weights travel between ranks changes no bit: every sharding.exchange, on ranks that believe to be on
several nodes because each has a host name of its own."""

import re
import unittest

import harness

# By rank the node, and what is asked for. Of 8 lanes three ranks hold 2, 3 and 3: no aligned blocks of the sum's tree.
SCATTERED = (
    ("aabb", "auto", "two_level", {}),
    ("abab", "two_level", "two_level", {}),
    ("aaab", "halving", "halving", {"sharding.stage": 0}),
    ("aab", "auto", "direct", {}),
    ("abcd", "auto", "halving", {"run.lanes": 4, "sharding.stage": 2}),
    ("aaaa", "auto", "direct", {"run.lanes": 4}),
)
ON_EVERY_PLAN = tuple(
    (nodes, exchange, exchange, {"sharding.stage": stage})
    for nodes in ("ab", "abb", "abab", "aabbcc", "aabbaabb", "aaabbccd")
    for exchange in ("direct", "two_level", "halving")
    for stage in (0, 1)
)


class ExchangeTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.settings = harness.TINY_RUN | {
            "run.lanes": 8,
            "data.train": cls.make_pack("train", 1003),
            "precision.compute": "fp16",
            "precision.loss_scale": 2**20,
            "checkpoint.every": "4st",
        }

    def setUp(self):
        if not harness.may_name_hosts():
            self.skip("ranks on several nodes: this user may not give them host names")

    def command(self, nodes):
        """mpirun of a rank on each of these nodes, `train` to follow."""
        name = 'hostname "$(echo "$0" | cut -c $((OMPI_COMM_WORLD_RANK + 1)))" && exec "$@"'
        return [*harness.mpirun(), "-n", len(nodes), "unshare", "--uts", "sh", "-c", name, nodes, self.program, "train"]

    def train(self, name, nodes, settings):
        run = self.folder / name
        _, log = self.start_words(*self.command(nodes), *harness.flags(settings | {"run.dir": run})).finish()
        return run, log

    def test_one_hash(self):
        alone = {}
        for lanes in (4, 8):
            alone[lanes] = self.folder / f"alone-{lanes}"
            self.launch(alone[lanes], None, self.settings | {"run.lanes": lanes})
        for number, (nodes, exchange, taken, changes) in enumerate(SCATTERED + (ON_EVERY_PLAN if harness.LONG else ())):
            with self.subTest(nodes=nodes, exchange=exchange, changes=changes):
                settings = self.settings | changes | {"sharding.exchange": exchange}
                run, log = self.train(f"run-{number}", nodes, settings)
                said = re.search(r"exchange: (\w+), (\d+) ranks on (\d+) nodes?; a step sends (\S+) MiB within nodes and "
                                 r"(\S+) MiB across", log)
                self.assertTrue(said, log)
                self.assertEqual((int(said[2]), int(said[3])), (len(nodes), len(set(nodes))), said[0])
                self.assertEqual(float(said[5]) > 0, len(set(nodes)) > 1, said[0])
                if taken:
                    self.assertEqual(said[1], taken)
                harness.check_same_metrics(self, run, alone[settings["run.lanes"]])
                self.check_same_state(run, alone[settings["run.lanes"]])
                print(f"{nodes}: {said[0]}")

    def test_resumed_by_another_plan(self):
        """Slices of a bucket lie in another order by each plan; checkpoints name weights."""
        reference = self.folder / "undisturbed"
        self.launch(reference, None, self.settings)
        run = self.folder / "changed"
        for step, nodes, exchange in ((6, "aabb", "halving"), (11, "aab", "two_level"), (15, "ab", "direct")):
            settings = self.settings | {"run.dir": run, "sharding.exchange": exchange}
            job, _ = self.start_held(settings, len(nodes), step, command=self.command(nodes))
            job.kill()
        _, log = self.train("changed", "abcd", self.settings)
        self.assertIn("written by 2 ranks", log)
        harness.check_same_metrics(self, run, reference)
        self.check_same_state(run, reference)


    @unittest.skipUnless(harness.LONG, "VITRAIL_LONG is not set")
    def test_sixty_four_ranks(self):
        """As many processes as a small cluster has devices, on a few cores: one is killed, 48 go on."""
        settings = self.settings | {"run.lanes": 64, "data.global_batch_size": 128, "checkpoint.every": "5st"}
        reference = self.folder / "alone-64"
        self.launch(reference, None, settings)
        run = self.folder / "many"
        words = harness.flags(settings | {"run.dir": run, "run.fault": "backward:17:12:kill"})
        job = self.start_words(*self.command("".join(8 * node for node in "abcdefgh")), *words)
        self.assertNotEqual(job.process.wait(harness.PATIENCE_S), 0)
        job.kill()
        _, log = self.train("many", "".join(8 * node for node in "abcdef"), settings)
        self.assertIn("written by 64 ranks", log)
        harness.check_same_metrics(self, run, reference)
        self.check_same_state(run, reference)


if __name__ == "__main__":
    unittest.main()
