"""The line of launcher/README.md that gives a run to Weights & Biases does so: without a network, every number of
metrics.jsonl is in what it leaves, read by the messages of its own package.

    wandb_interop.py VITRAIL   with wandb importable
"""

import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

from wandb.proto import wandb_internal_pb2

ROOT = pathlib.Path(__file__).resolve().parents[3]
TINY = {"model.name": "vit_xxs4", "model.image_size": 28, "model.classes": 10, "model.width": 32, "model.depth": 1, "model.heads": 2,
        "run.lanes": 4, "run.steps": 6, "data.global_batch_size": 32, "data.train": "synthetic:64,10,28", "data.val": "synthetic:32,10,28",
        "evaluate.every": "3st"}
BLOCK, HEADER, WHOLE, LAST = 32768, struct.Struct("<IHB"), 1, 4  # LevelDB's log: sum, length, kind
BEGINNING = 7


def records(path):
    data, at, parts = path.read_bytes(), BEGINNING, b""
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER.size:
            at += left
            continue
        _, length, kind = HEADER.unpack_from(data, at)
        at += HEADER.size
        parts, at = parts + data[at:at + length], at + length
        if kind in (WHOLE, LAST):
            yield wandb_internal_pb2.Record.FromString(parts)
            parts = b""


def documented_line():
    found = re.findall(r"^WANDB_MODE=offline .*$", (ROOT / "launcher/README.md").read_text(), flags=re.MULTILINE)
    if len(found) != 1:
        sys.exit(f"launcher/README.md has {len(found)} lines for wandb")
    return found[0]


def flattened(line):
    numbers = {}
    for name, value in line.items():
        numbers |= {f"{name}/{part}": number for part, number in value.items()} if isinstance(value, dict) else {name: value}
    return numbers


def main():
    vitrail = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        words = [word for key, value in TINY.items() for word in (f"--{key}", str(value))]
        subprocess.run([vitrail, "train", "--run.dir", "runs/first", *words], cwd=folder, check=True, capture_output=True)
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", documented_line()], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr)
        left, = folder.glob("wandb/offline-run-*/run-*.wandb")
        seen = {}
        for record in records(left):
            if record.WhichOneof("record_type") == "history":
                seen.setdefault(record.history.step.num, {}).update(
                    {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item})
        lines = [json.loads(line) for line in (folder / "runs/first/metrics.jsonl").read_text().splitlines()]
        expected = {}
        for line in lines:
            expected.setdefault(line["step"], {}).update(flattened(line))
        for step, numbers in expected.items():
            for name, value in numbers.items():
                if seen.get(step, {}).get(name) != value:
                    sys.exit(f"step {step}: {name} is {value}, wandb has {seen.get(step, {}).get(name)}")
    print(f"wandb: {len(lines)} lines of {len(expected)} steps, every number as it is in metrics.jsonl")


if __name__ == "__main__":
    main()
