"""Do the other families learn as timm's do, or as their re-derivations where timm has none? A cut-down member of each on
Fashion-MNIST by one recipe, on two ranks here (one gives the same bits) and as two micro-batches there; mean accuracies on the
test images have to be within two standard errors of their difference. With three seeds chance alone takes one family of nine
beyond them: one that is there gets twice as many fresh seeds, which decide.

    families.py VITRAIL [FAMILY...] [--images 20000] [--asked 10000] [--epochs 2] [--seeds 3] [--ranks 2]

Both sides share settings, not draws. Batch norm sees a lane, which is a micro-batch of the other side. Needs torch, timm,
torchvision, numpy and Fashion-MNIST (VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 where the fresh seeds' means are apart,
too; the table is printed either way.
"""

import argparse
import pathlib
import random
import statistics
import sys
import tempfile

import torch
import vitrail_runs
from pictures import pictures
from timm.data import create_transform
from timm.models.convit import ConVit
from timm.models.xcit import Xcit
from timm.optim import param_groups_weight_decay
from timm.scheduler import CosineLRScheduler

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import derived  # noqa: E402
import make_family_fixtures as families  # noqa: E402

CLASSES, LANES, BATCH, WARMUP = 10, 2, 64, 100
LR, MIN_LR, DECAY, SMOOTHING, CLIP, MIN_AREA = 1e-3, 1e-5, 0.05, 0.1, 1.0, 0.3
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL = {"model.width": 64, "model.depth": 4}
FAMILIES = {  # name: image size, our changes to it, the peer
    "resnet18": (32, {}, lambda: families.named("resnet18", 32, CLASSES)),
    "regnety_040": (32, {}, lambda: families.named("regnety_040", 32, CLASSES)),
    "resnet50_attn": (32, {"model.layer_scale": 0.1},  # from 1e-6 two epochs teach neither side anything
                      lambda: derived.PooledResNet(families.RESNET["resnet50"], CLASSES, layer_scale=0.1)),
    "resmlp_s12": (28, SMALL | {"model.patch": 7}, lambda: families.resmlp(28, 7, 64, 4, CLASSES)),
    "patchconvnet_s20": (32, SMALL, lambda: derived.PatchConvNet(64, 4, CLASSES)),
    "xcit_t12_p8": (32, SMALL | {"model.heads": 2}, lambda: Xcit(
        img_size=32, patch_size=8, embed_dim=64, depth=4, num_heads=2, num_classes=CLASSES, eta=1.0, tokens_norm=True)),
    "convit_ti": (28, {"model.patch": 7}, lambda: ConVit(
        img_size=28, patch_size=7, embed_dim=48, num_heads=4, num_classes=CLASSES, local_up_to_layer=10)),
    "levit_128s": (64, {}, lambda: families.named("levit_128s", 64, CLASSES)),
    "vit_ti16_hmlp": (32, SMALL | {"model.heads": 2}, lambda: derived.hmlp_vit(32, 64, 4, 2, CLASSES)),
}  # fmt: skip


def settings(name, options, seed):
    size, changes, _ = FAMILIES[name]
    return {
        "run.seed": seed, "run.lanes": LANES, "run.epochs": options.epochs, "run.threads": 1, "data.global_batch_size": BATCH,
        "data.workers": 1, "model.name": name, "model.image_size": size, "model.classes": CLASSES, **changes,
        "augment.crop_min_area": MIN_AREA, "loss.name": "ce", "loss.smoothing": SMOOTHING,
        "optimizer.name": "adamw", "optimizer.lr": LR, "optimizer.weight_decay": DECAY, "optimizer.clip_norm": CLIP,
        "schedule.name": "cosine", "schedule.warmup": f"{WARMUP}st", "schedule.warmup_lr": 0, "schedule.min_lr": MIN_LR,
        "evaluate.every": "0ep", "evaluate.crop_ratio": 1, "checkpoint.every": "0st", "precision.compute": "fp32",
    }  # fmt: skip


def by_peer(options, name, seed):
    torch.manual_seed(seed)
    random.seed(seed)  # crops draw from it
    size, _, make = FAMILIES[name]
    train, labels = pictures("train", options.images)
    model = make()
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, DECAY, model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()), lr=LR)
    steps = len(train) // BATCH
    schedule = CosineLRScheduler(optimizer, t_initial=options.epochs * steps, lr_min=MIN_LR, warmup_t=WARMUP, warmup_lr_init=0, t_in_epochs=False)
    look = create_transform(
        size, is_training=True, scale=(MIN_AREA, 1), color_jitter=None, auto_augment=None, interpolation="bicubic", re_prob=0, mean=MEAN, std=STD)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    for epoch in range(options.epochs):
        order = torch.randperm(len(train))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            optimizer.zero_grad()
            schedule.step_update(epoch * steps + step)
            for lane in rows.chunk(LANES):
                images = torch.stack([look(train[row]) for row in lane])
                (criterion(model(images), labels[lane]) / LANES).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
    model.eval()
    asked, answers = pictures("t10k", options.asked)
    plain = create_transform(size, is_training=False, crop_pct=1.0, interpolation="bicubic", mean=MEAN, std=STD)
    hits = 0
    with torch.no_grad():
        for begin in range(0, len(asked), 500):
            images = torch.stack([plain(image) for image in asked[begin : begin + 500]])
            hits += int((model(images).argmax(1) == answers[begin : begin + 500]).sum())
    return 100 * hits / len(asked)


def by_both(options, folder, data, name, seeds):
    ours, theirs = [], []
    for seed in seeds:
        ours.append(vitrail_runs.train(options.vitrail, options.ranks, folder / f"{name}-{seed}", settings(name, options, seed) | data))
        theirs.append(by_peer(options, name, seed))
        print(f"{name}, seed {seed}: Vitrail {ours[-1]:.2f} %, the peer {theirs[-1]:.2f} %", flush=True)
    return ours, theirs


def row(name, ours, theirs):
    """A line of the table, and whether the means are apart."""
    apart, allowed = vitrail_runs.apart(ours, theirs)
    deviations = [statistics.stdev(side) if len(side) > 1 else 0 for side in (ours, theirs)]
    cells = [f"{statistics.mean(side):.2f} +- {d:.2f}" for side, d in zip((ours, theirs), deviations)]
    return f"| {name} | {len(ours)} | {cells[0]} | {cells[1]} | {apart:+.2f} | {allowed:.2f} |", abs(apart) > allowed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vitrail")
    parser.add_argument("family", nargs="*", choices=[*FAMILIES, []], default=[])
    for word, value in (("images", 20000), ("asked", 10000), ("epochs", 2), ("seeds", 3), ("ranks", LANES)):
        parser.add_argument(f"--{word}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(options.ranks)
    rows, failed = [], False
    with tempfile.TemporaryDirectory(prefix="vitrail-") as text:
        folder = pathlib.Path(text)
        data = vitrail_runs.pack(options.vitrail, folder, train=options.images, t10k=options.asked)
        for name in options.family or FAMILIES:
            line, is_apart = row(name, *by_both(options, folder, data, name, range(1, options.seeds + 1)))
            rows.append(line)
            if is_apart and options.seeds > 1:
                line, is_apart = row(name, *by_both(options, folder, data, name, range(options.seeds + 1, 3 * options.seeds + 1)))
                rows.append(line)
                failed = failed or is_apart
    print("| | seeds | Vitrail, % | the peer, % | apart | two standard errors |\n|---|---|---|---|---|---|", *rows, sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
