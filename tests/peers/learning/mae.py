"""Is MAE worth its epochs where labels are few? A small ViT on Fashion-MNIST: pre-trained by MAE on images without labels, then
fine-tuned on 1 % of the labels; beside it the same network with the same labels, epochs and rates from scratch. Test accuracy.

    mae.py VITRAIL [--images 60000] [--epochs 20] [--tuning 200] [--seeds 3] [--ranks 2]

Needs Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where the means over seeds are not two standard errors
apart.
"""

import argparse
import functools
import pathlib
import statistics
import sys
import tempfile

import vitrail_runs

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
        data = vitrail_runs.pack(options.vitrail, folder, train=options.images, t10k=10000)
        images = {"data.train": data["data.train"]}
        train = functools.partial(vitrail_runs.train, options.vitrail, options.ranks)
        for seed in range(1, options.seeds + 1):
            pretrained = folder / f"mae-{seed}"
            train(pretrained, PRETRAINING | images | {"run.seed": seed, "run.epochs": options.epochs})
            tuning = TUNING | data | {"run.seed": seed, "run.epochs": options.tuning, "data.subset_seed": seed}
            found["scratch"].append(train(folder / f"scratch-{seed}", tuning))
            found["mae"].append(train(folder / f"tuned-{seed}", tuning | {"model.weights": pretrained}))
            print(f"seed {seed}: from scratch {found['scratch'][-1]:.2f} %, after MAE {found['mae'][-1]:.2f} %", flush=True)
    if options.seeds < 2:
        return
    difference, allowed = vitrail_runs.apart(found["mae"], found["scratch"])
    means = {name: statistics.mean(values) for name, values in found.items()}
    print(f"from scratch {means['scratch']:.2f} %, after MAE {means['mae']:.2f} %; two standard errors {allowed:.2f}")
    sys.exit(0 if difference > allowed else 1)


if __name__ == "__main__":
    main()
