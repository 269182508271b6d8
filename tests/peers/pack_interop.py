"""Opens a pack with h5py, h5dump and Pillow, none of which know of Vitrail, and compares it with its source.

    pack_interop.py PACK [--records N] [--without-source]

Checks the types and layout of every array, index.h5 against the shards, and of N records spread over the pack
(default 1000): CRC-32C, decoded size, and the bytes (folder:) or pixels (idx:) of the source they came from.
Exits 1 on the first difference. Needs numpy, h5py and Pillow; h5dump from HDF5's tools.
"""

import argparse
import gzip
import io
import json
import pathlib
import subprocess
import sys

import h5py
import numpy as np
from PIL import Image

SHARD = {"blob": "u1", "offset": "<u8", "label": "<u4", "crc32c": "<u4", "size": "<u2"}
INDEX = {"offset": "<u4", "label": "<u4", "crc32c": "<u4", "first": "<u8"}


def demand(holds, what):
    if not holds:
        sys.exit(f"pack_interop: {what}")


def make_crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ 0x82F63B78 if i & 1 else i >> 1
        table.append(i)
    return table


def crc32c(data, table=make_crc_table()):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def check_layout(file, arrays, path):
    for name, dtype in arrays.items():
        data = file[name]
        demand(data.dtype == np.dtype(dtype), f"{path}: /{name} is {data.dtype}, not {dtype}")
    for name, data in file.items():
        plain = data.chunks is None and data.compression is None and data.external is None
        demand(plain and data.id.get_create_plist().get_nfilters() == 0, f"{path}: /{name} is not contiguous")
    out = subprocess.run(["h5dump", "-H", str(path)], capture_output=True, text=True, check=False)
    demand(out.returncode == 0, f"{path}: h5dump -H: {out.stderr}")
    for name in arrays:
        demand(f'DATASET "{name}"' in out.stdout, f"{path}: h5dump does not show /{name}")


def idx(path):
    data = pathlib.Path(path).read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


class FolderSource:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.classes = sorted(p.name for p in self.folder.iterdir() if p.is_dir() and p.name[0] != ".")

    def check(self, key, label, record, image):
        demand(record == (self.folder / key).read_bytes(), f"{key}: not the bytes of the source")
        demand(self.classes[label] == key.split("/")[0], f"{key}: label {label}")


class IdxSource:
    def __init__(self, files):
        self.images, self.labels = (idx(path) for path in files.split(","))

    def check(self, key, label, record, image):
        grey = self.images[int(key)]
        demand(np.array_equal(np.asarray(image), np.stack([grey] * 3, axis=-1)), f"{key}: not the pixels of the source")
        demand(label == self.labels[int(key)], f"{key}: label {label}")


def open_source(text):
    kind, _, place = text.partition(":")
    return {"folder": FolderSource, "idx": IdxSource}[kind](place)


def check_record(shard, row, source):
    begin, end = (int(v) for v in shard["offset"][row : row + 2])
    record = shard["blob"][begin:end].tobytes()
    key = shard["key"][row].decode()
    demand(crc32c(record) == shard["crc32c"][row], f"{key}: CRC-32C")
    image = Image.open(io.BytesIO(record)).convert("RGB")
    demand((image.height, image.width) == tuple(shard["size"][row]), f"{key}: size {image.size}")
    if source:
        source.check(key, int(shard["label"][row]), record, image)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=pathlib.Path)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--without-source", action="store_true")
    args = parser.parse_args()
    manifest = json.loads((args.pack / "manifest.json").read_text())
    source = None if args.without_source else open_source(manifest["source"])
    total = manifest["images"]
    chosen = set(range(0, total, max(1, total // args.records)))
    keys, first, checked = set(), 0, 0
    with h5py.File(args.pack / manifest["index"]["file"]) as index:
        check_layout(index, INDEX, args.pack / "index.h5")
        for number, entry in enumerate(manifest["shards"]):
            path, n = args.pack / entry["file"], entry["images"]
            with h5py.File(path) as shard:
                check_layout(shard, SHARD, path)
                demand(h5py.check_string_dtype(shard["key"].dtype).length == manifest["key_bytes"], f"{path}: /key")
                address = shard["blob"].id.get_offset()
                demand((address or 0) == entry["blob"]["address"], f"{path}: /blob lies at {address}")
                demand(index["first"][number] == first, f"index.h5: /first[{number}]")
                for name, extra in (("offset", 1), ("label", 0), ("crc32c", 0)):
                    begin = first + (number if extra else 0)
                    same = np.array_equal(shard[name][:], index[name][begin : begin + n + extra])
                    demand(same, f"{path}: /{name} is not that of index.h5")
                keys.update(shard["key"][:].tolist())
                for row in range(n):
                    if first + row in chosen:
                        check_record(shard, row, source)
                        checked += 1
            first += n
    demand(first == total == len(keys), f"{first} images and {len(keys)} keys, {total} in the manifest")
    what = "not compared with the source" if source is None else f"equal to {manifest['source'].split(':')[0]} source"
    print(f"{args.pack}: {len(manifest['shards'])} shard(s) and index.h5 open in h5py {h5py.__version__} and h5dump; "
          f"{total} distinct keys; {checked} records: CRC-32C right, decoded by Pillow, {what}")


if __name__ == "__main__":
    main()
