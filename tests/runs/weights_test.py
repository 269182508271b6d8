"""Weights in and out: predict, export, import, and what a new image size or number of classes changes.

Logits are compared with timm's, which tests/peers/make_model_fixtures.py wrote.
"""

import array
import json
import math
import os
import unittest

import harness

FIXTURE = harness.FIXTURES / "models/vit.safetensors"
MODEL = {  # the network of the fixture
    "model.name": "vit_xxs4",
    "model.image_size": 14,
    "model.classes": 5,
    "model.width": 24,
    "model.depth": 2,
    "model.heads": 3,
}


class WeightsTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tensors = harness.read_safetensors(FIXTURE)[0]
        cls.weights = cls.folder / "weights.safetensors"
        prefix = "weights."
        weights = {name.removeprefix(prefix): tensor for name, tensor in cls.tensors.items() if name.startswith(prefix)}
        harness.write_safetensors(cls.weights, weights)
        cls.images = cls.folder / "images.safetensors"
        harness.write_safetensors(cls.images, {"images": cls.tensors["images"]})
        cls.pack = cls.make_pack("pack", 48)

    def predict(self, *words, expect=0, ranks=None):
        return self.vitrail("predict", *words, expect=expect, ranks=ranks)

    def test_logits_are_timms(self):
        wanted_shape, wanted = self.tensors["eval.logits"]
        for compute, code, bound in (("fp32", "f", 1e-5), ("fp64", "d", 1e-5)):
            with self.subTest(compute=compute):
                output = self.folder / f"logits-{compute}.safetensors"
                settings = MODEL | {"model.weights": self.weights, "precision.compute": compute}
                flags = harness.flags(settings | {"data": f"tensor:{self.images}", "output": output, "evaluate.batch_size": 3})
                self.assertEqual(self.predict(*flags)[0], "")
                shape, logits = harness.read_safetensors(output)[0]["logits"]
                self.assertEqual((shape, logits.typecode), (wanted_shape, code))
                worst = max(abs(a - b) for a, b in zip(logits, wanted))
                self.assertLess(worst, bound)
                self.assertGreater(max(map(abs, wanted)), 0.1)

    def trained(self, name, changes=None):
        run = self.folder / name
        settings = harness.TINY_RUN | {"run.steps": 8, "data.train": self.pack, "checkpoint.every": "0st"}
        text = self.launch(run, None, settings | (changes or {}))[1]
        return run, text

    def test_likeliest_classes_of_a_pack(self):
        run, _ = self.trained("likeliest")
        words = ("--checkpoint", run, "--data", self.pack)
        lines = self.predict(*words, "--top", 3)[0].splitlines()
        self.assertEqual(len(lines), 48)
        rows = json.loads(self.predict(*words, "--top", 10, "--format", "json")[0])
        report = json.loads(self.vitrail("eval", *words, "--format", "json")[0])
        self.assertEqual([row["image"] for row in rows], [line.split()[0] for line in lines])
        for row, line in zip(rows, lines):
            self.assertAlmostEqual(sum(guess["probability"] for guess in row["top"]), 1, places=6)
            self.assertEqual([guess["name"] for guess in row["top"][:3]], line.split()[1::2])
        # What eval counts: the keys of an IDX pack are the images' numbers.
        labels = harness.test_images(48)[1][8:]
        hits = sum(row["top"][0]["class"] == labels[int(row["image"])] for row in rows)
        self.assertAlmostEqual(100 * hits / 48, report["top1"])

    def test_some_classes(self):
        """data.classes: only their images, called as the list says; without names for all outputs that is said."""
        classes = self.folder / "some.txt"
        classes.write_text("7\n2\n")
        few = {"data.global_batch_size": 4, "augment.mixup": 0, "augment.cutmix": 0, "run.steps": 2}
        run, _ = self.trained("some", few | {"data.classes": classes, "model.classes": 2})
        rows = json.loads(self.predict("--checkpoint", run, "--data", self.pack, "--format", "json")[0])
        labels = harness.test_images(48)[1][8:]
        self.assertEqual({labels[int(row["image"])] for row in rows}, {2, 7})
        self.assertEqual({(guess["class"], guess["name"]) for row in rows for guess in row["top"]}, {(0, "7"), (1, "2")})
        names = {guess["name"] for row in rows for guess in row["top"]}
        classes.write_text("7\n3\n")  # what the outputs are called was decided when they were trained
        rows = json.loads(self.predict("--checkpoint", run, "--data", self.pack, "--format", "json")[0])
        self.assertEqual({guess["name"] for row in rows for guess in row["top"]}, names)

        run, text = self.trained("more", {"model.classes": 12})
        self.assertIn(f"model.classes = 12: {self.pack} has 10 classes, the other outputs never see an image", text)
        rows = json.loads(self.predict("--checkpoint", run, "--data", self.pack, "--top", 12, "--format", "json")[0])
        self.assertLess({"10", "11"}, {guess["name"] for guess in rows[0]["top"]}, "outputs without a class go by number")
        weights = self.folder / "more.safetensors"
        self.vitrail("export", "--checkpoint", run, "--output", weights)
        self.assertIn(f"classes by number: {self.pack} has 10, the model 12",
                      self.predict("--model.weights", weights, *harness.flags(harness.TINY_MODEL | {"model.classes": 12, "model.layer_scale": 0.1}), "--data", self.pack)[1])

    def test_folder_of_images(self):
        """The same images as files: the same answers as from the pack."""
        run, _ = self.trained("folder")
        folder = self.folder / "photos"
        (folder / "below").mkdir(parents=True)
        for number in range(3):
            harness.write_png(folder / ("below" if number else ".") / f"{number}.png", number)
        (folder / ".hidden").write_text("no image")
        by_file = json.loads(self.predict("--checkpoint", run, "--data", f"folder:{folder}", "--names", self.pack, "--format", "json")[0])
        by_key = {int(r["image"]): r for r in json.loads(self.predict("--checkpoint", run, "--data", self.pack, "--format", "json")[0])}
        self.assertEqual([row["image"] for row in by_file], ["0.png", "below/1.png", "below/2.png"])
        for number, row in enumerate(by_file):
            self.assertEqual(row["top"], by_key[number]["top"])
        # Files that are no images are named; the others get their answers all the same.
        (folder / "notes.txt").write_text("no image")
        (folder / "below" / "0.png").write_bytes((folder / "0.png").read_bytes()[:-20])
        words = ("--checkpoint", run, "--data", f"folder:{folder}")
        out, said = self.predict(*words, "--names", self.pack, "--format", "json", expect=65)
        rows = json.loads(out)
        self.assertEqual([row["top"] for row in rows if "top" in row], [row["top"] for row in by_file])
        self.assertEqual([row["image"] for row in rows if "error" in row], ["below/0.png", "notes.txt"])
        self.assertEqual([row["used"] for row in rows], [rows[0]["used"]] * 5)
        self.assertIn("2 of 5 images could not be read", said)
        self.assertIn(f"{folder}/notes.txt: not JPEG, PNG or WebP", said)
        logits = self.folder / "some.safetensors"
        self.predict(*words, "--output", logits, expect=65)
        shape, values = harness.read_safetensors(logits)[0]["logits"]
        bad = [any(math.isnan(value) for value in values[row * shape[1] : (row + 1) * shape[1]]) for row in range(shape[0])]
        self.assertEqual(bad, [False, True, False, False, True])

    @staticmethod
    def write_photos(folder, count):
        folder.mkdir()
        for number in range(count):
            harness.write_png(folder / f"{number}.png", number)

    def test_files_that_cannot_be_read(self):
        """Links that lead nowhere and names that are not UTF-8 are rows with an error; the others get their answers."""
        run, _ = self.trained("unread")
        folder = self.folder / "odd"
        self.write_photos(folder, 2)
        words = ("--checkpoint", run, "--data", f"folder:{folder}", "--format", "json")
        whole = json.loads(self.predict(*words)[0])
        (folder / "gone.png").symlink_to("nowhere.png")
        (folder / "round.png").symlink_to("round.png")
        os.link(folder / "0.png", os.fsencode(folder) + b"/caf\xe9.png")
        locked = 0 if os.geteuid() == 0 else 1  # root reads everything
        if locked:
            harness.write_png(folder / "locked.png", 0)
            (folder / "locked.png").chmod(0)
        out, said = self.predict(*words, expect=65)
        rows = json.loads(out)
        self.assertEqual([row["top"] for row in rows if "top" in row], [row["top"] for row in whole])
        errors = {row["image"]: row["error"] for row in rows if "error" in row}
        self.assertEqual(set(errors), {"gone.png", "round.png", "caf\\xe9.png"} | ({"locked.png"} if locked else set()))
        self.assertIn("No such file or directory", errors["gone.png"])
        self.assertIn("the name is not UTF-8", errors["caf\\xe9.png"])
        self.assertNotIn("write to", said)

    def test_one_world(self):
        """Any number of ranks is one answer and one file, with the bits of a single process; what one process does is refused to several."""
        run, _ = self.trained("world")
        folder = self.folder / "world-photos"
        self.write_photos(folder, 7)
        (folder / "3x.png").write_text("no image")
        words = ("--checkpoint", run, "--data", f"folder:{folder}", "--evaluate.batch_size", 2)
        logits = self.folder / "world.safetensors"
        rows, files = [], []
        for ranks in (None, 3):
            told = json.loads(self.predict(*words, "--format", "json", expect=65, ranks=ranks)[0])
            for row in told:
                row["used"].pop("date")
            rows.append(told)
            self.predict(*words, "--output", logits, expect=65, ranks=ranks)
            files.append({name: str(tensor) for name, tensor in harness.read_safetensors(logits)[0].items()})
        self.assertEqual(len(rows[0]), 8)
        self.assertEqual(*rows)
        self.assertEqual(*files)
        exported = self.folder / "world-export.safetensors"
        for command in (("export", "--checkpoint", run, "--output", exported), ("checkpoint", "list", run), ("info", self.pack)):
            with self.subTest(command=command[0]):
                out, said = self.vitrail(*command, expect=78, ranks=2)
                self.assertEqual(said.count(f"`vitrail {command[0]}` runs as one process, but 2 were started together"), 1)
                self.assertEqual(out, "")
        self.assertFalse(exported.exists())

    def test_round_trip_is_equal_to_the_bit(self):
        """Doubles of timm's names in, a checkpoint, the same doubles out; a run's floats alike."""
        imported = self.folder / "imported"
        settings = MODEL | {"model.weights": self.weights, "output": imported}
        printed = self.vitrail("import", *harness.flags(settings))[0].strip()
        self.assertEqual(printed, str(imported / "step-00000000"))
        again = self.folder / "again.safetensors"
        self.vitrail("export", "--checkpoint", imported, "--output", again)
        before, after = (harness.read_safetensors(path)[0] for path in (self.weights, again))
        self.assertEqual(before, after)

        run, _ = self.trained("round-trip")
        first, second = self.folder / "first.safetensors", self.folder / "second.safetensors"
        self.vitrail("export", "--checkpoint", run, "--output", first)
        flags = harness.flags(harness.TINY_MODEL | {"model.layer_scale": 0.1, "model.weights": first})
        self.vitrail("import", *flags, "--output", self.folder / "second")
        self.vitrail("export", "--checkpoint", self.folder / "second", "--output", second)
        self.assertEqual(harness.read_safetensors(first)[0], harness.read_safetensors(second)[0])
        report = [self.vitrail("eval", "--checkpoint", path, "--data", self.pack, "--format", "json")[0] for path in (run, self.folder / "second")]
        report = [harness.scores(text) for text in report]
        losses = [float(of_one.pop("loss")) for of_one in report]
        self.assertEqual(*report)
        self.assertAlmostEqual(*losses, delta=1e-14)  # sums of other lanes

        # Neither a run's folder nor anything else that is there may be taken.
        for taken in (self.folder / "second", run):
            self.assertIn("something already", self.vitrail("import", *flags, "--output", taken, expect=78)[1])
        text = self.vitrail("import", *flags, "--model.classes", 7, "--output", self.folder / "fresh", expect=78)[1]
        self.assertIn("an untrained head knows nothing", text)
        settings = harness.TINY_RUN | {"data.train": self.pack, "run.dir": self.folder / "branch", "checkpoint.resume": imported}
        text = self.vitrail("train", *harness.flags(settings), expect=78)[1]
        self.assertIn("model.weights", text)

    def test_another_size_and_number_of_classes(self):
        run, _ = self.trained("small")
        weights = self.folder / "small.safetensors"
        self.vitrail("export", "--checkpoint", run, "--output", weights)
        changes = {"model.image_size": 56, "model.classes": 12, "model.weights": weights, "run.steps": 2}
        for ranks in (1, 2):
            larger = self.folder / f"larger-{ranks}"
            settings = harness.TINY_RUN | {"data.train": self.pack, "checkpoint.every": "0st"} | changes
            text = self.launch(larger, ranks, settings)[1]
            self.assertRegex(text, r"pos_embed +\[1, 49, 32\] +\[1, 196, 32\] +interpolated")
            self.assertRegex(text, r"head.weight +\[10, 32\] +\[12, 32\] +dropped: another number of classes")
        self.check_same_state(self.folder / "larger-1", self.folder / "larger-2")

        # Asked as it is, at another resolution: no training needed.
        words = ("--checkpoint", run, "--data", self.pack, "--model.image_size", 56)
        for how in ("bicubic", "antialias"):
            out, text = self.vitrail("eval", *words, "--model.position_resize", how, "--format", "json")
            self.assertRegex(text, r"pos_embed .* interpolated")
            self.assertEqual(json.loads(out)["images"], 48)
        text = self.vitrail("eval", "--checkpoint", run, "--data", self.pack, "--model.classes", 12, expect=78)[1]
        self.assertIn("an untrained head knows nothing", text)
        text = self.vitrail("eval", "--checkpoint", run, "--data", self.pack, "--model.depth", 3, expect=65)[1]
        self.assertIn("missing: blocks.2.norm1.weight", text)

    def test_average_of_the_weights(self):
        run, text = self.trained("average", {"data.val": self.pack, "evaluate.weights": "ema"})
        self.assertIn("(average of the weights): top-1", text)
        line = harness.read_metrics(run)[1][-1]["eval"]
        exported = {}
        for name, flags in (("raw", []), ("ema", ["--ema"])):
            exported[name] = self.folder / f"{name}.safetensors"
            self.vitrail("export", "--checkpoint", run, "--output", exported[name], *flags)
        self.assertNotEqual(*(path.read_bytes() for path in exported.values()))
        model = harness.flags(harness.TINY_MODEL | {"model.layer_scale": 0.1})
        for name, path in exported.items():
            by_checkpoint = self.vitrail("eval", "--checkpoint", run, "--data", self.pack, "--evaluate.weights", name, "--format", "json")[0]
            by_file = self.vitrail("eval", *model, "--run.lanes", 4, "--model.weights", path, "--data", self.pack, "--format", "json")[0]
            self.assertEqual(harness.scores(by_checkpoint), harness.scores(by_file))
            if name == "ema":  # what training evaluated
                self.assertEqual(json.loads(by_file, parse_float=str)["loss"], line["loss"])
        hashes = {self.hash_of(run, part) for part in ("weights", "optimizer", "ema", "all")}
        self.assertEqual(len(hashes), 4)

        without, _ = self.trained("no-average", {"ema.decay": 0})
        for words in (
            ("export", "--checkpoint", without, "--output", self.folder / "x", "--ema"),
            ("eval", "--checkpoint", without, "--data", self.pack, "--evaluate.weights", "ema"),
        ):
            self.assertIn("kept no average", self.vitrail(*words, expect=78)[1])
        self.vitrail("checkpoint", "hash", without / "checkpoints/latest", "--part", "ema", expect=2)

    def test_bad_requests(self):
        run, _ = self.trained("bad")
        self.assertIn("--checkpoint DIR or --model.weights", self.predict("--data", self.pack, expect=2)[1])
        both = ("--checkpoint", run, "--model.weights", self.weights, "--data", self.pack)
        self.assertIn("weights from two places", self.predict(*both, expect=2)[1])
        self.assertIn("no --output", self.predict("--checkpoint", run, "--data", self.pack, "--output", "x", "--top", 3, expect=2)[1])
        self.assertIn("--model.weights", self.vitrail("import", "--output", self.folder / "x", expect=2)[1])
        wrong = harness.flags(harness.TINY_MODEL | {"model.weights": self.weights})
        self.assertIn("not the weights of this model", self.vitrail("import", *wrong, "--output", self.folder / "x", expect=65)[1])
        empty = self.folder / "empty"
        empty.mkdir()
        self.assertIn("no files there", self.predict("--checkpoint", run, "--data", f"folder:{empty}", expect=65)[1])
        named = self.predict("--checkpoint", run, "--data", self.pack, "--names", "synthetic:8,4,28", expect=78)[1]
        self.assertIn("4 classes, the model has 10", named)


if __name__ == "__main__":
    unittest.main()
