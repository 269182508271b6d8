"""AdamW's and LAMB's update of the 86 M parameters of ViT-B, ours against PyTorch's fused AdamW, timm's Lamb and a fused one
(tests/bench/optimizers.py): ms, and the bytes a second that ours moves.

    python3 tests/bench/gpu/updates.py build/cuda [--json FILE]
"""

import json
import pathlib
import subprocess
import sys

import row as rows

PARAMETERS, BYTES = 86e6, {"adamw": 28, "lamb": 44}  # that an update reads and writes of each parameter


def main():
    row = rows.Row(__doc__)
    peer = rows.timm_is_there()
    if row.starts("bench_optimizers"):
        return
    if not peer:
        sys.exit("the comparison needs timm")
    with rows.scratch() as folder:
        found = pathlib.Path(folder, "figures.json")
        found.write_text("{}")
        bench = pathlib.Path(__file__).resolve().parents[1] / "optimizers.py"
        words = [sys.executable, "-B", str(bench), str(row.program("bench_optimizers")), "--json", str(found)]
        words += ["--gpu"] if row.on_gpu else ["--rounds", "1", "--threads", "1"]
        subprocess.run(words, check=True)
        ((_, ms),) = json.loads(found.read_text())["updates_ms"].items()
    row.tell(ms=ms, gb_per_s={name: PARAMETERS * BYTES[name] / ms[f"{name} ours"] / 1e6 for name in BYTES})


if __name__ == "__main__":
    main()
