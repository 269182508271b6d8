"""The same run on a GPU has the same bits: twice in a row, ViT-H/14 and CaiT-M at 224 px, published widths, some of the blocks, fp16,
LAMB, drop-path; and on 1, 2 and 4 ranks, which share a GPU where there are too few.

At 224 px ViT-H has 257 tokens, more than attention's backward takes at a time: that is where sums may come in any order.

    python3 tests/bench/gpu/same_bits.py build/cuda [--json FILE]
"""

import sys

import row as rows

STEPS = 3


def main():
    row = rows.Row(__doc__)
    if row.starts("vitrail"):
        return
    different = []
    batch = 32 if row.on_gpu else 4
    settings = {
        "run.steps": STEPS,
        "data.train": f"synthetic:{batch * STEPS},100,224",
        "data.global_batch_size": batch,
        "model.classes": 100,
        "model.drop_path": 0.4,
        "precision.compute": "fp16",
        "optimizer.name": "lamb",
        "checkpoint.every": "0st",
    }
    large = settings | {"model.depth": 4} if row.on_gpu else settings | rows.NARROW
    small = settings | rows.NARROW | {"model.name": "vit_s16", "run.lanes": 4}
    runs = {model: [(large | {"model.name": model}, None)] * 2 for model in ("vit_h14", "cait_m48")}
    runs["ranks"] = [(small, ranks) for ranks in (1, 2, 4)]
    for name, run in runs.items():
        hashes = [row.hash_of(own, ranks) for own, ranks in run]
        row.tell(**{name: {"hashes": hashes, "same": len(set(hashes)) == 1}})
        if len(set(hashes)) > 1:
            different.append(name)
    if different:
        sys.exit(f"{', '.join(different)}: runs differ")


if __name__ == "__main__":
    main()
