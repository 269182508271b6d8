"""Fashion-MNIST as Debian packages it (dataset-fashion-mnist), or from VITRAIL_FASHION_MNIST."""

import gzip
import os
import pathlib


def fashion_mnist(part):
    """Bytes of the IDX files of `train` or `t10k`: images, labels."""
    folder = pathlib.Path(os.environ.get("VITRAIL_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    return [gzip.decompress((folder / f"{part}-{kind}-ubyte.gz").read_bytes()) for kind in ("images-idx3", "labels-idx1")]


def write_idx(folder, part, count):
    """The first images as IDX files, which Vitrail packs."""
    images, labels = fashion_mnist(part)
    head = count.to_bytes(4, "big")
    paths = folder / f"{part}-images", folder / f"{part}-labels"
    paths[0].write_bytes(images[:4] + head + images[8 : 16 + 784 * count])
    paths[1].write_bytes(labels[:4] + head + labels[8 : 8 + count])
    return f"idx:{paths[0]},{paths[1]}"
