"""The published recipes through the scripts of slurm/ on a cluster of two simulated nodes: each script trains with the
settings of its config, of which only size, paths and length are others; and the chain from packs to an accuracy, on
Fashion-MNIST, preempted once in each training, ends as an undisturbed one.

By hand, as root: python3 tests/slurm/recipes_test.py; with VITRAIL_LONG=1 the chain learns something.
"""

import configparser
import json
import re
import struct

import cluster
import harness
from cluster import ROOT, slurm

STEPS = 20
PLACE_OF_JOB = ["--ntasks-per-node=1", "--gpus-per-node=0"]
SIZE = {"model.width": 32, "model.depth": 2, "model.heads": 2, "model.patch": 14}
LENGTH = {"run.steps": STEPS, "run.epochs": 0}
LEARNED = 85 if harness.LONG else 60  # percent; tops and dresses are half of the images
COARSE = [0, 1, 0, 0, 0, 2, 0, 2, 3, 2]  # tops and dresses, trousers, shoes, bags
# Nothing else may differ from the config of the same name.
OTHERS = {*SIZE, *LENGTH, "model.image_size", "model.classes", "model.weights", "data.train", "data.val",
          "data.workers", "run.dir", "distillation.teacher_model", "distillation.teacher_weights"}  # fmt: skip

# script: the run that gives its weights, and image size and classes.
SCRIPTS = {
    "vit_h_21k": (None, 28, 10),
    "vit_h_21k_to_1k": ("vit_h_21k", 42, 4),
    "cait_m48_1k": (None, 28, 10),
    "cait_m48_448_distill": ("cait_m48_1k", 42, 10),
    "deit_b": (None, 28, 10),
    "deit_b_distilled": (None, 28, 10),
}

# The recipes' own parts; what is written here is size, and a warm-up that a run this short can have.
CHAIN_CONFIG = """
include = {parts}/{part}.ini

[run]
name = {name}
lanes = 4
epochs = {epochs}

[data]
train = {train}
val = {val}
global_batch_size = 64
workers = 1

[model]
name = vit_xxs4
patch = 7
width = 128
depth = {depth}
image_size = {image_size}
classes = {classes}
drop_path = 0.1

[optimizer]
lr = {lr}

[schedule]
warmup = 1ep

[checkpoint]
every = 0st

[log]
every = 1st
"""


def settings_of(text):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return {f"{section}.{key}": value for section in parser.sections() for key, value in parser[section].items()}


