"""Training on a damaged pack: refused at the start where a look suffices, else at the record, by the rank that reads it."""

import json
import shutil
import struct
import unittest

import faults
import harness
from faults import BAD_DATA

SHARD = "shard-00000-of-00001.h5"
FILES = ("manifest.json", "index.h5", SHARD)


class PacksTest(faults.FaultTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.make_pack("other", faults.IMAGES + 1)

    def copy(self, name="copy"):
        return shutil.copytree(self.pack, self.run_folder() / name, dirs_exist_ok=True)

    def check_refused(self, pack, *causes, **options):
        """Before the first step: there is no metrics file."""
        changes = {"data.train": pack}
        run = pack.with_name(f"{pack.name}-run")
        report = self.check_fails(BAD_DATA, *causes, run=run, changes=changes, **options)
        self.assertFalse((run / "metrics.jsonl").exists())
        return report

    def record_place(self, pack, image):
        """Offset of an image's bytes in its shard: by the addresses in the manifest, as the reader does."""
        manifest = json.loads((pack / "manifest.json").read_text())
        offsets = (pack / "index.h5").read_bytes()[manifest["index"]["offset"]["address"] :]
        return manifest["shards"][0]["blob"]["address"] + struct.unpack_from("<I", offsets, 4 * image)[0]

    def test_a_file_is_missing(self):
        for file in FILES:
            with self.subTest(file=file):
                pack = self.copy(f"without-{file}")
                (pack / file).unlink()
                self.check_refused(pack, pack, file, ranks=2 if file == SHARD else 1)

    def test_a_file_is_cut(self):
        for file in FILES:
            with self.subTest(file=file):
                pack = self.copy(f"cut-{file}")
                faults.cut(pack / file)
                self.check_refused(pack, pack / file, ranks=2 if file == FILES[0] else 1)

    def test_a_file_is_garbage(self):
        for file in FILES[:2]:
            with self.subTest(file=file):
                pack = self.copy(f"garbage-{file}")
                (pack / file).write_bytes(bytes(range(1, 256)) * ((pack / file).stat().st_size // 255 + 1))
                self.check_refused(pack, pack / file, ranks=1)

    def test_the_manifest_was_edited(self):
        pack = self.copy()
        text = (pack / "manifest.json").read_text()
        (pack / "manifest.json").write_text(text.replace('"images": 96', '"images": 95'))
        self.check_refused(pack, pack / "manifest.json", "edited", ranks=1)

    def test_files_of_another_pack(self):
        for file in FILES[1:]:
            with self.subTest(file=file):
                pack = self.copy(f"other-{file}")
                shutil.copyfile(self.other / file, pack / file)
                self.check_refused(pack, pack / file, "of another pack", ranks=1)

    def test_a_shard_of_another_pack_that_is_as_long(self):
        """No look at the start tells them apart; the first records do."""
        pack = self.copy()
        size = (pack / SHARD).stat().st_size
        (pack / SHARD).write_bytes((self.other / SHARD).read_bytes()[:size])
        report = self.check_fails(
            BAD_DATA, "step 1 ", pack / SHARD, "CRC-32C", "vitrail verify", changes={"data.train": pack}
        )
        self.assertRegex(report, "1 of 2 ranks failed(.|\n)*of 96 records are damaged, at most 1")

    def damaged_copy(self, name, *images):
        pack = self.copy(name)
        for image in images:
            faults.flip_a_bit(pack / SHARD, self.record_place(pack, image) + 60)
        return pack

    def test_damaged_records_of_a_run(self):
        """One of 96 is replaced, named once and remembered; a second one is too much. In file order image 38 belongs to
        steps 5 and 17, lane 3 of 4, image 75 to step 10: the second of two ranks reads both."""
        changes = {"data.order": "sequential", "run.steps": 2 * faults.STEPS}
        one, two = self.damaged_copy("one", 38), self.damaged_copy("two", 38, 75)
        undisturbed = self.run_folder() / "undisturbed"
        text = self.train(undisturbed, changes | {"data.train": one}, ranks=1)
        self.assertEqual(text.count("replaced: "), 1, text)
        self.assertIn(f"replaced: {one}: sample 38: {one / SHARD}: record 38 (", text)

        run = self.run_folder() / "run"
        report = self.check_fails(
            BAD_DATA, "step 10 ", "2 of 96 records are damaged, at most 1", f"{two / SHARD}: record 38 ", "CRC-32C",
            "vitrail verify", f"last checkpoint: {run}/checkpoints/step-00000009", run=run,
            changes=changes | {"data.train": two},
        )  # fmt: skip
        self.assertEqual(report.count("records are damaged"), 1)
        self.assertEqual((run / "log.txt").read_text().count("replaced: "), 2)

        # All is well again, but step 17 shows what it would have shown.
        shutil.copyfile(self.pack / SHARD, two / SHARD)
        text = self.train(run, changes | {"data.train": two}, ranks=4)
        self.assertNotIn("replaced: ", text)
        self.check_steps(run, 2 * faults.STEPS)
        self.check_same_state(run, undisturbed)
        orders = [[line["order_hash"] for line in harness.read_metrics(x)[0]] for x in (run, undisturbed)]
        self.assertEqual(*orders)

    def test_one_bit_of_a_record_to_evaluate_on(self):
        pack = self.copy()
        faults.flip_a_bit(pack / SHARD, self.record_place(pack, 38) + 60)
        run = self.run_folder() / "run"
        self.check_fails(
            BAD_DATA, "evaluation", f"{pack / SHARD}: record 38 ", run=run, changes={"data.val": pack, "evaluate.every": "6st"}
        )
        self.check_steps(run, 6)
        self.check_whole(run, [3])

    def test_there_is_no_pack(self):
        empty = self.run_folder() / "empty"
        empty.mkdir(parents=True)
        self.check_refused(empty, empty, "manifest.json", "vitrail pack", ranks=1)
        self.check_fails(faults.USAGE, "/nowhere", "no such folder", changes={"data.train": "/nowhere"}, ranks=1)


if __name__ == "__main__":
    unittest.main()
