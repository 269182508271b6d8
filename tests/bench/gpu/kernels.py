"""What a training step asks of the GPU: kernels, copies, fills and waits, by CUDA's own count (libcount_kernels.so), and the time
that the kernels take.

Runs of few and of more steps: the difference is that of the steps between. What tests/bench/launches.cpp counts without a GPU is a part
of it.

    python3 tests/bench/gpu/kernels.py build/cuda [--json FILE]
"""

import json
import pathlib

import row as rows

FEW, MORE = 4, 12
CASES = {"vit_h14": (126, 64, 0.5), "cait_m48": (224, 32, 0.4)}


def counts(row, model, steps):
    pixels, batch, drop_path = CASES[model] if row.on_gpu else (32, 2, 0.4)
    settings = row.published_step(model, pixels, 100, batch, drop_path, steps)
    with rows.scratch() as folder:
        found = pathlib.Path(folder, "counts.json")
        run = pathlib.Path(folder, "run")
        if not row.on_gpu:  # nothing is there that could be counted
            return {"lines_of_metrics": len(row.train(run, settings)[1])}
        counter = {"CUDA_INJECTION64_PATH": str(row.program("libcount_kernels.so")), "VITRAIL_KERNEL_COUNTS": str(found)}
        row.train(run, settings, counter)
        return json.loads(found.read_text())


def main():
    row = rows.Row(__doc__)
    if row.starts("vitrail", "libcount_kernels.so"):
        return
    for model in CASES:
        few, more = counts(row, model, FEW), counts(row, model, MORE)
        row.tell(**{model: {f"{what}_a_step": (more[what] - few[what]) / (MORE - FEW) for what in few}})


if __name__ == "__main__":
    main()
