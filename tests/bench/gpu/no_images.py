"""Branches that stochastic depth leaves without an image: two images, 9 of 10 dropped, so that most branches have none.

Losses on the GPU against those of this machine's processor, same weights, images and draws, halves on both sides.

    python3 tests/bench/gpu/no_images.py build/cuda [--json FILE]
"""

import pathlib
import sys

import row as rows

STEPS = 4
TOLERANCE = 1e-2  # relative; losses of 4.6 that halves were rounded on the way to


def losses(row, model, device):
    settings = rows.NARROW | {
        "run.device": device,
        "run.steps": STEPS,
        "data.train": f"synthetic:{2 * STEPS},100,224",
        "data.global_batch_size": 2,
        "model.name": model,
        "model.classes": 100,
        "model.depth": 8,
        "model.drop_path": 0.9,
        "precision.compute": "fp16",
        "optimizer.name": "lamb",
        "checkpoint.every": "0st",
    }
    with rows.scratch() as folder:
        _, lines = row.train(pathlib.Path(folder, "run"), settings)
        return [float(line["loss"]) for line in lines]


def main():
    row = rows.Row(__doc__)
    if row.starts("vitrail"):
        return
    off = []
    for model in ("vit_h14", "cait_m48"):
        here, expected = losses(row, model, row.device), losses(row, model, "cpu")
        worst = max(abs(a - b) / abs(b) for a, b in zip(here, expected))
        row.tell(**{model: {"losses": here, "losses_on_cpu": expected, "worst": worst}})
        if len(here) != STEPS or not worst <= TOLERANCE:
            off.append(model)
    if off:
        sys.exit(f"{', '.join(off)}: losses are off by more than {TOLERANCE}")


if __name__ == "__main__":
    main()
