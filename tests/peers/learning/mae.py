"""Is MAE worth its epochs where labels are few? A small ViT on Fashion-MNIST: pre-trained by MAE on images without labels, then
fine-tuned on 1 % of the labels; beside it the same network with the same labels, epochs and rates from scratch. Test accuracy.

    mae.py VITRAIL [--images 60000] [--epochs 20] [--tuning 200] [--seeds 3] [--ranks 2]

Needs Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where the means over seeds are not two standard errors
apart.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

from fashion_mnist import write_idx

BODY = {"model.name": "deit_ti16", "model.image_size": 28, "model.patch": 4, "model.width": 96, "model.depth": 4, "model.heads": 3,
        "data.workers": 1, "schedule.warmup_lr": 0, "schedule.warmup_prefix": "true", "optimizer.name": "adamw",
        "optimizer.weight_decay": 0.05}
PRETRAINING = BODY | {
    "task.name": "mae", "mae.width": 64, "mae.depth": 2, "mae.heads": 4, "run.lanes": 4, "data.global_batch_size": 256,
    "augment.crop_min_area": 0.5, "optimizer.lr": 1.5e-3, "optimizer.beta2": 0.95, "optimizer.decay_tokens": "true",
    "schedule.warmup": "2ep", "schedule.min_lr": 0,
}
TUNING = BODY | {
    "run.lanes": 2, "data.global_batch_size": 64, "data.subset": "1%", "data.subset_balanced": "true", "model.classes": 10,
    "model.pooling": "mean", "model.drop_path": 0.1, "augment.crop_min_area": 0.5, "augment.mixup": 0.2, "loss.smoothing": 0.1,
    "optimizer.lr": 1e-3, "schedule.warmup": "10ep", "schedule.min_lr": 1e-5, "evaluate.every": "1000000ep",
}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"mae: {' '.join(done.args)}: {done.stderr}")


def train(options, folder, settings):
    flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
    run(options.vitrail, "launch", "-n", options.ranks, "--run.dir", folder, *flags)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["eval"]["top1"] for line in lines if "eval" in line][-1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vitrail")
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--tuning", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    found = {"mae": [], "scratch": []}
    with tempfile.TemporaryDirectory(prefix="vitrail-") as text:
        folder = pathlib.Path(text)
        for part, count in (("train", options.images), ("t10k", 10000)):
            run(options.vitrail, "pack", "--source", write_idx(folder, part, count), "--output", folder / f"{part}-pack")
        data, val = {"data.train": folder / "train-pack"}, {"data.val": folder / "t10k-pack"}
        for seed in range(1, options.seeds + 1):
            pretrained = folder / f"mae-{seed}"
            train(options, pretrained, PRETRAINING | data | {"run.seed": seed, "run.epochs": options.epochs})
            tuning = TUNING | data | val | {"run.seed": seed, "run.epochs": options.tuning, "data.subset_seed": seed}
            found["scratch"] += train(options, folder / f"scratch-{seed}", tuning)
            found["mae"] += train(options, folder / f"tuned-{seed}", tuning | {"model.weights": pretrained})
            print(f"seed {seed}: from scratch {found['scratch'][-1]:.2f} %, after MAE {found['mae'][-1]:.2f} %", flush=True)
    if options.seeds < 2:
        return
    means = {name: statistics.mean(values) for name, values in found.items()}
    error = math.sqrt(sum(statistics.variance(values) / len(values) for values in found.values()))
    print(f"from scratch {means['scratch']:.2f} %, after MAE {means['mae']:.2f} %; standard error of the difference {error:.2f}")
    sys.exit(0 if means["mae"] - means["scratch"] > 2 * error else 1)


if __name__ == "__main__":
    main()
