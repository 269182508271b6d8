"""A linear probe in a user's hands: of what DINO learned, the same on any ranks, killed or not; evaluated, exported, and its body
left as it was."""

import unittest

import tiny
from tiny import harness

STEPS = 6


class LinearTest(tiny.Runs):
    TASK = {
        "run.steps": STEPS,
        "task.name": "linear",
        "linear.features": "last:2",
        "optimizer.name": "sgd",
        "optimizer.lr": 0.1,
        "optimizer.weight_decay": 0,
        "evaluate.every": "3st",
        "finetune.weights": "ema",
    }

    WITHOUT = ("model.drop_path", "evaluate.neighbours")

    @classmethod
    def prepared(cls):
        """Two steps of DINO, whose teacher is looked at."""
        dino = cls.folder / "dino"
        cls.vitrail("launch", "-n", 2, *harness.flags(cls.body | {
            "run.dir": dino, "run.lanes": 8, "run.steps": 2, "task.name": "dino", "dino.local_views": 0, "dino.outputs": 64,
            "dino.hidden": 32, "dino.bottleneck": 16, "data.train": cls.train, "data.global_batch_size": 32}))
        return {"model.weights": dino}

    def test_any_number_of_ranks(self):
        self.check_any_number_of_ranks()

    def test_killed_and_resumed_on_other_ranks(self):
        self.check_killed_and_resumed((4, 4))

    def test_it_is_evaluated_as_it_learned(self):
        evaluations = harness.read_metrics(self.reference)[1]
        self.assertEqual([line["step"] for line in evaluations], [3, STEPS])
        words = ("eval", "--checkpoint", self.reference, "--data", self.val, "--format", "json")
        self.assertEqual(harness.scores(self.vitrail(*words)[0]), evaluations[-1]["eval"])
        of_body = harness.scores(self.vitrail(*words, "--evaluate.protocol", "knn", "--evaluate.neighbours", 5)[0])
        of_dino = self.vitrail("eval", "--checkpoint", self.settings["model.weights"], "--data", self.val, "--format", "json",
                               "--evaluate.protocol", "knn", "--evaluate.weights", "ema", "--evaluate.neighbours", 5)[0]
        self.assertEqual(of_body, harness.scores(of_dino))

    def test_its_body_is_the_teachers(self):
        files = [self.folder / name for name in ("teacher.safetensors", "probe.safetensors")]
        self.vitrail("export", "--checkpoint", self.settings["model.weights"], "--output", files[0], "--ema")
        self.vitrail("export", "--checkpoint", self.reference, "--output", files[1])
        teacher, probe = (harness.read_safetensors(path)[0] for path in files)
        self.assertEqual({name: probe[name] for name in teacher}, teacher)
        self.assertEqual(set(probe) - set(teacher), {"head.weight", "head.bias"})

    def test_a_body_that_learned_nothing_is_told(self):
        run = self.folder / "control"
        given = {key: value for key, value in self.settings.items() if key not in ("model.weights", "finetune.weights")}
        self.launch(run, None, given | {"run.steps": 1})
        self.assertIn("warning: without model.weights", (run / "log.txt").read_text())
        self.assertNotIn("without model.weights", (self.reference / "log.txt").read_text())

    def test_what_has_no_effect_is_refused(self):
        for key, value in (("model.drop_path", 0.1), ("optimizer.layer_decay", 0.7), ("distillation.type", "hard"), ("dino.outputs", 64)):
            with self.subTest(key=key):
                self.assertIn(f"--{key}", self.refused(2, **{key.replace(".", "__"): value}))
        self.assertIn("finetune.train_only", self.refused(78, finetune__train_only="head.*"))
        self.assertIn("--linear.features", self.refused(2, linear__features="projection"))


if __name__ == "__main__":
    unittest.main()
