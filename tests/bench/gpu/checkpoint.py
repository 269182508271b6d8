"""How long a checkpoint of ViT-H/14 with LAMB's state (7.6 GB) holds up training on a GPU, and how long it takes to be written.

    python3 tests/bench/gpu/checkpoint.py build/cuda [--json FILE]
"""

import pathlib
import re
import statistics

import row as rows


def main():
    row = rows.Row(__doc__)
    if row.starts("vitrail"):
        return
    steps, batch, pixels = (24, 32, 126) if row.on_gpu else (4, 2, 32)
    settings = {
        "run.steps": steps,
        "data.train": f"synthetic:{batch * steps},1000,{pixels}",
        "data.global_batch_size": batch,
        "data.workers": 12 if row.on_gpu else 1,
        "model.name": "vit_h14",
        "model.image_size": pixels,
        "model.drop_path": 0.5,
        "precision.compute": "fp16",
        "optimizer.name": "lamb",
        "checkpoint.every": f"{steps // 2}st",
    } | ({} if row.on_gpu else rows.NARROW)
    with rows.scratch() as folder:
        run = pathlib.Path(folder, "run")
        _, lines = row.train(run, settings)
        log = (run / "log.txt").read_text()
        waited = [float(seconds) for seconds in re.findall(r"training waited ([\d.]+) s", log)]
        size = sum(file.stat().st_size for file in (run / "checkpoints/latest").resolve().rglob("*") if file.is_file())
        row.tell(
            waited_s=waited, bytes=size, gb_per_s=[size / 1e9 / seconds for seconds in waited if seconds > 0],
            step_s=statistics.median(float(line["seconds"]) for line in lines if "seconds" in line),
        )
    if len(waited) != 2:
        raise SystemExit(f"{len(waited)} checkpoints, not 2:\n{log}")


if __name__ == "__main__":
    main()
