"""Vitrail as these comparisons call it, and how far two means are apart."""

import json
import statistics
import subprocess
import sys

from fashion_mnist import write_idx


def flags(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", value)]


def call(vitrail, *words):
    done = subprocess.run([str(word) for word in (vitrail, *words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(done.args)}: {done.stderr}")
    return done.stdout


def pack(vitrail, folder, **counts):
    """Packs of the first images of `train` and `t10k`, as settings."""
    for part, count in counts.items():
        call(vitrail, "pack", "--source", write_idx(folder, part, count), "--output", folder / part)
    return {"data.train": folder / "train", "data.val": folder / "t10k"}


def train(vitrail, ranks, folder, settings):
    """Top-1 in percent of the run's last evaluation; None: it made none."""
    call(vitrail, "launch", "-n", ranks, "--run.dir", folder, *flags(settings))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line["eval"]["top1"] for line in lines if "eval" in line]
    return evaluations[-1] if evaluations else None


def apart(ours, theirs):
    """Difference of two means over as many seeds each, and two of its standard errors."""
    error = (sum(statistics.variance(side) for side in (ours, theirs)) / len(ours)) ** 0.5 if len(ours) > 1 else 0.0
    return statistics.mean(ours) - statistics.mean(theirs), 2 * error
