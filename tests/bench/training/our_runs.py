"""Runs of Vitrail whose steps are timed beside another program's, and images that nobody has to decode."""

import array
import json
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile


def words(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", str(value))]


def seconds_of_steps(program, command, settings):
    """`command` is how the program is called: train, or launch -n N, and configs."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [program, *map(str, command), *words(settings | {"run.dir": folder, "checkpoint.every": "0st"})],
            capture_output=True, text=True)  # fmt: skip
        if result.returncode != 0:
            sys.exit(f"vitrail: {result.stderr}")
        lines = (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [line["seconds"] for line in map(json.loads, lines) if "seconds" in line]


def write_noise(path, count, size):
    """A safetensors file of `count` times the same noise, with labels."""
    noise = array.array("f", (random.gauss(0, 1) for _ in range(3 * size * size))).tobytes()
    labels = array.array("q", (i % 1000 for i in range(count))).tobytes()
    end = count * len(noise)
    header = json.dumps({
        "images": {"dtype": "F32", "shape": [count, 3, size, size], "data_offsets": [0, end]},
        "labels": {"dtype": "I64", "shape": [count], "data_offsets": [end, end + len(labels)]},
    }).encode()  # fmt: skip
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for _ in range(count):
            file.write(noise)
        file.write(labels)


def print_ratio(settings, peer, ours, theirs):
    """The table of both sides' medians; `settings` are the columns before them."""
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    columns = settings | {"ours s": f"{ours:.3f}", f"{peer} s": f"{theirs:.3f}", "theirs / ours": f"{theirs / ours:.2f}"}
    print(f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", f"| {' | '.join(map(str, columns.values()))} |", sep="\n")