class RecipesTest(cluster.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images, cls.held_out = (6000, 2000) if harness.LONG else (2048, 512)
        cls.fine = cls.pack_of("fine", 0, cls.images, range(10))
        cls.coarse = cls.pack_of("coarse", 0, cls.images, COARSE)
        cls.val = cls.pack_of("val", cls.images, cls.held_out, COARSE)

    @classmethod
    def pack_of(cls, name, begin, count, label_of):
        """Test images of Fashion-MNIST from `begin` on, with other labels."""
        images, labels = harness.test_images(begin + count)
        paths = [cls.folder / f"{name}-{part}" for part in ("images", "labels")]
        head = struct.pack(">I", count)
        paths[0].write_bytes(images[:4] + head + images[8:16] + images[16 + begin * 784 :])
        paths[1].write_bytes(labels[:4] + head + bytes(label_of[label] for label in labels[8 + begin :]))
        cls.vitrail("pack", "--source", f"idx:{paths[0]},{paths[1]}", "--output", cls.folder / name)
        return cls.folder / name

    def submit(self, name, begins_with, image_size, classes, jobs):
        pack = self.fine if classes == 10 else self.coarse
        changes = SIZE | LENGTH | {"model.image_size": image_size, "model.classes": classes, "data.train": pack, "data.workers": 1}
        needed = set()
        if begins_with:
            changes["model.weights"] = self.folder / begins_with
            needed.add(jobs[begins_with][0])
        if "distill" in name:
            changes |= {"distillation.teacher_model": "vit_h14", "distillation.teacher_weights": self.folder / "vit_h_21k"}
            needed.add(jobs["vit_h_21k"][0])
        if name != "vit_h_21k":
            changes["data.val"] = pack
        after = [f"--dependency=afterok:{':'.join(needed)}"] if needed else []
        return self.submit_script(f"slurm/{name}.sh", name, *PLACE_OF_JOB, "--nodes=1", *after, words=harness.flags(changes),
                                  VITRAIL=self.program, VITRAIL_RUNS=self.folder, VITRAIL_STAGE="")

    def test_each_script_as_written(self):
        jobs = {}
        for name, size in SCRIPTS.items():
            jobs[name] = self.submit(name, *size, jobs)
        for name, (job, log) in jobs.items():
            with self.subTest(script=name):
                self.assertEqual(self.end_of(job, log), ("COMPLETED", 0), log.read_text())
                run = self.folder / name
                self.assertEqual(harness.read_metrics(run)[0][-1]["step"], STEPS)
                used = settings_of((run / "config.cfg").read_text())
                printed = self.vitrail("train", "--config", ROOT / f"configs/{name}.cfg", "--print-config")[0]
                written = settings_of(printed)
                self.assertEqual({key for key in used | written if used.get(key) != written.get(key)} - OTHERS, set())

    def write_configs(self):
        """Of the chain's two trainings, as long as it takes to be preempted on the way."""
        shared = {"parts": ROOT / "configs/parts", "depth": 2 if harness.LONG else 1}
        fine = {"name": "first", "part": "deit3_21k", "train": self.fine, "val": "", "image_size": 28, "classes": 10,
                "epochs": 8 if harness.LONG else 6, "lr": "1e-2"}  # fmt: skip
        coarse = {"name": "then", "part": "deit3_21k_to_1k", "train": self.coarse, "val": self.val, "image_size": 56, "classes": 4,
                  "epochs": 5 if harness.LONG else 4, "lr": "3e-3"}  # fmt: skip
        paths = []
        for values in (fine, coarse):
            paths.append(self.folder / f"{values['name']}.cfg")
            paths[-1].write_text(CHAIN_CONFIG.format(**shared, **values))
        return paths

    def preempt(self, job, run, log):
        metrics = run / "metrics.jsonl"
        self.wait_for(lambda: metrics.exists() and metrics.read_text().count("\n") >= 3, f"third step of {run.name}", log)
        slurm("srun", "--partition=hi", "--exclusive", "--nodes=2", "sleep", 1)

    def test_chain(self):
        """One training after the other is preempted; while each waits, the same is trained without a disturbance."""
        configs, runs, alone = self.write_configs(), self.folder / "runs", self.folder / "alone"
        words = " ".join([*PLACE_OF_JOB, "--nodes=2", "--cpus-per-task=1", f"--output={self.folder}/%x.log"])
        out = slurm(ROOT / "slurm/chain_21k_to_1k.sh", VITRAIL=self.program, VITRAIL_RUNS=runs, VITRAIL_STAGE="", PRETRAIN=configs[0],
                    FINETUNE=configs[1], SBATCH_PARTITION="main", SBATCH_ACCOUNT="test", SBATCH_WORDS=words)
        jobs = dict(zip(("check_packs", "first", "then", "evaluate"), re.findall(r"^(\d+) ", out, re.M)))
        for config, name in zip(configs, ("first", "then")):
            self.preempt(jobs[name], runs / name, self.folder / f"{name}.log")
            begin = ["--model.weights", alone / "first"] if name == "then" else []
            self.vitrail("train", "--config", config, "--run.dir", alone / name, *begin)
        for name, job in jobs.items():
            log = self.folder / f"{name}.log"
            self.assertEqual(self.end_of(job, log), ("COMPLETED", int(name in ("first", "then"))), log.read_text())
        self.assertIn("resumed from", (self.folder / "then.log").read_text())
        for name in ("first", "then"):
            self.check_same_state(runs / name, alone / name)
        found = json.loads((runs / "then" / "evaluation.json").read_text())
        self.assertEqual(found, json.loads(self.vitrail("eval", "--checkpoint", alone / "then", "--data", self.val, "--format", "json")[0]))
        self.assertEqual(found["images"], self.held_out)
        self.assertGreater(found["top1"], LEARNED)
        self.assertIn(self.hash_of(alone / "then", "weights"), (self.folder / "evaluate.log").read_text())
        print(f"chain: {self.hash_of(runs / 'then')}, top-1 {found['top1']:.2f} % of {found['images']} images, as undisturbed")


if __name__ == "__main__":
    if harness.LONG:
        cluster.PATIENCE_S = harness.PATIENCE_S = 1500
    cluster.run_tests()
