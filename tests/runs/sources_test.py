"""Data as people have them: folders, tars and packs train to the same bits; few labels, labels that a model gave, and the
way back out of a pack."""

import csv
import json
import shutil
import unittest

import harness

IMAGES = 400
CLASSES = 10


def settings_of(data):
    return harness.TINY_RUN | {"data.train": data, "run.steps": 8, "checkpoint.every": "0st"}


class SourcesTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.labels = harness.test_images(IMAGES)[1][8:]
        cls.photos = cls.folder / "photos"
        for number, label in enumerate(cls.labels):
            place = cls.photos / f"class{label}"
            place.mkdir(parents=True, exist_ok=True)
            harness.write_png(place / f"{number:04}.png", number)
        cls.pack = cls.folder / "pack"
        cls.vitrail("pack", "--source", f"folder:{cls.photos}", "--output", cls.pack, ranks=2)
        cls.tars, cls.again = cls.folder / "tars", cls.folder / "again"
        cls.vitrail("unpack", cls.pack, "--output", cls.tars, "--format", "wds")
        cls.vitrail("unpack", cls.pack, "--output", cls.again)

    def test_unpacked_files_are_those_that_were_packed(self):
        files = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.png")} for root in (self.photos, self.again)]
        self.assertEqual(len(files[0]), IMAGES)
        self.assertEqual(*files)
        self.assertIn("is there already", self.vitrail("unpack", self.pack, "--output", self.again, expect=78)[1])

    def test_without_a_pack_to_the_same_bits(self):
        runs = {name: self.folder / f"run-{name}" for name in ("pack", "folder", "wds")}
        said = {}
        for name, run in runs.items():
            data = {"pack": self.pack, "folder": f"folder:{self.photos}", "wds": f"wds:{self.tars}"}[name]
            said[name] = self.launch(run, None if name == "wds" else 2, settings_of(data))[1]
        hashes = self.hashes_of(*runs.values())
        self.assertEqual(hashes, hashes[:1] * 3)
        for name, run in runs.items():
            harness.check_same_metrics(self, run, runs["pack"])
            line = f"vitrail pack --source {name}:"
            self.assertEqual((run / "log.txt").read_text().count(line), 0 if name == "pack" else 1, said[name])

    def test_an_empty_file_is_replaced(self):
        """As a damaged one is: what a pack would quarantine does not end a run that reads it directly."""
        photos = self.folder / "with-an-empty-one"
        for label in range(2):
            (photos / f"class{label}").mkdir(parents=True)
            for number in range(20):
                harness.write_png(photos / f"class{label}" / f"{number:04}.png", number)
        (photos / "class0/0003.png").write_bytes(b"")
        run = self.folder / "empty"
        self.launch(run, 2, settings_of(f"folder:{photos}") | {"data.global_batch_size": 16})
        self.assertIn("replaced: ", (run / "log.txt").read_text())
        self.assertIn("0003.png", (run / "log.txt").read_text())

    def test_a_part_of_the_data_is_the_runs_identity(self):
        run = self.folder / "few"
        few = settings_of(self.pack) | {"data.subset": "10/class", "data.global_batch_size": 16}
        self.launch(run, 2, few)
        self.launch(self.folder / "few-1", None, few)
        self.check_same_state(self.folder / "few-1", run)
        changed = self.launch(run, None, few | {"data.subset_seed": 1, "run.steps": 10}, expect=78)[1]
        self.assertIn("data.subset_seed", changed)
        self.assertIn("data.subset", self.launch(run, None, few | {"data.subset": "1x"}, expect=2)[1])

    def test_labels_that_a_model_gave(self):
        run = self.folder / "teacher"
        self.launch(run, None, settings_of(self.pack))
        answers = json.loads(self.vitrail("predict", "--checkpoint", run, "--data", self.pack, "--format", "json", "--top", 1)[0])
        median = sorted(row["top"][0]["probability"] for row in answers)[IMAGES // 2]
        for least in (0, median):
            table = self.folder / f"labels-{least}.csv"
            self.vitrail("predict", "--checkpoint", run, "--data", self.pack, "--output", table, "--min-confidence", least)
            with open(table, newline="") as file:
                rows = list(csv.DictReader(file))
            expected = [
                (row["image"], str(row["top"][0]["class"]), row["top"][0]["name"])
                for row in answers if row["top"][0]["probability"] >= least
            ]  # fmt: skip
            self.assertEqual([(row["image"], row["label"], row["class"]) for row in rows], expected)
        self.assertLess(len(rows), IMAGES * 3 / 4)
        student = settings_of(self.pack) | {"data.labels": table}
        self.launch(self.folder / "student", 2, student)
        self.launch(self.folder / "student-1", None, student)
        self.check_same_state(self.folder / "student", self.folder / "student-1")
        # The same images and labels as a list of files.
        packed = self.folder / "listed"
        names = self.folder / "names"
        names.write_text("".join(f"class{label}\n" for label in range(CLASSES)))
        self.vitrail("pack", "--source", f"csv:{table},{self.photos}", "--class-names", names, "--output", packed)
        info = json.loads(self.vitrail("info", packed, "--format", "json")[0])
        self.assertEqual(info["images"], len(rows))
        shutil.rmtree(packed)


if __name__ == "__main__":
    unittest.main()
