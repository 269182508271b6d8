"""DINO in a user's hands: the same run on any ranks, killed or not; judged by neighbours while it goes on and afterwards; what
it learned taken by others; what cannot be learned so, refused."""

import unittest

import tiny
from tiny import harness

STEPS = 9
BODIES = {  # batch statistics of views of two sizes; a patch grid of its own; one that looks at one size alone
    "resnet18": {"model.image_size": 32, "dino.batch_norm": "true", "model.batch_norm_lanes": 2},
    "xcit_t12_p8": {"model.image_size": 32, "model.width": 32, "model.depth": 2, "model.heads": 2},
    "resmlp_s12": {"model.image_size": 32, "model.patch": 8, "model.width": 32, "model.depth": 2, "dino.local_size": 32},
}


class DinoTest(tiny.Runs):
    TASK = {
        "run.steps": STEPS,
        "task.name": "dino",
        "dino.local_views": 3,
        "dino.local_size": 16,
        "dino.outputs": 64,
        "dino.hidden": 32,
        "dino.bottleneck": 16,
        "dino.norm_last_layer": "false",
        "optimizer.clip_tensor": 3,
        "optimizer.weight_decay": 0.04,
        "schedule.weight_decay_end": 0.4,
        "evaluate.every": "4st",
        "evaluate.weights": "ema",
    }

    def test_any_number_of_ranks(self):
        self.check_any_number_of_ranks()

    def test_killed_and_resumed_on_other_ranks(self):
        """While the last layer waits, and when it learns."""
        self.check_killed_and_resumed((2, 3), (4, 7))

    def test_neighbours_during_the_run_and_afterwards(self):
        evaluations = harness.read_metrics(self.reference)[1]
        self.assertEqual([line["step"] for line in evaluations], [4, 8, STEPS])
        words = ("eval", "--checkpoint", self.reference, "--data", self.val, "--format", "json")
        found = harness.scores(self.vitrail(*words, "--evaluate.protocol", "knn")[0])
        self.assertEqual(found, evaluations[-1]["eval"])
        student = harness.scores(self.vitrail(*words, "--evaluate.protocol", "knn", "--evaluate.weights", "raw")[0])
        self.assertNotEqual(student, found)
        self.assertIn("it has no head", self.vitrail(*words, expect=78)[1])

    def test_other_bodies_on_any_number_of_ranks(self):
        common = {key: value for key, value in self.settings.items() if not key.startswith("model.")}
        for name, own in BODIES.items():
            with self.subTest(body=name):
                runs = [self.folder / f"{name}-{ranks}" for ranks in (1, 2, 4)]
                for ranks, run in zip((1, 2, 4), runs):
                    self.launch(run, ranks, common | {"run.steps": 3, "model.name": name} | own)
                    harness.check_same_metrics(self, run, runs[0])
                    self.check_same_state(run, runs[0])

    def test_others_take_the_body(self):
        weights = self.folder / "teacher.safetensors"
        self.vitrail("export", "--checkpoint", self.reference, "--output", weights, "--ema")
        names = set(harness.read_safetensors(weights)[0])
        self.assertIn("blocks.0.attn.qkv.weight", names)
        self.assertEqual({name for name in names if name.startswith("head")}, set())
        body = {key: value for key, value in self.settings.items() if key.startswith("model.")}
        common = body | {"run.lanes": 4, "run.steps": 2, "data.train": self.train, "data.global_batch_size": 32}
        of_run = common | {"model.weights": self.reference, "finetune.weights": "ema"}
        self.launch(self.folder / "from-run", None, of_run)
        self.launch(self.folder / "from-file", None, common | {"model.weights": weights})
        mine, theirs = (harness.read_metrics(self.folder / name)[0] for name in ("from-run", "from-file"))
        self.assertEqual([line["loss"] for line in mine], [line["loss"] for line in theirs])

    def test_what_cannot_be_learned_so_is_refused_by_name(self):
        common = {key: value for key, value in self.settings.items() if not key.startswith("model.")}
        resmlp = common | {"model.name": "resmlp_s12"} | BODIES["resmlp_s12"] | {"dino.local_size": 16, "run.dir": self.folder / "sizes"}
        self.assertIn("dino.local_views = 0", self.vitrail("train", *harness.flags(resmlp), expect=78)[1])
        for key, value in (("augment.mixup", 0.8), ("augment.crop", "none"), ("loss.smoothing", 0.1), ("ema.decay", 0.9),
                           ("distillation.type", "hard"), ("evaluate.flip", "true"), ("augment.dct_scaling", "true")):
            with self.subTest(key=key):
                self.assertIn(f"--{key}", self.refused(2, **{key.replace(".", "__"): value}))
        self.assertIn("model.name = deit_ti16_distilled", self.refused(78, model__name="deit_ti16_distilled"))
        self.assertIn("dino.local_size = 16", self.refused(78, model__name="cait_xxs24"))
        self.assertIn("checkpoint.keep_best = loss", self.refused(78, checkpoint__keep_best="loss"))
        self.assertIn("dino.local_min_area", self.refused(78, dino__local_min_area=0.5))

    def test_another_setting_is_another_run(self):
        text = self.vitrail("train", *harness.flags(self.settings | {"run.dir": self.reference, "dino.momentum": 0.9}), expect=78)[1]
        self.assertIn("dino.momentum was 0.996, is 0.9", text)


if __name__ == "__main__":
    unittest.main()
