"""Writes tests/fixtures/datasets/hue.safetensors: torchvision's adjust_hue of 4,096 colours and a smooth picture, by which
self-supervised views turn colours (tests/unit/datasets/loader/image_operations_test.cpp).

source.I u8 [H,W,3]; cases f64 [n,2]: source, turn; result.K u8.
"""

import pathlib

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image
from safetensors.numpy import save_file

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "datasets"
TURNS = (-0.5, -0.1, -0.0371, -0.002, 0.0, 0.0039, 0.05, 0.1, 0.31, 0.5)


def main():
    levels = np.array([0, 1, 2, 17, 34, 51, 84, 100, 127, 128, 153, 170, 204, 238, 254, 255], np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(64, 64, 3)
    y, x = np.mgrid[0:23, 0:31]
    smooth = np.stack([x * 8, y * 11, (x * y) % 256], -1).astype(np.uint8)
    sources = [cube, smooth]
    tensors = {f"source.{i}": pixels for i, pixels in enumerate(sources)}
    cases = [(source, turn) for source in range(len(sources)) for turn in TURNS]
    for k, (source, turn) in enumerate(cases):
        tensors[f"result.{k}"] = np.asarray(F.adjust_hue(Image.fromarray(sources[source]), turn)).copy()
    tensors["cases"] = np.array(cases, np.float64)
    path = FIXTURES / "hue.safetensors"
    save_file(tensors, path)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
