"""`vitrail bench data`: what it prints adds up, for a pack and for pictures made on the spot."""

import json
import unittest

import harness


class BenchDataTest(harness.RunTest):
    def bench(self, *words):
        return json.loads(self.vitrail("bench", "data", "--seconds", "0.3", "--format", "json", *words)[0])

    def test_a_pack_and_a_device(self):
        pack = self.make_pack("pack", 200)
        result = self.bench("--data", pack, "--model.name", "vit_s16", "--images-per-s", "5000", "--data.workers", "2")
        records = (pack / "shard-00000-of-00001.h5").stat().st_size / 200
        self.assertLess(0.3 * records, result["record_bytes"])
        self.assertLess(result["record_bytes"], records)
        self.assertGreaterEqual(result["images"], 64)
        self.assertAlmostEqual(result["read_share"] + result["transform_share"], 1)
        device = result["device"]
        self.assertAlmostEqual(device["cores"], 5000 / result["images_per_s_per_core"])
        self.assertAlmostEqual(device["read_mb_per_s"], 5000 * result["record_bytes"] / 1e6)

    def test_a_device_by_its_peak(self):
        """ViT-S/16 has 4.6 GMACs; a pass forward and two backward are 6 operations each (models --format json says both)."""
        changes = ["--data", "synthetic:100,10,64", "--run.peak_tflops", "989", "--mfu", "0.4"]
        (model,) = json.loads(self.vitrail("models", "--model", "vit_s16", "--format", "json")[0])
        result = self.bench(*changes)
        unread = 196 * (10 * 384 * 384 + 2 * 197 * 384 + 5 * 384)  # of the last block's patches
        self.assertAlmostEqual(result["device"]["images_per_s"], 0.4 * 989e12 / (6 * (model["macs"] - unread)), delta=1)
        self.assertEqual(result["read_mb_per_s"], 0)
        text = self.vitrail("bench", "data", "--seconds", "0.3", *changes)[0]
        self.assertIn("of such cores", text)

    def test_all_views_of_a_task(self):
        """Two global views and ten local ones of half the side take several times as long as one view."""
        one = self.bench("--data", "synthetic:100,10,64", "--model.image_size", "64")
        dino = ["--task.name", "dino", "--dino.local_views", "10", "--dino.local_size", "32"]
        all_views = self.bench("--data", "synthetic:100,10,64", "--model.image_size", "64", *dino)
        self.assertEqual((one["views"], all_views["views"]), (1, 12))
        self.assertLess(2 * all_views["images_per_s_per_core"], one["images_per_s_per_core"])

    def test_without_a_device_nothing_is_predicted(self):
        self.assertNotIn("device", self.bench("--data", "synthetic:3,3,64"))
        zero = self.vitrail("bench", "data", "--data", "synthetic:3,3,64", "--images-per-s", "0", expect=2)[1]
        self.assertIn("--images-per-s 0: expected a number, > 0", zero)
        self.vitrail("bench", "models", "--data", "synthetic:3,3,64", expect=2)


if __name__ == "__main__":
    unittest.main()
