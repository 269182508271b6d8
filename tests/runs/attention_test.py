"""Where models look: the pictures and maps of `vitrail attention`, beside what `predict` says of the same images; who has none."""

import json
import struct
import unittest

import harness

MODEL = {
    "model.image_size": 32, "model.classes": 10, "model.width": 32, "model.depth": 2, "data.global_batch_size": 8, "run.steps": 2,
    "optimizer.lr": 1e-3, "schedule.warmup": "0st", "run.lanes": 1, "checkpoint.every": "0st", "data.train": "synthetic:64,10,32",
}  # fmt: skip
GAP = 4  # pixels between pictures


def size_of_png(path):
    return struct.unpack_from(">II", path.read_bytes(), 16)


class AttentionTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / "photos").mkdir()
        for number in range(5):
            harness.write_png(cls.folder / f"photos/{number}.png", number)
        cls.photos = f"folder:{cls.folder / 'photos'}"

    def trained(self, name, **changes):
        self.launch(self.folder / name, None, {"model.name": name} | MODEL | changes)
        return self.folder / name

    def attention(self, run, *words):
        maps = self.folder / f"maps-{run.name}"
        asked = ("--checkpoint", run, "--data", self.photos, "--output", maps, "--format", "json")
        return json.loads(self.vitrail("attention", *asked, *words)[0]), maps

    def test_heads_their_mean_and_the_exact_maps(self):
        run = self.trained("cait_xxs24", **{"model.patch": 8, "model.heads": 4})
        said, maps = self.attention(run, "--samples", 3, "--exact")
        self.assertEqual([row["picture"] for row in said["images"]], ["000000.png", "000001.png", "000002.png"])
        for row in said["images"]:
            self.assertEqual(row["maps"], ["mean", "head 1", "head 2", "head 3", "head 4"])
            self.assertEqual(size_of_png(maps / row["picture"]), (6 * (32 + GAP) - GAP, 32))
        self.assertEqual(size_of_png(maps / "grid.png"), (6 * (32 + GAP) - GAP, 3 * (32 + GAP) - GAP))
        tensors, metadata = harness.read_safetensors(maps / "maps.safetensors")
        shape, weights = tensors["attention"]
        self.assertEqual(shape, [3, 4, 4, 4])
        for head in range(12):
            self.assertTrue(0 < sum(weights[16 * head : 16 * (head + 1)]) < 1)  # the class token has the rest
        self.assertEqual((metadata["maps_of"], metadata["cell"]), ("heads", "8"))
        self.assertEqual(metadata["weights_hash"], said["used"]["weights_hash"])
        # Likeliest classes are those of predict, above a tenth; the first in any case.
        words = ("--checkpoint", run, "--data", self.photos, "--format", "json")
        for row, told in zip(said["images"], json.loads(self.vitrail("predict", *words)[0])):
            likely = [guess for guess in told["top"] if guess["probability"] > 0.1] or told["top"][:1]
            self.assertEqual(row["image"], told["image"])
            self.assertEqual([guess["class"] for guess in row["top"]], [guess["class"] for guess in likely][:9])

    def test_per_class_a_map_for_each_likely_one(self):
        run = self.trained("patchconvnet_s60_multi", **{"model.width": 32, "model.classes": 10})
        said, maps = self.attention(run, "--exact", "--samples", 100)
        self.assertEqual(len(said["images"]), 5)
        for row in said["images"]:
            self.assertEqual(row["maps"], [f"class {guess['class']}" for guess in row["top"]])
        shape, weights = harness.read_safetensors(maps / "maps.safetensors")[0]["attention"]
        self.assertEqual(shape, [5, 10, 2, 2])
        for one in range(50):
            self.assertAlmostEqual(sum(weights[4 * one : 4 * one + 4]), 1, places=5)

    def test_what_cannot_be_shown_is_said(self):
        run = self.trained("resmlp_s12", **{"model.width": 16, "model.depth": 1})
        maps = self.folder / "none"
        words = ("--data", self.photos, "--output", maps)
        refused = self.vitrail("attention", "--checkpoint", run, *words, expect=78)[1]
        self.assertIn("resmlp_s12 has no class token that asks patches", refused)
        self.assertIn("resnet50_attn have maps", refused)
        self.assertFalse(maps.exists())
        self.assertIn("--checkpoint DIR or --model.weights FILE", self.vitrail("attention", *words, expect=2)[1])

    def test_damaged_images_are_named_and_left_out(self):
        (self.folder / "some").mkdir()
        harness.write_png(self.folder / "some/1.png", 1)
        (self.folder / "some/0.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        run = self.trained("vit_xxs4", **{"model.heads": 2})
        maps = self.folder / "of-some"
        words = ("--checkpoint", run, "--data", f"folder:{self.folder / 'some'}", "--output", maps, "--exact")
        said = self.vitrail("attention", *words, expect=65)[1]
        self.assertIn("not shown: ", said)
        self.assertIn("1 of 2 images could not be read", said)
        self.assertEqual(sorted(path.name for path in maps.iterdir()), ["000001.png", "grid.png", "maps.safetensors"])
        weights = harness.read_safetensors(maps / "maps.safetensors")[0]["attention"][1]
        half = len(weights) // 2
        self.assertTrue(all(w != w for w in weights[:half]) and all(w == w for w in weights[half:]))


if __name__ == "__main__":
    unittest.main()
