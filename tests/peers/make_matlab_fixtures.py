"""Writes tests/fixtures/datasets/matlab: annotations as Flowers-102 and Cars publish them, by scipy.io.savemat, compressed
and not, and what scipy.io.loadmat reads from them again in expected.json.

    python3 tests/peers/make_matlab_fixtures.py

Needs scipy (1.17.1). Nothing in the files is of the data sets themselves; sizes, types and fields are as theirs: numbers of
one byte and of two, structs of numbers and texts (also of a cell and of a nested struct, which nobody asks for), cells of
texts of other alphabets, a text of one character, an empty one.
"""

import json
import pathlib

import numpy as np
from scipy.io import loadmat, savemat

OUTPUT = pathlib.Path(__file__).parents[1] / "fixtures" / "datasets" / "matlab"
NAMES = ["AM General Hummer SUV 2000", "Citroën Méhari 1968", "X", "比亚迪 秦 2012", "Ram C/V Cargo Van Minivan 2012"]


def cell(texts):
    values = np.empty((1, len(texts)), dtype=object)
    values[0, :] = texts
    return values


def structs(rows):
    values = np.empty((1, len(rows)), dtype=[(field, object) for field in rows[0]])
    for i, row in enumerate(rows):
        values[0, i] = tuple(row.values())
    return values


def box(i, kind):
    return {f"bbox_{side}": np.array([[kind(10 * i + k)]]) for k, side in enumerate(("x1", "y1", "x2", "y2"))}


def flowers(folder, compress):
    labels = np.array([[(7 * i) % 5 + 1 for i in range(300)]], dtype=np.uint8)
    order = np.random.default_rng(1).permutation(300).astype(np.uint16) + 1
    savemat(folder / "imagelabels.mat", {"labels": labels}, do_compression=compress)
    savemat(folder / "setid.mat", {"trnid": order[None, :50], "valid": order[None, 50:120], "tstid": order[None, 120:]},
            do_compression=compress)
    sets, labels = loadmat(folder / "setid.mat"), loadmat(folder / "imagelabels.mat")["labels"][0]
    return {split: [[f"image_{int(n):05}.jpg", int(labels[n - 1]) - 1] for n in sets[key][0]]
            for split, key in (("train", "trnid"), ("val", "valid"), ("test", "tstid"))}


def cars(folder, compress):
    expected = {}
    for split, name, kind in (("train", "cars_train_annos.mat", np.uint16),
                              ("test", "cars_test_annos_withlabels.mat", np.float64)):
        rows = [{**box(i, kind), "class": np.array([[kind(i % len(NAMES) + 1)]]), "fname": f"{i + 1:05}.jpg"} for i in range(40)]
        savemat(folder / name, {"annotations": structs(rows)}, do_compression=compress, long_field_names=split == "test")
        read = loadmat(folder / name)["annotations"][0]
        expected[split] = [[str(row["fname"][0]), int(row["class"][0, 0]) - 1] for row in read]
    savemat(folder / "cars_meta.mat", {"class_names": cell(NAMES)}, do_compression=compress)
    expected["classes"] = [str(name[0]) for name in loadmat(folder / "cars_meta.mat")["class_names"][0]]
    return expected


def all_in_one(folder, compress):
    """cars_annos.mat: structs and names in one file, and fields that are passed over."""
    rows = [{"relative_im_path": f"car_ims/{i:06}.jpg", **box(i, np.uint8), "class": np.array([[np.int32(i + 1)]]),
             "test": np.array([[np.uint8(i % 2)]]), "parts": cell(["wheel", "door"]), "origin": {"place": "x", "year": 2012},
             "note": "" if i == 1 else "n"} for i in range(3)]
    savemat(folder / "cars_annos.mat", {"annotations": structs(rows), "class_names": cell(NAMES)}, do_compression=compress)
    read = loadmat(folder / "cars_annos.mat")
    return {"paths": [str(row["relative_im_path"][0]) for row in read["annotations"][0]],
            "classes": [int(row["class"][0, 0]) for row in read["annotations"][0]],
            "notes": [str(row["note"][0]) if row["note"].size else "" for row in read["annotations"][0]],
            "class_names": [str(name[0]) for name in read["class_names"][0]]}


def main():
    expected = {}
    for kind in ("compressed", "plain"):
        folder = OUTPUT / kind
        folder.mkdir(parents=True, exist_ok=True)
        compress = kind == "compressed"
        expected[kind] = {"flowers102": flowers(folder, compress), "cars": cars(folder, compress),
                          "cars_annos": all_in_one(folder, compress)}
    (OUTPUT / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
