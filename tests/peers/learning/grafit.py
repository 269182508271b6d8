"""Does Grafit tell apart what its labels do not? A small ViT on Fashion-MNIST with four coarse labels: Grafit, and a classifier of the
same labels; then accuracy of weighted k-NN and mean average precision of the ten classes on the test images.

    grafit.py VITRAIL [--images 10000] [--asked 2000] [--epochs 5] [--seeds 3] [--ranks 2]

Needs Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where Grafit is not two standard errors better in both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from fashion_mnist import write_idx

COARSE = ["tops", "legs", "tops", "tops", "tops", "shoes", "tops", "shoes", "bags", "shoes"]
COMMON = {
    "run.lanes": 4, "data.global_batch_size": 128, "data.workers": 1, "model.name": "deit_ti16", "model.image_size": 28,
    "model.patch": 7, "model.width": 96, "model.depth": 4, "model.heads": 3, "augment.crop_min_area": 0.4,
    "optimizer.name": "adamw", "optimizer.lr": 1e-3, "optimizer.weight_decay": 0.04, "schedule.warmup": "1ep", "schedule.min_lr": 1e-5,
    "evaluate.every": "0ep",
}
GRAFIT = {
    "task.name": "grafit", "grafit.views": 2, "grafit.hidden": 256, "grafit.outputs": 64, "grafit.predictor_hidden": 256,
    "grafit.temperature": 0.1, "grafit.momentum": 0.99,
}
CLASSIFIER = {"model.classes": 4}
JUDGED = ("--evaluate.protocol", "knn", "--evaluate.cross_validated", "true", "--evaluate.retrieval", "true", "--format", "json")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"grafit: {' '.join(done.args)}: {done.stderr}")
    return done.stdout


def judged(options, folder, name, settings, features):
    flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
    run(options.vitrail, "launch", "-n", options.ranks, "--run.dir", folder / name, *flags)
    words = ("eval", "--checkpoint", folder / name, "--data", settings["data.val"], "--evaluate.features", features)
    found = json.loads(run(options.vitrail, *words, *JUDGED))
    return found["top1"], found["map"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vitrail")
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--asked", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    results = {"grafit": [], "classifier": []}
    with tempfile.TemporaryDirectory(prefix="vitrail-") as text:
        folder = pathlib.Path(text)
        for part, count in (("train", options.images), ("t10k", options.asked)):
            run(options.vitrail, "pack", "--source", write_idx(folder, part, count), "--output", folder / f"{part}-pack")
        (folder / "coarse.csv").write_text("".join(f"{label},{coarse}\n" for label, coarse in enumerate(COARSE)))
        data = {"data.train": folder / "train-pack", "data.val": folder / "t10k-pack", "data.coarse": folder / "coarse.csv"}
        for seed in range(1, options.seeds + 1):
            common = COMMON | data | {"run.seed": seed, "run.epochs": options.epochs}
            for name, own, features in (("grafit", GRAFIT, "projection"), ("classifier", CLASSIFIER, "head")):
                results[name].append(judged(options, folder, f"{name}-{seed}", common | own, features))
                print(f"seed {seed}, {name}: k-NN {results[name][-1][0]:.2f} %, mAP {results[name][-1][1]:.2f} %", flush=True)
    failed = False
    for i, what in enumerate(("k-NN", "mAP")):
        ours, theirs = ([result[i] for result in results[name]] for name in ("grafit", "classifier"))
        difference = statistics.mean(ours) - statistics.mean(theirs)
        error = (sum(statistics.variance(x) for x in (ours, theirs)) / options.seeds) ** 0.5 if options.seeds > 1 else 0
        print(f"{what}: Grafit {statistics.mean(ours):.2f} %, classifier {statistics.mean(theirs):.2f} %, {difference:.2f} apart, two "
              f"standard errors {2 * error:.2f}")
        failed = failed or difference <= 2 * error
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
