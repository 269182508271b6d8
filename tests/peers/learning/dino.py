"""Does DINO learn what labels would say? A small ViT on Fashion-MNIST without its labels; then the accuracy of weighted k-NN
(20 neighbours, temperature 0.07) on the test images by its teacher's features, beside those of the network as it began and
of the pixels themselves.

    dino.py VITRAIL [--images 20000] [--epochs 15] [--seeds 1] [--ranks 2]

Needs numpy and Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where a seed is not above both.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from fashion_mnist import fashion_mnist, write_idx

NEIGHBOURS, TEMPERATURE, CLASSES = 20, 0.07, 10
SETTINGS = {
    "task.name": "dino", "run.lanes": 4, "data.global_batch_size": 128, "data.workers": 1,
    "model.name": "deit_ti16", "model.image_size": 28, "model.patch": 7, "model.width": 96, "model.depth": 4, "model.heads": 3,
    "dino.local_views": 4, "dino.local_size": 14, "dino.local_min_area": 0.1, "dino.outputs": 1024, "dino.hidden": 256,
    "dino.bottleneck": 64, "dino.teacher_temperature": 0.04, "dino.momentum": 0.99,
    "optimizer.name": "adamw", "optimizer.lr": 1e-3, "optimizer.weight_decay": 0.04, "optimizer.clip_tensor": 3,
    "optimizer.decay_tokens": "true", "schedule.weight_decay_end": 0.4, "schedule.warmup": "2ep", "schedule.warmup_lr": 0,
    "schedule.warmup_to_peak": "true", "schedule.warmup_prefix": "true", "schedule.min_lr": 1e-5,
    "evaluate.weights": "ema", "evaluate.neighbours": NEIGHBOURS, "evaluate.temperature": TEMPERATURE,
}


def arrays(part, count):
    images, labels = fashion_mnist(part)
    pixels = np.frombuffer(images, np.uint8, 784 * count, 16).reshape(count, 784).astype(np.float32) / 255
    return pixels, np.frombuffer(labels, np.uint8, count, 8)


def knn(known, known_labels, asked, labels):
    """Percent right, of raw rows."""
    def unit(rows):
        rows = rows - known.mean(0)  # as the network's input is centred
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
    own, right = unit(known), 0
    for first in range(0, len(asked), 500):
        cosines = unit(asked[first:first + 500]) @ own.T
        nearest = np.argpartition(-cosines, NEIGHBOURS, 1)[:, :NEIGHBOURS]
        weights = np.exp(np.take_along_axis(cosines, nearest, 1) / TEMPERATURE)
        votes = np.zeros((len(cosines), CLASSES))
        for k in range(NEIGHBOURS):
            np.add.at(votes, (np.arange(len(cosines)), known_labels[nearest[:, k]]), weights[:, k])
        right += (votes.argmax(1) == labels[first:first + 500]).sum()
    return 100 * right / len(asked)


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"dino: {' '.join(done.args)}: {done.stderr}")
    return done.stdout


def train(options, folder, name, settings):
    """Accuracy at the end."""
    flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
    run(options.vitrail, "launch", "-n", options.ranks, "--run.dir", folder / name, *flags)
    lines = [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
    return [line["eval"]["top1"] for line in lines if "eval" in line][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vitrail")
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--asked", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    pixels = knn(*arrays("train", options.images), *arrays("t10k", options.asked))
    print(f"raw pixels: {pixels:.2f} %", flush=True)
    failed = False
    with tempfile.TemporaryDirectory(prefix="vitrail-") as text:
        folder = pathlib.Path(text)
        for part, count in (("train", options.images), ("t10k", options.asked)):
            run(options.vitrail, "pack", "--source", write_idx(folder, part, count), "--output", folder / f"{part}-pack")
        data = {"data.train": folder / "train-pack", "data.val": folder / "t10k-pack"}
        for seed in range(1, options.seeds + 1):
            settings = SETTINGS | data | {"run.seed": seed}
            still = settings | {"run.steps": 1, "optimizer.lr": 1e-12, "schedule.warmup": "0st"}
            for key in ("schedule.warmup_lr", "schedule.warmup_to_peak", "schedule.warmup_prefix"):
                del still[key]
            random = train(options, folder, f"random-{seed}", still | {"schedule.min_lr": 0, "dino.momentum": 1})
            learned = train(options, folder, f"dino-{seed}", settings | {"run.epochs": options.epochs})
            print(f"seed {seed}: as it began {random:.2f} %, DINO {learned:.2f} %", flush=True)
            failed = failed or learned <= max(random, pixels)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
