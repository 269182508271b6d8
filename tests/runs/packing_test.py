"""Packs: the same bytes however they are made, whole after any interruption, and one changed byte is found."""

import bisect
import json
import os
import random
import shutil
import struct
import subprocess
import time
import unittest

import harness

IMAGES = 10000
SHARDS = 8  # of 1 MiB of pixels each
KILLS = 4  # of one pack, before it is completed
FLIPS = 40


def contents(pack):
    return {str(path.relative_to(pack)): path.read_bytes() for path in pack.rglob("*") if path.is_file()}


class PackingTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = cls.make_idx("source", IMAGES)
        cls.pack = cls.folder / "pack"
        cls.vitrail(*cls.command(cls.pack))
        cls.files = contents(cls.pack)
        cls.manifest = json.loads(cls.files["manifest.json"])

    @classmethod
    def command(cls, output):
        return ("pack", "--source", cls.source, "--output", output, "--shard-mib", 1, "--threads", 1)

    def setUp(self):
        # VITRAIL_TEST_SEED=N tries other moments and places; each test draws its own, also when it runs alone.
        self.random = random.Random(f"{os.environ.get('VITRAIL_TEST_SEED', '1')} {self.id()}")

    def check_same(self, pack):
        made = contents(pack)
        self.assertEqual(sorted(made), sorted(self.files))
        self.assertEqual([name for name in made if made[name] != self.files[name]], [])

    def test_what_is_compared(self):
        shards = [name for name in self.files if name.startswith("shard-")]
        self.assertEqual(len(shards), SHARDS)
        self.assertEqual(sorted({*self.files} - {*shards}), ["index.h5", "manifest.json", "quarantine.jsonl"])
        self.assertEqual(sum(shard["images"] for shard in self.manifest["shards"]), IMAGES)

    def test_same_bytes_again(self):
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                pack = self.folder / f"again-{ranks}"
                self.vitrail(*self.command(pack), ranks=ranks)
                self.check_same(pack)
        pack = self.folder / "again-threads"
        self.vitrail(*self.command(pack)[:-1], 4)
        self.check_same(pack)

    def test_other_content_gives_other_bytes(self):
        fewer = self.make_pack("fewer", IMAGES - 1)
        self.assertNotEqual(contents(fewer)["index.h5"], self.files["index.h5"])
        other = self.folder / "other-split"
        self.vitrail(*self.command(other), "--split", "val")
        self.assertEqual(json.loads(self.vitrail("info", other, "--format", "json")[0])["split"], "val")
        self.assertIn("choose another output folder", self.read_error(*self.command(other), expect=78))

    def finished_shards(self, pack):
        """What an interrupted pack promises to keep: {shard: (inode, time of its last change)}."""
        shards = (pack / path.stem for path in pack.glob("unfinished/shard-*.h5.json"))
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in shards}

    def kill_while_packing(self, pack, ranks, finished):
        job = self.start(*self.command(pack), ranks=ranks)
        job.wait_for(lambda: len(self.finished_shards(pack)) >= finished, f"{finished} finished shards")
        time.sleep(self.random.uniform(0, 0.05))
        job.kill()
        self.assertFalse((pack / "manifest.json").exists(), "the kill came after the end")
        print(f"{pack.name}: killed with {len(self.finished_shards(pack))} of {SHARDS} shards finished")

    def test_killed_and_completed(self):
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                pack = self.folder / f"killed-{ranks}"
                for least in sorted(self.random.sample(range(SHARDS - 2), KILLS)):
                    self.kill_while_packing(pack, ranks, least)
                self.assertIn(f"{pack}/manifest.json", self.read_error("verify", pack, expect=65))
                kept = self.finished_shards(pack)
                self.assertGreater(len(kept), 0)
                self.vitrail(*self.command(pack), ranks=ranks)
                self.check_same(pack)
                for name, state in kept.items():
                    found = (pack / name).stat()
                    self.assertEqual((found.st_ino, found.st_mtime_ns), state, f"{name} was packed again")

    def test_finished_pack_is_left_alone(self):
        before = {path: path.stat().st_mtime_ns for path in self.pack.iterdir()}
        self.assertIn("already complete", self.read_error(*self.command(self.pack)))
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.pack.iterdir()}, before)

    def read_error(self, *words, expect=0):
        return self.vitrail(*words, expect=expect)[1]

    def place_of(self, name, position):
        """The record of a shard that this byte belongs to, from the manifest and index.h5's raw arrays; or None."""
        images, columns = 0, 0
        for entry in self.manifest["shards"]:
            if entry["file"] != name:
                columns += entry["images"] + 1
                continue
            inside = position - entry["blob"]["address"]
            if not 0 <= inside < entry["blob"]["bytes"]:
                return None
            address = self.manifest["index"]["offset"]["address"] + 4 * columns
            offsets = struct.unpack_from(f"<{entry['images'] + 1}I", self.files["index.h5"], address)
            return bisect.bisect_right(offsets, inside) - 1
        return None

    def test_one_changed_byte_is_found(self):
        damaged = self.folder / "damaged"
        shutil.copytree(self.pack, damaged)
        self.assertIn("good", self.read_error("verify", damaged))
        names = [name for name in self.files if self.files[name]]
        records = 0
        for number in range(FLIPS):
            name = names[number % len(names)]
            position = self.random.randrange(len(self.files[name]))
            flipped = bytearray(self.files[name])
            flipped[position] ^= 1 << self.random.randrange(8)
            (damaged / name).write_bytes(flipped)
            record = self.place_of(name, position)
            with self.subTest(file=name, position=position, record=record):
                said = self.read_error("verify", damaged, expect=65)
                self.assertIn(f"{damaged}/{name}: ", said)
                if record is not None:
                    self.assertIn(f"{name}: record {record} (", said)
                    records += 1
            (damaged / name).write_bytes(self.files[name])
        self.assertGreater(records, FLIPS // 2)
        self.assertIn("good", self.read_error("verify", damaged))
        print(f"{FLIPS} changed bytes found, {records} of them in records")

    def test_info(self):
        info = json.loads(self.vitrail("info", self.pack, "--format", "json")[0])
        self.assertEqual((info["images"], info["classes"], info["shards"]), (IMAGES, 10, SHARDS))
        self.assertEqual(info["bytes"], sum(map(len, self.files.values())) - len(self.files["manifest.json"]))

    def test_h5dump_opens_it(self):
        for name, arrays in ("index.h5", ("offset", "label", "crc32c")), (
            f"shard-00000-of-{SHARDS:05}.h5",
            ("blob", "offset", "label", "crc32c", "size", "key"),
        ):
            shown = subprocess.run(["h5dump", "-H", self.pack / name], capture_output=True, text=True, check=True).stdout
            for array in arrays:
                self.assertIn(f'DATASET "{array}"', shown)


if __name__ == "__main__":
    unittest.main()
