"""Packs of ImageNet's archives in miniature, held to what Python's tarfile reads in the same archives."""

import gzip
import io
import json
import os
import pathlib
import struct
import subprocess
import tarfile
import unittest

import harness

CLASSES, EACH = 5, 40
BAD = 6  # of the awkward files that make_archives puts among the images


def make_archives():
    """The program that makes them lies beside vitrail."""
    return pathlib.Path(os.environ.get("VITRAIL", harness.ROOT / "build/dev/vitrail")).parent / "make_archives"


def read_pack(pack):
    """{key: (label, bytes)} by the addresses that the manifest holds."""
    manifest = json.loads((pack / "manifest.json").read_text())
    index = (pack / "index.h5").read_bytes()

    def numbers(name, letter):
        entry = manifest["index"][name]
        size = struct.calcsize(letter)
        return struct.unpack_from(f"<{entry['bytes'] // size}{letter}", index, entry["address"])

    offsets, labels = numbers("offset", "I"), numbers("label", "I")
    found, image, column = {}, 0, 0
    for shard in manifest["shards"]:
        data = (pack / shard["file"]).read_bytes()
        for row in range(shard["images"]):
            begin, end = offsets[column + row], offsets[column + row + 1]
            at = shard["key"]["address"] + row * manifest["key_bytes"]
            key = data[at : at + manifest["key_bytes"]].rstrip(b"\0").decode()
            found[key] = (labels[image], data[shard["blob"]["address"] :][begin:end])
            image += 1
        column += shard["images"] + 1
    return found


def read_quarantine(pack):
    return {entry["key"] for entry in map(json.loads, (pack / "quarantine.jsonl").read_text().splitlines())}


def members(archive):
    """{name: bytes} of a tar, by its path or as a file."""
    place = {"fileobj": archive} if isinstance(archive, io.BytesIO) else {"name": archive}
    with tarfile.open(**place) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def tar_of_tars(path):
    """{WNID/NAME: (rank of the wnid, bytes)}"""
    archives = {pathlib.Path(name).stem: data for name, data in members(path).items()}
    files = {}
    for label, wnid in enumerate(sorted(archives)):
        for name, data in members(io.BytesIO(archives[wnid])).items():
            files[f"{wnid}/{name}"] = (label, data)
    return files


def contents(pack):
    return {path.name: path.read_bytes() for path in pack.iterdir()}


class ArchivesTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.archives = cls.folder / "archives"
        words = [make_archives(), cls.archives, CLASSES, EACH, 48, 36]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
        cls.train = tar_of_tars(cls.archives / "ILSVRC2012_img_train.tar")
        cls.devkit = cls.archives / "ILSVRC2012_devkit_t12.tar.gz"

    def pack(self, name, source, *words, ranks=None):
        output = self.folder / name
        self.vitrail("pack", "--source", source, "--output", output, "--shard-mib", 1, "--threads", 2, *words, ranks=ranks)
        self.vitrail("verify", output, "--decode")
        return output

    def check_against(self, pack, files):
        found, bad = read_pack(pack), read_quarantine(pack)
        self.assertEqual(len(bad), BAD)
        self.assertEqual(found.keys() | bad, files.keys())
        self.assertEqual(found, {key: files[key] for key in found})

    def test_train_at_one_and_three_ranks(self):
        source = f"imagenet-train:{self.archives}/ILSVRC2012_img_train.tar"
        one = self.pack("train-1", source)
        self.check_against(one, self.train)
        three = self.pack("train-3", source, ranks=3)
        self.assertEqual(contents(three), contents(one))
        info = json.loads(self.vitrail("info", one, "--format", "json")[0])
        self.assertEqual(sum(entry["images"] for entry in info["histogram"]), len(self.train) - BAD)
        self.assertEqual(len(info["histogram"]), CLASSES)

    def test_21k_in_its_three_forms(self):
        for name in ("fall11_whole.tar", "winter21_whole", "winter21_whole.tar.gz"):
            for ranks in (None, 3):
                with self.subTest(archive=name, ranks=ranks):
                    source = f"imagenet-21k:{self.archives}/{name}"
                    pack = self.pack(f"21k-{name}-{ranks}", source, "--validation", "hash:0", ranks=ranks)
                    self.check_against(pack, self.train)

    def test_21k_parts_miss_nothing(self):
        parts = []
        for split in ("train", "val"):
            source = f"imagenet-21k:{self.archives}/fall11_whole.tar"
            pack = self.pack(split, source, "--split", split, "--validation", "hash:0.2")
            parts.append(read_pack(pack).keys() | read_quarantine(pack))
        self.assertFalse(parts[0] & parts[1])
        self.assertEqual(parts[0] | parts[1], self.train.keys())
        self.assertGreater(len(parts[1]), 0)

    def test_validation_labels(self):
        path = self.archives / "ILSVRC2012_img_val.tar"
        pack = self.pack("val-1k", f"imagenet-val:{path}", "--split", "val", "--devkit", self.devkit)
        files = members(path)
        label_of = {data: label for label, data in self.train.values()}  # the same images under other names
        self.check_against(pack, {name: (label_of[data], data) for name, data in files.items()})
        ids = members(self.devkit)["ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"].split()
        by_id = {name: int(number) - 1 for name, number in zip(sorted(files), ids)}
        self.assertNotEqual(by_id, {name: label_of[files[name]] for name in files}, "ids would do as labels")

    def test_a_val_folder_makes_a_val_pack(self):
        """What the README's own commands are called; a flat folder with Kaggle's list gives the same labels."""
        val, flat = self.folder / "images/val", self.folder / "images/flat"
        flat.mkdir(parents=True)
        rows = ["ImageId,PredictionString"]
        for key, (_, data) in self.train.items():
            wnid, name = key.split("/")
            (val / wnid).mkdir(parents=True, exist_ok=True)
            (val / wnid / name).write_bytes(data)
            (flat / name).write_bytes(data)
            rows.append(f"{pathlib.Path(name).stem},{wnid} 115 49 448 294 ")
        (val / "__MACOSX").mkdir()
        output = self.folder / "mine-val"
        said = self.vitrail("pack", "--source", f"folder:{val}", "--output", output)[1]
        self.assertIn("warning: ", said)
        self.assertIn("left out, as no folders of classes: __MACOSX", said)
        self.assertIn("split val: ", said)
        self.assertEqual(json.loads((output / "manifest.json").read_text())["split"], "val")
        labels = {key.split("/")[1]: label for key, (label, _) in read_pack(output).items()}
        (self.folder / "LOC_val_solution.csv").write_text("\n".join(rows))
        source = f"flat:{flat},{self.folder}/LOC_val_solution.csv"
        pack = self.pack("flat-val", source)
        self.assertEqual({key: label for key, (label, _) in read_pack(pack).items()}, labels)
        self.assertEqual(len(labels), len(self.train) - BAD)
        other = self.vitrail("pack", "--source", f"folder:{val}", "--output", self.folder / "mine-train", expect=78)[1]
        self.assertIn("--split val", other)

    def test_hugging_faces_tars(self):
        data = self.folder / "data"
        data.mkdir()
        parts = [tarfile.open(data / f"train_images_{part}.tar.gz", "w:gz") for part in range(2)]
        for number, (key, (_, content)) in enumerate(sorted(self.train.items(), key=lambda item: item[1][1])):
            wnid, name = key.split("/")
            member = tarfile.TarInfo(f"{pathlib.Path(name).stem}_{wnid}.JPEG")
            member.size = len(content)
            parts[number % 2].addfile(member, io.BytesIO(content))
        for part in parts:
            part.close()
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                pack = self.pack(f"hf-{ranks}", f"imagenet-hf:{data}", ranks=ranks)
                self.assertEqual(sorted(read_pack(pack).values()), sorted(self.train[key] for key in self.accepted()))

    def accepted(self):
        pack = self.folder / "accepted"
        if not pack.exists():
            self.pack("accepted", f"imagenet-train:{self.archives}/ILSVRC2012_img_train.tar")
        return read_pack(pack).keys()

    def test_incomplete_archives(self):
        """Cut behind a member, with an empty tail, and two in one file: never a pack, and the byte where it stops."""
        whole = (self.archives / "ILSVRC2012_img_train.tar").read_bytes()
        with tarfile.open(self.archives / "ILSVRC2012_img_train.tar") as tar:
            member = tar.getmembers()[1]
        cut = member.offset_data + -(-member.size // 512) * 512
        cases = {
            "cut.tar": (whole[:cut], f"cut.tar: incomplete: it stops at byte {cut}, after {member.name}"),
            "tail.tar": (whole[:cut] + bytes(len(whole) - cut), f"tail.tar: incomplete: from byte {cut}, after"),
            "two.tar": (whole + whole, f"but more follows from byte {len(whole)} on"),
            "cut.tar.gz": (gzip.compress(whole[:cut], 1), f"cut.tar.gz: incomplete: it stops at byte {cut}"),
            "short.tar.gz": (gzip.compress(whole, 1)[:-100], "short.tar.gz: incomplete: the gzip stream stops at byte"),
            "trailing.tar.gz": (gzip.compress(whole, 1) + b"junk", "the gzip stream ends at byte"),
        }
        for name, (content, said) in cases.items():
            with self.subTest(archive=name):
                (self.folder / name).write_bytes(content)
                output = self.folder / f"pack-{name}"
                words = ("pack", "--source", f"imagenet-train:{self.folder / name}", "--output", output)
                self.assertIn(said, self.vitrail(*words, expect=65)[1])
                self.assertFalse((output / "manifest.json").exists())

    def test_refusals(self):
        val = f"imagenet-val:{self.archives}/ILSVRC2012_img_val.tar"
        for words, code, said in (
            (("--source", val), 78, "--devkit"),
            (("--source", f"folder:{self.archives}/winter21_whole", "--validation", "21k-p"), 78, "imagenet-21k"),
            (("--source", f"imagenet-21k:{self.archives}/fall11_whole.tar", "--validation", "half"), 2, "21k-p"),
            (("--source", f"imagenet-21k:{self.devkit}"), 65, "no nXXXXXXXX.tar inside"),
        ):
            with self.subTest(words=words):
                out = self.vitrail("pack", *words, "--output", self.folder / "refused", expect=code)[1]
                self.assertIn(said, out)


if __name__ == "__main__":
    unittest.main()
