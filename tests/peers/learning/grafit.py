"""Does Grafit tell apart what its labels do not? A small ViT on Fashion-MNIST with four coarse labels: Grafit, and a classifier of the
same labels; then accuracy of weighted k-NN and mean average precision of the ten classes on the test images.

    grafit.py VITRAIL [--images 10000] [--asked 2000] [--epochs 5] [--seeds 3] [--ranks 2]

Needs Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where Grafit is not two standard errors better in both.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

import vitrail_runs

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


def judged(options, folder, name, settings, features):
    vitrail_runs.train(options.vitrail, options.ranks, folder / name, settings)
    words = ("eval", "--checkpoint", folder / name, "--data", settings["data.val"], "--evaluate.features", features)
    found = json.loads(vitrail_runs.call(options.vitrail, *words, *JUDGED))
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
        data = vitrail_runs.pack(options.vitrail, folder, train=options.images, t10k=options.asked)
        (folder / "coarse.csv").write_text("".join(f"{label},{coarse}\n" for label, coarse in enumerate(COARSE)))
        data["data.coarse"] = folder / "coarse.csv"
        for seed in range(1, options.seeds + 1):
            common = COMMON | data | {"run.seed": seed, "run.epochs": options.epochs}
            for name, own, features in (("grafit", GRAFIT, "projection"), ("classifier", CLASSIFIER, "head")):
                results[name].append(judged(options, folder, f"{name}-{seed}", common | own, features))
                print(f"seed {seed}, {name}: k-NN {results[name][-1][0]:.2f} %, mAP {results[name][-1][1]:.2f} %", flush=True)
    failed = False
    for i, what in enumerate(("k-NN", "mAP")):
        ours, theirs = ([result[i] for result in results[name]] for name in ("grafit", "classifier"))
        difference, allowed = vitrail_runs.apart(ours, theirs)
        print(f"{what}: Grafit {statistics.mean(ours):.2f} %, classifier {statistics.mean(theirs):.2f} %, {difference:.2f} apart, two "
              f"standard errors {allowed:.2f}")
        failed = failed or difference <= allowed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
