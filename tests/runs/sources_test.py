"""Data as people have them: folders, tars and packs train to the same bits; few labels, labels that a model gave, and the
way back out of a pack."""

import csv
import json
import shutil
import tarfile
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

    def test_images_of_tars_need_no_labels_to_be_predicted(self):
        """The same answers from tars with labels, without them, and from the pack; a table goes back to the images."""
        run = self.folder / "asked"
        self.launch(run, None, settings_of(self.pack))
        bare = self.folder / "bare.tar"
        with tarfile.open(bare, "w") as tar:
            for path in sorted(self.tars.glob("*.tar")):
                with tarfile.open(path) as labelled:
                    for member in labelled:
                        if member.name.endswith(".png"):
                            tar.addfile(member, labelled.extractfile(member))
        answers = [
            {row["image"]: row["top"] for row in json.loads(self.vitrail(
                "predict", "--checkpoint", run, "--data", data, "--format", "json", "--top", 3, ranks=ranks)[0])}
            for data, ranks in ((self.pack, None), (f"wds:{self.tars}", 2), (f"wds:{bare}", None))
        ]  # fmt: skip
        self.assertEqual(len(answers[0]), IMAGES)
        self.assertEqual(answers[1:], answers[:1] * 2)
        refused = self.vitrail("eval", "--checkpoint", run, "--data", f"wds:{bare}", expect=65)[1]
        self.assertIn(f"data.val = wds:{bare}: no image has a label", refused)
        missing = self.vitrail("predict", "--checkpoint", run, "--data", self.pack, "--output", self.folder / "no/x.csv", expect=74)
        self.assertIn("no/x.csv: No such file", missing[1])
        self.assertNotIn("images/s", missing[1])

    def test_formats_of_others_are_told_the_way(self):
        """By every command that takes images, and the setting that named them."""
        run = self.folder / "foreign-run"
        self.launch(run, None, settings_of(self.pack) | {"run.steps": 1})
        mds = self.folder / "mds"
        mds.mkdir()
        (mds / "index.json").write_text(json.dumps({"version": 2, "shards": [{"format": "mds"}]}))
        given = (
            ("train", "data.train = ", ["--data.train", mds, "--run.steps", 1, "--run.dir", self.folder / "none"]),
            ("eval", "data.val = ", ["--checkpoint", run, "--data", mds]),
            ("predict", "data.val = ", ["--checkpoint", run, "--data", f"folder:{mds}"]),
            ("features", "data.val = ", ["--checkpoint", run, "--data", mds, "--output", self.folder / "f.safetensors"]),
            ("attention", "data.val = ", ["--checkpoint", run, "--data", mds, "--output", self.folder / "a.png"]),
            ("preview", "--data ", ["--data", f"mds:{mds}", "--output", self.folder / "p.png"]),
            ("pack", "--source ", ["--source", mds, "--output", self.folder / "p"]),
        )
        for command, said, words in given:
            with self.subTest(command):
                told = self.vitrail(command, *words, expect=2)[1]
                self.assertRegex(told, f"{said}[a-z:]*{mds}: MosaicML")
                self.assertIn("webdataset.TarWriter", told)

    def test_what_a_source_leaves_out_is_said(self):
        twice = self.folder / "twice.tar"
        with tarfile.open(twice, "w") as tar:
            for path in sorted(self.tars.glob("*.tar")) * 2:
                with tarfile.open(path) as labelled:
                    for member in labelled:
                        tar.addfile(member, labelled.extractfile(member))
        run = self.folder / "left-out"
        self.launch(run, 2, settings_of(f"wds:{twice}"))
        log = (run / "log.txt").read_text()
        self.assertEqual(log.count(f"warning: {IMAGES} samples have the name of one before them in their tar"), 1)
        self.assertIn(f"data: wds:{twice} ({IMAGES} images)", log)
        self.assertIn("the run ends with the same bits unless images are damaged", log)

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
