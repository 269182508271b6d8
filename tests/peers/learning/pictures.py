"""Fashion-MNIST as timm's transforms take it."""

import functools

import numpy as np
import torch
from fashion_mnist import fashion_mnist
from PIL import Image


@functools.cache
def pictures(part, count):
    images, labels = fashion_mnist(part)
    grey = np.frombuffer(images, np.uint8, 784 * count, 16).reshape(count, 28, 28)
    return [Image.fromarray(g).convert("RGB") for g in grey], torch.from_numpy(np.frombuffer(labels, np.uint8, count, 8).astype(np.int64))
