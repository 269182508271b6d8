"""The rates that --print-schedule promises are those that a run has, interrupted or not, and those of DeiT's script."""

import json
import math
import unittest

import harness

IMAGES, BATCH, EPOCHS = 256, 32, 5
STEPS_PER_EPOCH = IMAGES // BATCH
STEPS = EPOCHS * STEPS_PER_EPOCH
SETTINGS = {key: value for key, value in harness.TINY_RUN.items() if key not in ("run.steps", "schedule.warmup")} | {
    "run.epochs": EPOCHS,
    "data.global_batch_size": BATCH,
    "schedule.warmup": "2ep",
    "schedule.per_epoch": "deit",
    "schedule.scale_lr": "sqrt",
    "schedule.base_batch": 8,
    "schedule.weight_decay_end": 0.4,
    "schedule.drop_path_start": 0.0,
}
PEAK = 0.005 * 2  # the root of four batches
DEIT_RATES = [1e-6, 1e-6, 1e-6 + (PEAK - 1e-6) / 2] + [
    1e-5 + (PEAK - 1e-5) * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2 for epoch in (2, 3)
]


class ScheduleTest(harness.RunTest):
    def test_promised_and_kept(self):
        settings = SETTINGS | {"data.train": self.make_pack("data", IMAGES)}
        words = harness.flags(settings)
        promised = json.loads(self.vitrail("train", *words, "--print-schedule", "--format", "json")[0])
        self.assertEqual((promised["steps"], promised["steps_per_epoch"]), (STEPS, STEPS_PER_EPOCH))
        self.assertEqual([row["step"] for row in promised["rows"]], list(range(STEPS)))

        run = self.folder / "run"
        self.vitrail("train", *words, "--run.dir", run)
        steps = harness.read_metrics(run)[0]
        self.assertEqual(len(steps), STEPS)
        for row, line in zip(promised["rows"], steps):
            self.assertEqual((float(line["lr"]), float(line["weight_decay"])), (row["lr"], row["weight_decay"]))
            epoch = row["step"] // STEPS_PER_EPOCH
            self.assertAlmostEqual(row["lr"], DEIT_RATES[epoch], delta=1e-12 * PEAK)
            self.assertAlmostEqual(row["drop_path"], 0.2 * max(epoch - 1, 0) / EPOCHS, delta=1e-15)

        # The same without the data, and from --print-config's own words.
        elsewhere = words + ["--data.train", "nowhere"]
        self.assertEqual(json.loads(self.vitrail("train", *elsewhere, "--print-schedule", "--images", IMAGES, "--format",
                                                 "json")[0]), promised)
        self.assertIn("--images N tells the size", self.start("train", *elsewhere, "--print-schedule").finish(2)[1])
        config = self.folder / "printed.cfg"
        config.write_text(self.vitrail("train", *words, "--print-config")[0])
        text = self.vitrail("launch", "--config", config, "--print-schedule")[0]
        self.assertEqual(len(text.splitlines()), 3 + STEPS)
        self.assertIn("peak rate 0.01 = optimizer.lr 0.005 x sqrt(32 / 8 images)", text)

    def test_resumed(self):
        """Weight decay and drop-path go on where they were."""
        settings = SETTINGS | {"data.train": self.make_pack("resumed-data", IMAGES), "checkpoint.every": "5st"}
        whole, halves = self.folder / "whole", self.folder / "halves"
        self.launch(whole, 2, settings)
        job, _ = self.start_held(settings | {"run.dir": halves}, 2, 13)
        job.kill()
        self.launch(halves, 1, settings)
        self.check_same_state(halves, whole)


if __name__ == "__main__":
    unittest.main()
