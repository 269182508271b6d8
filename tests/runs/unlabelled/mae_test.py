"""MAE in a user's hands: the same run on any ranks, killed or not; its encoder fine-tuned, evaluated by neighbours and exported;
what has no patches to leave out, refused."""

import unittest

import tiny
from tiny import harness

STEPS = 6


class MaeTest(tiny.Runs):
    TASK = {
        "run.steps": STEPS,
        "task.name": "mae",
        "mae.width": 16,
        "mae.depth": 1,
        "mae.heads": 2,
        "optimizer.decay_tokens": "true",
        "evaluate.every": "3st",
        "evaluate.features": "mean",
    }

    def test_any_number_of_ranks(self):
        self.check_any_number_of_ranks()

    def test_killed_and_resumed_on_other_ranks(self):
        self.check_killed_and_resumed((4, 4))

    def test_the_encoder_goes_on_with_a_norm_and_a_head_of_its_own(self):
        weights = self.folder / "encoder.safetensors"
        self.vitrail("export", "--checkpoint", self.reference, "--output", weights)
        names = set(harness.read_safetensors(weights)[0])
        self.assertIn("pos_embed", names)
        self.assertIn("norm.weight", names)
        self.assertEqual({name for name in names if "decoder" in name or name == "mask_token"}, set())
        common = self.body | {"run.lanes": 4, "run.steps": 2, "data.train": self.train, "data.global_batch_size": 32,
                              "model.pooling": "mean", "optimizer.layer_decay": 0.65, "optimizer.lr": 0.01}
        for name, source in (("from-run", self.reference), ("from-file", weights)):
            run = self.folder / name
            self.launch(run, None, common | {"model.weights": source})
            self.assertIn("fc_norm.weight", (run / "log.txt").read_text())
        mine, theirs = (harness.read_metrics(self.folder / name)[0] for name in ("from-run", "from-file"))
        self.assertEqual([line["loss"] for line in mine], [line["loss"] for line in theirs])
        # Others read it as it was trained, or are told.
        tuned, imported = self.folder / "tuned.safetensors", self.folder / "imported"
        self.vitrail("export", "--checkpoint", self.folder / "from-run", "--output", tuned)
        told = harness.flags(self.body | {"model.pooling": "mean", "model.weights": tuned})
        self.vitrail("import", *told, "--output", imported)
        logits, answers = self.folder / "logits.safetensors", []
        for words in (("--checkpoint", self.folder / "from-run"), told, ("--checkpoint", imported)):
            self.vitrail("predict", "--data", self.val, "--output", logits, *words)
            answers.append(harness.read_safetensors(logits)[0]["logits"])
            self.vitrail("eval", "--data", self.val, *words)
        self.assertEqual(answers, answers[:1] * 3)
        # Its positions are learned from here on.
        before, after = (harness.read_safetensors(path)[0]["pos_embed"] for path in (weights, tuned))
        self.assertNotEqual(before, after)

    def test_neighbours_judge_it(self):
        evaluations = harness.read_metrics(self.reference)[1]
        self.assertEqual([line["step"] for line in evaluations], [3, STEPS])
        words = ("eval", "--checkpoint", self.reference, "--data", self.val, "--evaluate.protocol", "knn", "--format", "json")
        self.assertEqual(harness.scores(self.vitrail(*words)[0]), evaluations[-1]["eval"])

    def test_what_has_no_patches_to_leave_out_is_refused(self):
        self.assertIn("model.name = cait_xxs24", self.refused(78, model__name="cait_xxs24"))
        self.assertIn("mae.masked = 0.99", self.refused(78, mae__masked=0.99))
        self.assertIn("mae.width = 15", self.refused(78, mae__width=15))
        self.assertIn("--augment.mixup", self.refused(2, augment__mixup=0.8))
        self.assertIn("--dino.outputs", self.refused(2, dino__outputs=64))


if __name__ == "__main__":
    unittest.main()
