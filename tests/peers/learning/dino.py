"""Does DINO learn what labels would say? A small XCiT on Fashion-MNIST without its labels, each picture somewhere on a black
square, as things stand in photographs; then the accuracy of weighted k-NN (20 neighbours, temperature 0.07) on the test images by
its teacher's features, the mean over patches, where the labels of some images are known. Beside it that of the network as it
began and of the pixels themselves.

    dino.py VITRAIL [--images 60000] [--known 600 10000] [--asked 10000] [--epochs 5] [--side 40] [--seeds 3] [--ranks 2]

Where nothing moves (--side 28), pixels of a set so well aligned are hard to beat. Needs numpy and Fashion-MNIST
(VITRAIL_FASHION_MNIST, or Debian's folder). Exits 1 unless DINO is above both with every seed, by the fewest known labels.
"""

import argparse
import functools
import json
import pathlib
import statistics
import sys
import tempfile

import numpy as np
import vitrail_runs
from fashion_mnist import fashion_mnist

NEIGHBOURS, TEMPERATURE, CLASSES, PIXELS = 20, 0.07, 10, 28
SETTINGS = {
    "task.name": "dino", "run.lanes": 2, "data.global_batch_size": 64, "data.workers": 1,
    "model.name": "xcit_t12_p8", "model.width": 96, "model.depth": 4, "model.heads": 3,
    "dino.global_min_area": 0.3, "dino.local_views": 3, "dino.local_size": 16, "dino.local_min_area": 0.08,
    "dino.local_max_area": 0.3, "dino.outputs": 512, "dino.hidden": 256, "dino.bottleneck": 64, "dino.batch_norm": "true",
    "dino.teacher_temperature": 0.04, "dino.momentum": 0.98,
    "optimizer.name": "adamw", "optimizer.lr": 1.5e-3, "optimizer.weight_decay": 0.04, "optimizer.clip_tensor": 3,
    "optimizer.decay_tokens": "true", "schedule.weight_decay_end": 0.4,
}
WARM_UP = {
    "schedule.warmup": "1ep", "schedule.warmup_lr": 0, "schedule.warmup_to_peak": "true", "schedule.warmup_prefix": "true",
    "schedule.min_lr": 1e-5,
}
STILL = {"run.steps": 1, "optimizer.lr": 1e-12, "schedule.warmup": "0st", "schedule.min_lr": 0, "dino.momentum": 1}
JUDGED = {
    "evaluate.protocol": "knn", "evaluate.neighbours": NEIGHBOURS, "evaluate.temperature": TEMPERATURE,
    "evaluate.features": "mean", "evaluate.weights": "ema", "format": "json",
}


@functools.cache
def displaced(part, side):
    """Pictures at random places of black squares, [N,side,side]; labels."""
    images, labels = (np.frombuffer(data, np.uint8, offset=offset) for data, offset in zip(fashion_mnist(part), (16, 8)))
    squares = np.zeros((len(labels), side, side), np.uint8)
    places = np.random.default_rng({"train": 1, "t10k": 2}[part]).integers(0, side - PIXELS + 1, (len(labels), 2))
    for square, picture, (y, x) in zip(squares, images.reshape(-1, PIXELS, PIXELS), places):
        square[y : y + PIXELS, x : x + PIXELS] = picture
    return squares, labels


def pack(options, folder, name, part, count):
    """The first images as a pack."""
    for kind, magic, values in zip(("images", "labels"), (2051, 2049), displaced(part, options.side)):
        values = values[:count]
        head = np.array([magic, *values.shape], ">u4").tobytes()
        (folder / f"{name}-{kind}").write_bytes(head + values.tobytes())
    source = f"idx:{folder / f'{name}-images'},{folder / f'{name}-labels'}"
    vitrail_runs.call(options.vitrail, "pack", "--source", source, "--output", folder / name)
    return folder / name


def by_pixels(options, known):
    """Percent right."""
    rows, labels = displaced("train", options.side)
    asked, answers = displaced("t10k", options.side)
    centre = rows[:known].mean(0, dtype=np.float32)  # as the network's input is centred

    def unit(images):
        images = (images - centre).reshape(len(images), -1)
        return images / np.linalg.norm(images, axis=1, keepdims=True)

    own, right = unit(rows[:known]), 0
    for first in range(0, options.asked, 500):
        cosines = unit(asked[first : min(first + 500, options.asked)]) @ own.T
        nearest = np.argpartition(-cosines, NEIGHBOURS, 1)[:, :NEIGHBOURS]
        weights = np.exp(np.take_along_axis(cosines, nearest, 1) / TEMPERATURE)
        votes = np.zeros((len(cosines), CLASSES))
        for k in range(NEIGHBOURS):
            np.add.at(votes, (np.arange(len(cosines)), labels[nearest[:, k]]), weights[:, k])
        right += (votes.argmax(1) == answers[first : first + len(cosines)]).sum()
    return 100 * right / options.asked


def by_features(options, run, known, asked):
    words = vitrail_runs.flags(JUDGED | {"checkpoint": run, "data": asked, "evaluate.known": known})
    return json.loads(vitrail_runs.call(options.vitrail, "eval", *words))["top1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vitrail")
    parser.add_argument("--known", type=int, nargs="+", default=[600, 10000])
    for word, value in (("images", 60000), ("asked", 10000), ("epochs", 5), ("side", 40), ("seeds", 3), ("ranks", 2)):
        parser.add_argument(f"--{word}", type=int, default=value)
    options = parser.parse_args()
    began, learned = {}, {}
    with tempfile.TemporaryDirectory(prefix="vitrail-") as text:
        folder = pathlib.Path(text)
        train = pack(options, folder, "train", "train", options.images)
        asked = pack(options, folder, "asked", "t10k", options.asked)
        known = {count: pack(options, folder, f"known-{count}", "train", count) for count in sorted(options.known)}
        for seed in range(1, options.seeds + 1):
            settings = SETTINGS | {"data.train": train, "model.image_size": options.side, "run.seed": seed}
            for name, own, found in (("began", STILL, began), ("learned", WARM_UP | {"run.epochs": options.epochs}, learned)):
                run = folder / f"{name}-{seed}"
                vitrail_runs.train(options.vitrail, options.ranks, run, settings | own)
                for count, source in known.items():
                    found.setdefault(count, []).append(by_features(options, run, source, asked))
            print(f"seed {seed}:", *(f"{count} labels known: as it began {began[count][-1]:.2f} %, DINO {learned[count][-1]:.2f} %;"
                                     for count in known), flush=True)  # fmt: skip
    print("| labels known | pixels, % | as it began, % | DINO, % |\n|---|---|---|---|")
    pixels = {count: by_pixels(options, count) for count in known}
    for count in known:
        print(f"| {count} | {pixels[count]:.2f} | {statistics.mean(began[count]):.2f} | {statistics.mean(learned[count]):.2f} |")
    fewest = min(known)
    sys.exit(any(now <= max(before, pixels[fewest]) for now, before in zip(learned[fewest], began[fewest])))


if __name__ == "__main__":
    main()
