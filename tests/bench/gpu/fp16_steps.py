"""Twenty steps of a small ViT in fp16 from timm's weights, on the images and with the rules of tests/fixtures/trajectory: losses
against timm's in fp64, which the fixtures hold, and against timm's under torch.autocast with GradScaler on the same device.

    python3 tests/bench/gpu/fp16_steps.py build/cuda [--json FILE]
"""

import json
import pathlib
import subprocess
import sys

import row as rows

TESTS = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = TESTS / "fixtures/trajectory"
TOLERANCE = 2e-3  # relative, of a loss; with halves as storage on a processor they are 2e-4 off, timm's 5e-5
CLIPPING = {"adamw": ("clip_norm",), "lamb": ("clip_norm", "lamb_max_grad_norm")}


def ours(row, optimizer, rule):
    plain = {f"optimizer.{key}": rule[key] for key in ("lr", "beta1", "beta2", "eps", "weight_decay", *CLIPPING[optimizer])}
    model = {f"model.{key}": rule["model"][key] for key in rule["model"]}
    settings = plain | model | {
        "run.steps": 20,
        "data.train": f"tensor:{FIXTURES / 'data.safetensors'}",
        "data.order": "sequential",
        "data.global_batch_size": rule["batch"],
        "model.name": "vit_xxs4",
        "model.weights": FIXTURES / "initial.safetensors",
        "optimizer.name": optimizer,
        "loss.smoothing": rule["label_smoothing"],
        "schedule.name": "constant",
        "precision.compute": "fp16",
        "precision.loss_scale": 1024,
        "checkpoint.every": "0st",
    }
    with rows.scratch() as folder:
        _, lines = row.train(pathlib.Path(folder, "run"), settings)
        return [float(line["loss"]) for line in lines]


def timm_side(device, kind):
    """Prints its losses as JSON."""
    rows.timm_is_there()
    import make_trajectory_fixtures as made
    import torch
    from safetensors.torch import load_file

    data = {name: tensor.to(device) for name, tensor in load_file(FIXTURES / "data.safetensors").items()}
    model = made.make_model(load_file(FIXTURES / "initial.safetensors"), torch.float32).to(device)
    optimizer = made.make_optimizer(kind, model)
    scaler = torch.amp.GradScaler(device, init_scale=1024)
    losses = []
    for step in range(made.STEPS):
        batch = slice(step * made.BATCH, (step + 1) * made.BATCH)
        optimizer.zero_grad()
        with torch.autocast(device, torch.float16):
            logits = model(data["images"][batch])
            loss = torch.nn.functional.cross_entropy(logits, data["labels"][batch], label_smoothing=made.COMMON["label_smoothing"])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), made.OPTIMIZERS[kind]["clip_norm"])
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    print(json.dumps(losses))


def worst(losses, expected):
    return max(abs(a - b) / abs(b) for a, b in zip(losses, expected, strict=True))


def main():
    if sys.argv[1:2] == ["--timm"]:
        timm_side(*sys.argv[2:])
        return
    row = rows.Row(__doc__)
    sys.path.insert(0, str(TESTS / "runs"))
    import harness

    peer = rows.timm_is_there()
    if row.starts("vitrail"):
        return
    if not peer:
        sys.exit("the comparison needs timm")
    off = []
    for optimizer in CLIPPING:
        fixture, metadata = harness.read_safetensors(FIXTURES / f"{optimizer}.safetensors")
        rule = json.loads(metadata["settings"])
        mine = ours(row, optimizer, rule["optimizer"] | {"model": rule["model"]})
        exact = fixture["loss.fp64"][1]
        found = {"losses": mine, "worst_against_fp64": worst(mine, exact)}
        row.tell(**{optimizer: found})
        words = [sys.executable, "-B", __file__, "--timm", row.device, optimizer]
        theirs = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
        found |= {"worst_against_timm_fp16": worst(mine, theirs), "timm_fp16_against_fp64": worst(theirs, exact)}
        row.tell(**{optimizer: found})
        if not all(value <= TOLERANCE for key, value in found.items() if key.startswith("worst")):
            off.append(optimizer)
    if off:
        sys.exit(f"{', '.join(off)}: losses are off by more than {TOLERANCE}")


if __name__ == "__main__":
    main()
