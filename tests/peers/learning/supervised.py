"""Does Vitrail learn as PyTorch and timm do? The same small ViT on Fashion-MNIST by the same recipe, three seeds on each
side; mean accuracies on the 10,000 test images have to be within two standard errors of their difference.

    supervised.py VITRAIL [--seeds 3]

Both sides share settings, not draws: weights, order, crops, mixing and dropped paths are each side's own. One thread.
Needs torch, torchvision, timm, numpy and Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where the means
are apart, with the table of accuracies either way.
"""

import argparse
import pathlib
import random
import statistics
import sys
import tempfile

import numpy as np
import torch
import vitrail_runs
from pictures import pictures
from timm.data import Mixup, create_transform
from timm.layers import DropPath
from timm.loss import SoftTargetCrossEntropy
from timm.scheduler import CosineLRScheduler

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import networks  # noqa: E402
from make_trajectory_fixtures import decay_groups  # noqa: E402

SIZE = {"image_size": 28, "patch": 7, "width": 64, "depth": 4, "heads": 2, "classes": 10, "layer_scale": 0.1}
IMAGES, EPOCHS, BATCH, WARMUP = 20000, 4, 64, 100
LR, WARMUP_LR, MIN_LR, DECAY, CLIP = 2e-3, 1e-6, 1e-5, 0.05, 1.0
DROP_PATH, MIXUP, CUTMIX, SMOOTHING = 0.05, 0.2, 0.5, 0.1
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def settings(seed):
    return {
        "run.seed": seed, "run.lanes": 1, "run.epochs": EPOCHS, "run.threads": 1,
        "data.global_batch_size": BATCH,
        "model.name": "vit_xxs4", **{f"model.{key}": value for key, value in SIZE.items()}, "model.drop_path": DROP_PATH,
        "augment.crop": "rrc", "augment.flip": "true", "augment.mixup": MIXUP, "augment.cutmix": CUTMIX,
        "loss.name": "ce", "loss.smoothing": SMOOTHING,
        "optimizer.name": "adamw", "optimizer.lr": LR, "optimizer.weight_decay": DECAY, "optimizer.clip_norm": CLIP,
        "schedule.name": "cosine", "schedule.warmup": f"{WARMUP}st", "schedule.warmup_lr": WARMUP_LR, "schedule.min_lr": MIN_LR,
        "evaluate.every": "0ep", "evaluate.crop_ratio": 1, "checkpoint.every": "0st", "precision.compute": "fp32",
    }  # fmt: skip


def make_model():
    model = networks.vit(**SIZE)
    for block in model.blocks:  # DeiT III: one rate for all layers
        block.drop_path1, block.drop_path2 = DropPath(DROP_PATH), DropPath(DROP_PATH)
    return model


def by_timm(train, test, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)  # Mixup draws from it,
    random.seed(seed)  # and crops from this one
    model = make_model()
    optimizer = torch.optim.AdamW(decay_groups(model, DECAY), lr=LR)
    steps = len(train[0]) // BATCH
    schedule = CosineLRScheduler(optimizer, t_initial=EPOCHS * steps, lr_min=MIN_LR, warmup_t=WARMUP, warmup_lr_init=WARMUP_LR, t_in_epochs=False)
    look = create_transform(28, is_training=True, color_jitter=None, auto_augment=None, interpolation="bicubic", re_prob=0, mean=MEAN, std=STD)
    mix = Mixup(mixup_alpha=MIXUP, cutmix_alpha=CUTMIX, label_smoothing=SMOOTHING, num_classes=SIZE["classes"])
    criterion = SoftTargetCrossEntropy()
    step = 0
    for _ in range(EPOCHS):
        order = torch.randperm(len(train[0]))
        for begin in range(0, steps * BATCH, BATCH):
            rows = order[begin : begin + BATCH]
            images, targets = mix(torch.stack([look(train[0][row]) for row in rows]), train[1][rows])
            optimizer.zero_grad()
            schedule.step_update(step)
            criterion(model(images), targets).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            step += 1
    model.eval()
    plain = create_transform(28, is_training=False, crop_pct=1.0, interpolation="bicubic", mean=MEAN, std=STD)
    with torch.no_grad():
        hits = sum(
            int((model(torch.stack([plain(image) for image in test[0][begin : begin + 500]])).argmax(1) == test[1][begin : begin + 500]).sum())
            for begin in range(0, len(test[0]), 500)
        )
    return 100 * hits / len(test[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vitrail")
    parser.add_argument("--seeds", type=int, default=3)
    words = parser.parse_args()
    torch.set_num_threads(1)
    train, test = pictures("train", IMAGES), pictures("t10k", 10000)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = vitrail_runs.pack(words.vitrail, folder, train=IMAGES, t10k=10000)
        for seed in range(1, words.seeds + 1):
            ours.append(vitrail_runs.train(words.vitrail, 1, folder / f"run-{seed}", settings(seed) | data))
            theirs.append(by_timm(train, test, seed))
            print(f"seed {seed}: Vitrail {ours[-1]:.2f} %, PyTorch and timm {theirs[-1]:.2f} %", flush=True)
    for side, found in (("Vitrail", ours), ("PyTorch and timm", theirs)):
        print(f"{side}: {statistics.mean(found):.2f} % +- {statistics.stdev(found):.2f} over {words.seeds} seeds")
    difference, allowed = vitrail_runs.apart(ours, theirs)
    print(f"means {abs(difference):.2f} apart, two standard errors are {allowed:.2f}")
    return abs(difference) > allowed


if __name__ == "__main__":
    sys.exit(main())
