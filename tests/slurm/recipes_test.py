"""The published recipes through the scripts of slurm/ on a cluster of two simulated nodes: each script trains with the
settings of its config, of which only size, paths and length are others; and the chain from packs to an accuracy, on
Fashion-MNIST, preempted once in each training, ends as an undisturbed one: for ViT, CaiT and a distilled DeiT.

By hand, as root: python3 tests/slurm/recipes_test.py; with VITRAIL_LONG=1 the chain of ViT learns something.
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
LENGTH = {"run.steps": STEPS, "run.epochs": 0, "run.device": "cpu"}
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
    "deit_b_cifar10": ("deit_b", 28, 10),
    "dino_s_100": (None, 28, 10),
    "mae_l": (None, 28, 10),
}
# A script of another name, and the words that tell it which run.
SHARED = {"deit_b_cifar10": ("transfer", ["deit_b", "cifar10"]), "dino_s_100": ("dino_vit_s", []), "mae_l": ("mae", [])}
# What is large beside the network.
HEADS = {
    "dino_s_100": {"dino.outputs": 64, "dino.hidden": 32, "dino.bottleneck": 16, "dino.local_size": 14},
    "mae_l": {"mae.width": 32, "mae.depth": 1, "mae.heads": 2, "data.global_batch_size": 1024},
}

# The recipes' own parts; what is written here is size, and a warm-up that a run this short can have.
CHAIN_CONFIG = """
{parts}

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
name = {model}
patch = 7
width = {width}
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

[evaluate]
every = 0st

[log]
every = 1st
"""
TEACHER = """
[distillation]
teacher_model = vit_h14
teacher_weights = {teacher}
teacher_image_size = 28
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
        cls.fine_val = cls.pack_of("fine_val", cls.images, cls.held_out, range(10))

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
        changes |= HEADS.get(name, {})
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
        script, words = SHARED.get(name, (name, []))
        words = [*words, *harness.flags(changes)]
        return self.submit_script(f"slurm/{script}.sh", name, *PLACE_OF_JOB, "--nodes=1", *after, words=words,
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
                self.assertEqual({key for key in used | written if used.get(key) != written.get(key)} - OTHERS,
                                 set(HEADS.get(name, {})))

    def write_config(self, name, parts, more="", **values):
        path = self.folder / f"{name}.cfg"
        included = "\n".join(f"include = {ROOT}/configs/parts/{part}.ini" for part in parts)
        path.write_text(CHAIN_CONFIG.format(name=name, parts=included, **values) + more)
        return path

    def preempt(self, job, run, log):
        metrics = run / "metrics.jsonl"

        def steps():
            return metrics.read_text().count("\n") if metrics.exists() else 0

        self.wait_for(lambda: steps() >= 3 or self.is_over(job), f"third step of {run.name}", log)
        self.assertGreaterEqual(steps(), 3, log.read_text() if log.exists() else "")
        slurm("srun", "--partition=hi", "--exclusive", "--nodes=2", "sleep", 1)

    def check_chain(self, pretrain, finetune, val):
        """One training after the other is preempted; while each waits, the same is trained without a disturbance. What
        the evaluation found."""
        first, then = trainings = pretrain.stem, finetune.stem
        runs, alone = self.folder / "runs", self.folder / "alone"
        words = " ".join([*PLACE_OF_JOB, "--nodes=2", "--cpus-per-task=1", f"--output={self.folder}/%x.log"])
        out = slurm(ROOT / "slurm/chain_21k_to_1k.sh", VITRAIL=self.program, VITRAIL_RUNS=runs, VITRAIL_STAGE="", VITRAIL_DEVICE="cpu", PRETRAIN=pretrain,
                    FINETUNE=finetune, SBATCH_PARTITION="main", SBATCH_ACCOUNT="test", SBATCH_WORDS=words)
        jobs = dict(zip(("check_packs", *trainings, "evaluate"), re.findall(r"^(\d+) ", out, re.M)))
        for config in (pretrain, finetune):
            self.preempt(jobs[config.stem], runs / config.stem, self.folder / f"{config.stem}.log")
            begin = ["--model.weights", alone / first] if config is finetune else []
            self.vitrail("train", "--config", config, "--run.dir", alone / config.stem, *begin)
        for name, job in jobs.items():
            log = self.folder / f"{name}.log"
            self.assertEqual(self.end_of(job, log), ("COMPLETED", int(name in trainings)), log.read_text())
        self.assertIn("resumed from", (self.folder / f"{then}.log").read_text())
        for name in trainings:
            self.check_same_state(runs / name, alone / name)
        found = json.loads((runs / then / "evaluation.json").read_text())
        again = json.loads(self.vitrail("eval", "--checkpoint", alone / then, "--data", val, "--format", "json")[0])
        self.assertEqual(found["used"]["weights_hash"], again["used"]["weights_hash"])
        del found["used"], again["used"]  # when, and by which paths
        self.assertEqual(found, again)
        self.assertEqual(found["images"], self.held_out)
        self.assertIn(self.hash_of(alone / then, "weights"), (self.folder / "evaluate.log").read_text())
        print(f"chain {first}, {then}: {self.hash_of(runs / then)}, top-1 {found['top1']:.2f} % of {found['images']} images, "
              "as undisturbed")  # fmt: skip
        return found

    def test_chain_of_vit(self):
        """With another class count, as from ImageNet-21k to 1k."""
        size = {"model": "vit_xxs4", "width": 128, "depth": 2 if harness.LONG else 1}
        pretrain = self.write_config("vit_first", ["deit3_21k"], **size, train=self.fine, val=self.fine_val, image_size=28, classes=10,
                                     epochs=8 if harness.LONG else 6, lr="1e-2")  # fmt: skip
        finetune = self.write_config("vit_then", ["deit3_21k_to_1k"], **size, train=self.coarse, val=self.val, image_size=56,
                                     classes=4, epochs=5 if harness.LONG else 4, lr="3e-3")  # fmt: skip
        self.assertGreater(self.check_chain(pretrain, finetune, self.val)["top1"], LEARNED)

    def short_chain(self, name, model, width, first_parts, then_parts):
        """To a larger picture of the same classes; its trainings have a teacher where their recipe has."""
        shared = {"model": model, "width": width, "depth": 1, "train": self.fine, "val": self.fine_val, "classes": 10}
        teacher = self.folder / f"{name}_teacher"
        self.vitrail("train", "--run.dir", teacher, "--data.train", self.fine, "--data.global_batch_size", 64, "--run.lanes", 4,
                     *harness.flags(SIZE | {"model.name": "vit_h14", "model.image_size": 28, "model.classes": 10, "run.steps": 10}))
        taught = TEACHER.format(teacher=teacher)
        configs = [
            self.write_config(f"{name}_{stage}", parts, taught if "regnety_teacher" in parts else "", **shared, image_size=size,
                              epochs=3, lr="1e-3")
            for stage, parts, size in (("first", first_parts, 28), ("then", then_parts, 56))
        ]  # fmt: skip
        self.check_chain(*configs, self.fine_val)

    def test_chain_of_cait(self):
        """The larger picture with a teacher on its class head."""
        self.short_chain("cait", "cait_xxs24", 48, ["cait_1k"], ["cait_up", "regnety_teacher"])

    def test_chain_of_distilled_deit(self):
        self.short_chain("deit", "deit_ti16_distilled", 48, ["deit_300", "regnety_teacher"], ["deit_384", "regnety_teacher"])


if __name__ == "__main__":
    if harness.LONG:
        cluster.PATIENCE_S = harness.PATIENCE_S = 1500
    cluster.run_tests()
