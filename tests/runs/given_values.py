"""Weights and images of a RegNetY that the test and the script that made its fixture (tests/peers) both make: fixtures need
not hold them. All are multiples of 2^-22, so fp32 holds them exactly."""

import array
import hashlib
import math

IMAGE_SIZE, CLASSES, BATCH, LANES, STEPS = 48, 10, 16, 4, 4
SETTINGS = {
    "optimizer.name": "sgd", "optimizer.lr": 0.02, "optimizer.momentum": 0.9, "optimizer.nesterov": "true",
    "optimizer.weight_decay": 0.01, "optimizer.clip_norm": 2.0, "loss.smoothing": 0.1,
}


def noise(name, count):
    """Multiples of 2^-15 in [-1, 1)."""
    return [value / 32768 for value in array.array("h", hashlib.shake_128(name.encode()).digest(2 * count))]


def weight(name, shape):
    """Every term of the network counts: He's scale, gains near 1, branches that are not 0."""
    values = noise(name, math.prod(shape))
    if name.endswith(("bn.weight", "running_var")):
        return array.array("f", (1 + value / 4 for value in values))
    if len(shape) == 1:
        return array.array("f", (value / 8 for value in values))
    scale = 2.0 ** round(math.log2(math.sqrt(6 / math.prod(shape[1:]))))
    return array.array("f", (value * scale for value in values))


def images():
    return [STEPS * BATCH, 3, IMAGE_SIZE, IMAGE_SIZE], array.array("f", noise("images", STEPS * BATCH * 3 * IMAGE_SIZE**2))


def labels():
    return [STEPS * BATCH], array.array("q", (7 * i % CLASSES for i in range(STEPS * BATCH)))


def digest(values):
    """What a fixture keeps of a tensor: mean, mean square, and up to eight of its elements."""
    count = len(values)
    return [math.fsum(values) / count, math.fsum(v * v for v in values) / count, *values[:: max(1, count // 7)][:8]]
