"""Evaluation counts every image once, at any number of ranks and any batch size, and measures what it says."""

import array
import json
import math
import unittest

import harness

WORLDS = (1, 2, 3, 4)
STEPS = 60
IMAGES = 1003  # divisible by no number of lanes or ranks, and by no batch size below
KEYS = ["images", "top1", "top5", "loss"]


def measured(text):
    """The one JSON document that stdout is; floats as the text they are."""
    result = harness.scores(text)
    assert list(result) == KEYS, f"keys {list(result)}"
    return result


def normalised(row):
    norm = math.sqrt(sum(x * x for x in row))
    return [x / norm for x in row]


class EvaluationTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = cls.make_pack("data", IMAGES)
        cls.settings = harness.TINY_RUN | {  # learns something in two seconds
            "run.steps": STEPS,
            "augment.crop": "none",
            "augment.mixup": 0,
            "augment.cutmix": 0,
            "model.drop_path": 0,
            "model.layer_scale": 0,
            "optimizer.name": "adamw",
            "optimizer.lr": 0.01,
            "data.train": cls.data,
            "data.val": cls.data,
            "evaluate.every": "0ep",  # only at the end
        }
        cls.run_folder = cls.folder / "run-2"
        cls.vitrail("launch", "-n", 2, *harness.flags(cls.settings | {"run.dir": cls.run_folder}))
        cls.checkpoint = cls.run_folder / "checkpoints" / "latest"
        cls.expected = cls.evaluate(cls.data, "--checkpoint", cls.checkpoint)
        print(f"{IMAGES} images: {cls.expected}")

    @classmethod
    def evaluate(cls, data, *words, ranks=None):
        return measured(cls.vitrail("eval", "--data", data, "--format", "json", *words, ranks=ranks)[0])

    def logits(self, images, *words, ranks=None):
        """Of 35 x 35 pixels at ratio 0.8, and of 28 x 28 at 1, nothing is scaled: crops are windows of pixels."""
        output = self.folder / f"{images.name}.safetensors"
        self.vitrail("predict", "--checkpoint", self.checkpoint, "--data", f"folder:{images}", "--output", output, *words, ranks=ranks)
        return list(harness.read_safetensors(output)[0]["logits"][1])

    def test_crops_are_averaged(self):
        """Five are the corners and the centre in torchvision's order, ten these and their mirrors, each computed alone here."""
        whole = self.folder / "whole"
        whole.mkdir()
        corners = [(0, 0), (7, 0), (0, 7), (7, 7), (4, 4)]  # centre: 3.5, halves to the even pixel
        crops = {(crop, mirrored): self.folder / f"crop-{crop}{mirrored}" for crop in range(5) for mirrored in ("", "-mirrored")}
        for folder in crops.values():
            folder.mkdir()
        for number in range(6):
            rows = [bytes((x * x * 3 + y * 7 * (number + 1) + x * y) % 256 for x in range(35)) for y in range(35)]
            harness.write_grey_png(whole / f"{number}.png", rows)
            for (crop, mirrored), folder in crops.items():
                left, top = corners[crop]
                window = [row[left : left + 28] for row in rows[top : top + 28]]
                harness.write_grey_png(folder / f"{number}.png", [row[::-1] for row in window] if mirrored else window)
        alone = {key: self.logits(folder) for key, folder in crops.items()}

        def mean(keys):  # in fp32, one after another
            total = array.array("f", alone[keys[0]])
            for key in keys[1:]:
                total = array.array("f", [a + b for a, b in zip(total, alone[key])])
            return list(array.array("f", [value / len(keys) for value in total]))

        five = ("--evaluate.crop_ratio", 0.8, "--evaluate.crops", "five")
        self.assertEqual(self.logits(whole, *five), mean([(crop, "") for crop in range(5)]))
        self.assertEqual(self.logits(whole, *five, "--evaluate.flip", "true"), mean(list(crops)))
        self.assertEqual(self.logits(whole, "--evaluate.crop_ratio", 0.8), alone[4, ""])
        by_two = ("--evaluate.batch_size", 2)
        self.assertEqual(self.logits(whole, *five, *by_two), self.logits(whole, *five, *by_two, ranks=3))

    def test_crops_are_averaged_by_eval_and_in_a_run(self):
        small = self.make_pack("small", 61)
        five = {"evaluate.crops": "five", "evaluate.crop_ratio": 0.8}
        run = self.folder / "crops"
        settings = self.settings | five | {"data.val": small, "run.steps": 2, "run.dir": run}
        self.vitrail("launch", "-n", 2, *harness.flags(settings))
        (said,) = harness.read_metrics(run)[1]
        words = ("--checkpoint", run, *harness.flags(five))
        alone, together = (self.evaluate(small, *words, ranks=ranks) for ranks in (None, 3))
        self.assertEqual(alone, together)
        self.assertEqual(alone["images"], 61)
        for key in ("top1", "top5", "loss"):
            self.assertEqual(said["eval"][key], alone[key])
        centre = ("--evaluate.crops", "centre", "--evaluate.crop_ratio", 0.8)
        self.assertNotEqual(self.evaluate(small, "--checkpoint", run, *centre)["loss"], alone["loss"])
        knn = ("--evaluate.protocol", "knn", "--evaluate.known", small)
        for key, value in (("crops", "five"), ("flip", "true")):
            words = ("--checkpoint", run, f"--evaluate.{key}", value, *knn)
            self.assertIn(f"--evaluate.{key}", self.vitrail("eval", "--data", small, *words, expect=2)[1])

    def test_model_tells_classes_apart(self):
        """What is compared below is no constant answer, which would hide a wrong image or label."""
        self.assertEqual(self.expected["images"], IMAGES)
        self.assertGreater(float(self.expected["top1"]), 25)
        self.assertGreater(float(self.expected["top5"]), float(self.expected["top1"]))
        self.assertLess(float(self.expected["top5"]), 100)

    def test_any_number_of_ranks(self):
        for ranks in WORLDS:
            with self.subTest(ranks=ranks):
                self.assertEqual(self.evaluate(self.data, "--checkpoint", self.checkpoint, ranks=ranks), self.expected)

    def test_at_the_end_of_training(self):
        for ranks in WORLDS:
            with self.subTest(ranks=ranks):
                run = self.folder / f"run-{ranks}"
                if ranks != 2:
                    self.launch(run, ranks, self.settings)
                (line,) = harness.read_metrics(run)[1]
                self.assertEqual((line["step"], line["eval"]), (STEPS, self.expected))

    def neighbours(self, *words, ranks=None):
        words = ("--checkpoint", self.checkpoint, "--evaluate.protocol", "knn", *words)
        return harness.scores(self.vitrail("eval", "--data", self.data, "--format", "json", *words, ranks=ranks)[0])

    def test_nearest_neighbours(self):
        """Each image's own is the nearest, and its label the only vote, where the known images are the same; else the
        features of a network that has learned tell classes apart, alike at any number of ranks."""
        found = self.neighbours("--evaluate.neighbours", 1)
        self.assertEqual(found, {"images": IMAGES, "top1": "100.0", "top5": "100.0"})
        other = self.make_pack("other", 700)
        words = ("--evaluate.known", other, "--evaluate.features", "last:2", "--evaluate.temperature", 0.1)
        found = {ranks: self.neighbours(*words, ranks=ranks) for ranks in WORLDS}
        self.assertEqual(list(found.values()), [found[1]] * len(WORLDS))
        self.assertGreater(float(found[1]["top1"]), 25)
        self.assertNotEqual(found[1]["top1"], self.neighbours("--evaluate.known", other)["top1"])
        weights = self.folder / "weights.safetensors"
        self.vitrail("export", "--checkpoint", self.checkpoint, "--output", weights)
        words = [*harness.flags(harness.TINY_MODEL | {"model.layer_scale": 0}), "--model.weights", weights]
        err = self.vitrail("eval", "--data", self.data, "--evaluate.protocol", "knn", *words, expect=78)[1]
        self.assertIn("set evaluate.known = SOURCE", err)
        for choice in ("last:9", "last:0", "middle"):
            expect = 78 if choice == "last:9" else 2
            words = ("--checkpoint", self.checkpoint, "--evaluate.protocol", "knn", "--evaluate.features", choice)
            self.assertIn("last", self.vitrail("eval", "--data", self.data, *words, expect=expect)[1])
        err = self.vitrail("eval", "--data", self.data, "--checkpoint", self.checkpoint, "--evaluate.neighbours", 3, expect=2)[1]
        self.assertIn("evaluate.protocol = knn", err)

    def test_features(self):
        """The same file at any number of ranks; eval finds the neighbours that its rows have."""
        asked, known = self.make_pack("asked", 103), self.make_pack("known", 211)
        rows, labels = {}, {}
        for name, data in (("asked", asked), ("known", known)):
            texts = set()
            for ranks in WORLDS if name == "asked" else (None,):
                output = self.folder / f"{name}-{ranks}.safetensors"
                words = ("--data", data, "--output", output, "--evaluate.features", "last:2", "--format", "json")
                told = json.loads(self.vitrail("features", "--checkpoint", self.checkpoint, *words, ranks=ranks)[0])
                self.assertEqual((told["images"], told["width"]), ({"asked": 103, "known": 211}[name], 64))
                tensors = {key: values for key, (_, values) in harness.read_safetensors(output)[0].items()}
                texts.add((tensors["features"].tobytes(), tensors["labels"].tobytes()))
            self.assertEqual(len(texts), 1, name)
            values = list(tensors["features"])
            rows[name] = [normalised(values[i : i + 64]) for i in range(0, len(values), 64)]
            labels[name] = list(tensors["labels"])
        hits = 0
        for row, label in zip(rows["asked"], labels["asked"]):
            cosines = [sum(a * b for a, b in zip(row, other)) for other in rows["known"]]
            votes = [0.0] * 10
            for i in sorted(range(len(cosines)), key=lambda i: -cosines[i])[:9]:
                votes[labels["known"][i]] += math.exp(cosines[i] / 0.2)
            hits += max(range(10), key=votes.__getitem__) == label
        words = ("--evaluate.known", known, "--evaluate.features", "last:2", "--evaluate.neighbours", 9, "--evaluate.temperature", 0.2)
        protocol = ("--checkpoint", self.checkpoint, "--evaluate.protocol", "knn")
        report = json.loads(self.vitrail("eval", "--data", asked, "--format", "json", *protocol, *words)[0])
        self.assertAlmostEqual(report["top1"], 100 * hits / 103)
        told = {key: value for key, value in report["used"]["knn"].items() if key != "known_fingerprint"}
        self.assertEqual(told, {"known": str(known), "features": "last:2", "neighbours": 9, "temperature": 0.2})
        self.assertIn(f"k-NN, 9 neighbours among {known} (", self.vitrail("eval", "--data", asked, *protocol, *words)[0])
        self.assertEqual(harness.read_safetensors(output)[1]["features"], "last:2")
        nowhere = ("--checkpoint", self.checkpoint, "--data", asked, "--output", self.folder / "missing/f")
        err = self.vitrail("features", *nowhere, expect=74)[1]
        self.assertIn("missing/f", err)
        self.assertNotIn("images", err, "images were looked at before the file was opened")
        missing = self.vitrail("features", "--data", asked, "--output", self.folder / "none", expect=2)[1]
        self.assertIn("--checkpoint DIR or --model.weights FILE", missing)

    def test_any_batch_size(self):
        for batch in (1, 7, 250):
            for ranks in (None, 3) if harness.LONG or batch == 7 else (None,):
                with self.subTest(batch=batch, ranks=ranks):
                    words = ("--checkpoint", self.checkpoint, "--evaluate.batch_size", batch)
                    found = self.evaluate(self.data, *words, ranks=ranks)
                    for key in KEYS[:3]:
                        self.assertEqual(found[key], self.expected[key])
                    # A matrix product may round otherwise when it has other rows: the loss is equal, its bits are not.
                    difference = abs(float(found["loss"]) / float(self.expected["loss"]) - 1)
                    print(f"{batch} images at once: loss {difference:.1e} away, relative")
                    self.assertLess(difference, 1e-6)

    def test_whole_test_set(self):
        data = self.make_pack("all", 10000)
        results = [self.evaluate(data, "--checkpoint", self.checkpoint, ranks=ranks) for ranks in (WORLDS if harness.LONG else (1, 3))]
        print(f"10000 images: {results[0]}")
        self.assertEqual(results[0]["images"], 10000)
        self.assertNotEqual(results[0]["loss"], self.expected["loss"])
        for result in results[1:]:
            self.assertEqual(result, results[0])

    def model_flags(self):
        model = {key: value for key, value in self.settings.items() if key in harness.TINY_MODEL}
        return harness.flags(model | {"run.lanes": 4, "model.layer_scale": 0})

    def test_exported_weights(self):
        exported = self.folder / "exported.safetensors"
        self.vitrail("export", "--checkpoint", self.checkpoint, "--output", exported)
        words = ("--model.weights", exported, *self.model_flags())
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                self.assertEqual(self.evaluate(self.data, *words, ranks=ranks), self.expected)

    def test_known_answer(self):
        """A head of zeros with a bias answers alike to every image: counts and loss follow from the labels."""
        exported, known = self.folder / "shape.safetensors", self.folder / "known.safetensors"
        self.vitrail("export", "--checkpoint", self.checkpoint, "--output", exported)
        tensors, _ = harness.read_safetensors(exported)
        shape, values = tensors["head.weight"]
        tensors["head.weight"] = (shape, array.array("f", [0.0] * len(values)))
        bias = [0.5, -1.25, 2.0, 0.0, 1.5, -0.75, 0.25, 3.0, -2.0, 1.0]  # exact in fp32, no two alike
        tensors["head.bias"] = ([10], array.array("f", bias))
        harness.write_safetensors(known, tensors)
        labels = harness.test_images(IMAGES)[1][8:]
        ranking = sorted(range(10), key=lambda c: -bias[c])
        total = math.log(sum(map(math.exp, bias)))
        for ranks in (None, *(WORLDS if harness.LONG else (3,))):
            with self.subTest(ranks=ranks):
                found = self.evaluate(self.data, "--model.weights", known, *self.model_flags(), ranks=ranks)
                self.assertEqual(found["images"], IMAGES)
                self.assertEqual(float(found["top1"]), 100 * labels.count(ranking[0]) / IMAGES)
                self.assertEqual(float(found["top5"]), 100 * sum(label in ranking[:5] for label in labels) / IMAGES)
                loss = sum(total - bias[label] for label in labels) / IMAGES
                self.assertAlmostEqual(float(found["loss"]), loss, delta=1e-12)


if __name__ == "__main__":
    unittest.main()
