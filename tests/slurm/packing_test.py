"""slurm/pack_1k.sh and slurm/pack_21k.sh on a cluster of two simulated nodes: four ranks write the bytes of one.

By hand, as root: python3 tests/slurm/packing_test.py
"""

import pathlib
import re
import subprocess

import cluster

# About 14 MB, in shards of 1 MiB.
CLASSES, EACH, WIDTH, HEIGHT = 4, 300, 200, 150
OPTIONS = ("--shard-mib", 1)
RULE = ("--validation", "hash:0.3")
FOUR_RANKS = ("--nodes=2", "--ntasks-per-node=2")


def contents(pack):
    return {path.name: path.read_bytes() for path in pack.iterdir()}


class PackingTest(cluster.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.archives = cls.folder / "archives"
        make_archives = pathlib.Path(cls.program).parent / "make_archives"
        sizes = map(str, (CLASSES, EACH, WIDTH, HEIGHT))
        subprocess.run([make_archives, cls.archives, *sizes], check=True, capture_output=True)

    def submit(self, script, name, *words, **environment):
        environment |= {"VITRAIL": self.program, "PACKS": self.folder / name}
        return self.submit_script(f"slurm/{script}", name, *FOUR_RANKS, words=words, **environment)

    def check_job(self, job, log):
        self.assertEqual(self.end_of(job, log), ("COMPLETED", 0), log.read_text())
        return log.read_text()

    def check_same(self, pack, source, *words):
        alone = self.folder / f"{pack.parent.name}-{pack.name}-alone"
        self.vitrail("pack", "--source", source, "--output", alone, "--threads", 1, *OPTIONS, *words)
        made, expected = contents(pack), contents(alone)
        self.assertEqual(sorted(made), sorted(expected))
        self.assertEqual([name for name in made if made[name] != expected[name]], [])
        return sum(name.startswith("shard-") for name in made)

    def test_pack_1k(self):
        train, val, devkit = (
            self.archives / name
            for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
        )
        log = self.check_job(*self.submit("pack_1k.sh", "1k", *OPTIONS, ARCHIVES=self.archives))
        self.assertIn("rank 0 of 4", log)
        packs = self.folder / "1k"
        kit = ("--devkit", devkit)
        self.assertGreaterEqual(self.check_same(packs / "imagenet_1k_train", f"imagenet-train:{train}", *kit), 8)
        self.check_same(packs / "imagenet_1k_val", f"imagenet-val:{val}", "--split", "val", *kit)
        # Submitted again, it leaves alone what is complete.
        before = {path: path.stat().st_mtime_ns for path in packs.rglob("*.h5")}
        again = self.check_job(*self.submit("pack_1k.sh", "1k", *OPTIONS, ARCHIVES=self.archives))
        self.assertEqual(len(re.findall("already complete", again)), 2, again)
        self.assertEqual({path: path.stat().st_mtime_ns for path in packs.rglob("*.h5")}, before)

    def test_pack_21k(self):
        jobs = {
            name: self.submit("pack_21k.sh", name, *OPTIONS, *RULE, ARCHIVE=self.archives / name)
            for name in ("fall11_whole.tar", "winter21_whole.tar.gz")
        }
        for name, (job, log) in jobs.items():
            with self.subTest(archive=name):
                self.assertIn("rank 0 of 4", self.check_job(job, log))
                source = f"imagenet-21k:{self.archives / name}"
                shards = [
                    self.check_same(self.folder / name / f"imagenet_21k_{split}", source, "--split", split, *RULE)
                    for split in ("train", "val")
                ]
                self.assertGreaterEqual(shards[0], 4)
                self.assertGreaterEqual(shards[1], 2)


if __name__ == "__main__":
    cluster.run_tests()
