"""Twenty training steps against PyTorch's AdamW and timm's Lamb, from the same weights on the same tensors; four of a network
with batch norm, whose statistics are averaged over lanes.

tests/peers/make_trajectory_fixtures.py made the fixtures, and make_statistics_fixtures.py; they and their metadata tell the
settings.
"""

import json
import unittest

import given_values as given
import harness

FIXTURES = harness.FIXTURES / "trajectory"
STEPS, LANES = 20, 4
WEIGHT_TOLERANCE = 1e-10  # absolute, fp64
CLIPPING = {"adamw": "optimizer.clip_norm", "lamb": "optimizer.lamb_max_grad_norm"}  # of two, the smaller acts
LOSS_TOLERANCE = 1e-5  # relative, fp32. Weights in fp32 diverge sooner: the key bias's gradient is rounding noise


def relative(a, b):
    return abs(a - b) / abs(b)


class TrajectoryTest(harness.RunTest):
    def settings_of(self, optimizer, metadata):
        told = json.loads(metadata["settings"])
        model = {f"model.{key}": value for key, value in told["model"].items()}
        rule = told["optimizer"]
        plain = {f"optimizer.{key}": rule[key] for key in rule if key not in ("batch", "label_smoothing")}
        return model | plain | {
            "run.lanes": LANES,
            "run.steps": STEPS,
            "data.train": f"tensor:{FIXTURES / 'data.safetensors'}",
            "data.order": "sequential",
            "data.global_batch_size": rule["batch"],
            "model.name": "vit_xxs4",
            "model.weights": FIXTURES / "initial.safetensors",
            "optimizer.name": optimizer,
            "loss.smoothing": rule["label_smoothing"],
            "schedule.name": "constant",
        }

    def train(self, name, ranks, settings, count=STEPS):
        """(losses, gradient norms before clipping, final weights)"""
        run = self.folder / name
        self.launch(run, ranks, settings)
        steps, _ = harness.read_metrics(run)
        self.assertEqual(len(steps), count)
        exported = self.folder / f"{name}.safetensors"
        self.vitrail("export", "--checkpoint", run / "checkpoints" / "latest", "--output", exported)
        weights, _ = harness.read_safetensors(exported)
        return [float(x["loss"]) for x in steps], [float(x["grad_norm"]) for x in steps], weights

    def largest_difference(self, weights, expected):
        theirs = {name[len("weights.") :]: tensor for name, tensor in expected.items() if name.startswith("weights.")}
        self.assertEqual({n: shape for n, (shape, _) in weights.items()}, {n: shape for n, (shape, _) in theirs.items()})
        return max(abs(a - b) for name in theirs for a, b in zip(weights[name][1], theirs[name][1]))

    def check_fp64(self, optimizer):
        expected, metadata = harness.read_safetensors(FIXTURES / f"{optimizer}.safetensors")
        settings = self.settings_of(optimizer, metadata) | {"precision.compute": "fp64"}
        for ranks in (1, 2, 4):
            with self.subTest(optimizer=optimizer, ranks=ranks):
                losses, norms, weights = self.train(f"{optimizer}-fp64-{ranks}", ranks, settings)
                weight = self.largest_difference(weights, expected)
                loss = max(map(relative, losses, expected["loss.fp64"][1]))
                norm = max(map(relative, norms, expected["grad_norm.fp64"][1]))
                print(f"{optimizer} fp64, {ranks} ranks: weights {weight:.1e}; relative: loss {loss:.1e}, norm {norm:.1e}")
                self.assertLess(weight, WEIGHT_TOLERANCE)
                self.assertLess(loss, WEIGHT_TOLERANCE)
                self.assertLess(norm, WEIGHT_TOLERANCE)
        with self.subTest(optimizer=optimizer, clipping=False):  # the comparison would notice a mistake
            *_, weights = self.train(f"{optimizer}-unclipped", 1, settings | {CLIPPING[optimizer]: 0})
            self.assertGreater(self.largest_difference(weights, expected), 1e6 * WEIGHT_TOLERANCE)

    def check_fp32(self, optimizer):
        expected, metadata = harness.read_safetensors(FIXTURES / f"{optimizer}.safetensors")
        for ranks in (1, 2, 4):
            with self.subTest(optimizer=optimizer, ranks=ranks):
                losses, *_ = self.train(f"{optimizer}-fp32-{ranks}", ranks, self.settings_of(optimizer, metadata))
                loss = max(map(relative, losses, expected["loss.fp32"][1]))
                print(f"{optimizer} fp32, {ranks} ranks: relative: loss {loss:.1e}")
                self.assertLess(loss, LOSS_TOLERANCE)

    def regnet(self):
        """What timm's RegNetY-200MF came to in fp64, and the settings that should lead there."""
        expected = json.loads((FIXTURES / "regnet.json").read_text())
        initial, data = self.folder / "regnet-initial.safetensors", self.folder / "regnet-data.safetensors"
        weights = {name: (shape, given.weight(name, shape)) for name, shape in expected["shapes"].items()}
        for name, (_, values) in weights.items():
            self.assertEqual(given.digest(values), expected["before"][name], name)
        harness.write_safetensors(initial, weights)
        harness.write_safetensors(data, {"images": given.images(), "labels": given.labels()})
        settings = given.SETTINGS | {
            "run.lanes": given.LANES, "run.steps": given.STEPS, "precision.compute": "fp64", "model.name": "regnety_002",
            "model.image_size": given.IMAGE_SIZE, "model.classes": given.CLASSES, "model.weights": initial,
            "data.train": f"tensor:{data}", "data.order": "sequential", "data.global_batch_size": given.BATCH,
            "schedule.name": "constant", "checkpoint.every": "2st",
        }
        return expected, settings

    def worst_of(self, after, expected):
        self.assertEqual(after.keys(), expected.keys())
        return max(
            abs(a - b) / max(1, abs(b))
            for name, (_, values) in after.items()
            for a, b in zip(given.digest(values), expected[name])
        )

    def check_regnet(self, name, ranks, settings, expected):
        losses, norms, after = self.train(name, ranks, settings, given.STEPS)
        for ours, theirs in ((losses, expected["loss"]), (norms, expected["grad_norm"])):
            self.assertLess(max(map(relative, ours, theirs)), WEIGHT_TOLERANCE)
        worst = self.worst_of(after, expected["after"])
        print(f"batch norm fp64, {name}: weights and statistics {worst:.1e}")
        self.assertLess(worst, WEIGHT_TOLERANCE)
        return self.folder / name

    def test_statistics_of_lanes(self):
        """RegNetY-200MF in fp64: weights and running statistics are those of a module for each lane, averaged."""
        expected, settings = self.regnet()
        runs = [self.check_regnet(f"regnet-{ranks}", ranks, settings, expected) for ranks in (1, 2, 4)]
        moved = [name for name in expected["after"] if name.endswith("running_var") and
                 expected["after"][name][0] != expected["before"][name][0]]
        self.assertEqual(len(moved), sum(name.endswith("running_var") for name in expected["after"]))
        # Statistics are state: a run that was interrupted has them, on other ranks, to the bit.
        resumed = self.folder / "regnet-resumed"
        self.launch(resumed, 2, settings | {"run.steps": 2})
        self.launch(resumed, 4, settings)
        self.assertEqual(len(set(self.hashes_of(*runs, resumed))), 1)

    def test_statistics_of_groups_of_lanes(self):
        """Lanes that are normalised together are a module's one batch: 8 by twos, and 16 by fours, are these 4 again."""
        expected, settings = self.regnet()
        twos, fours = ({"run.lanes": n * given.LANES, "model.batch_norm_lanes": n} for n in (2, 4))
        runs = [
            self.check_regnet(f"groups-{ranks}", ranks, settings | lanes, expected)
            for ranks, lanes in ((1, twos), (2, twos), (3, fours), (4, twos))
        ]
        resumed = self.folder / "groups-resumed"
        self.launch(resumed, 4, settings | twos | {"run.steps": 2})
        self.launch(resumed, 2, settings | twos)
        self.assertEqual(len(set(self.hashes_of(*runs, resumed, part="weights"))), 1)
        alone = self.folder / "groups-apart"  # the comparison would notice a mistake
        self.launch(alone, 1, settings | {"run.lanes": 8})
        self.assertNotEqual(*self.hashes_of(runs[0], alone, part="weights"))
        refused = self.launch(self.folder / "groups-8", 8, settings | twos, expect=78)[1]
        self.assertIn("8 ranks with run.lanes = 8 and model.batch_norm_lanes = 2", refused)
        self.assertIn("start at most 4 ranks", refused)
        for together, says in ((3, "set model.batch_norm_lanes = 2"), (8, "set model.batch_norm_lanes = 4, or more lanes")):
            words = settings | {"model.batch_norm_lanes": together}
            self.assertIn(says, self.launch(self.folder / "never", None, words, expect=78)[1])

    def test_statistics_of_a_step_that_is_left_out(self):
        """What a step finds out that overflows in fp16 is forgotten with its gradients."""
        expected, settings = self.regnet()
        half = settings | {"precision.compute": "fp16", "run.steps": 1, "checkpoint.every": "1st"}
        for scale, skipped in ((2.0**24, 1), (1, 0)):
            name = f"half-{skipped}"
            _, _, after = self.train(name, 1, half | {"precision.loss_scale": scale}, 1)
            self.assertEqual(harness.read_metrics(self.folder / name)[0][0]["skipped"], skipped)
            kept = [n for n in after if "running_" in n and given.digest(after[n][1]) == expected["before"][n]]
            self.assertEqual(len(kept), sum("running_" in n for n in after) if skipped else 0)

    def test_statistics_that_are_not_trained(self):
        """They stay, and are what training normalises with: its loss is that of an evaluation."""
        expected, settings = self.regnet()
        frozen = settings | {"finetune.train_only": "head.*", "run.steps": 1, "run.lanes": 1, "loss.smoothing": 0}
        losses, _, after = self.train("frozen", 1, frozen, 1)
        for name, (_, values) in after.items():
            same = given.digest(values) == expected["before"][name]
            self.assertEqual(same, not name.startswith("head."), name)
        shape, pixels = given.images()
        batch, labels = given.BATCH * len(pixels) // shape[0], given.labels()[1][: given.BATCH]
        first = self.folder / "first-batch.safetensors"
        images = ([given.BATCH, *shape[1:]], pixels[:batch])
        harness.write_safetensors(first, {"images": images, "labels": ([given.BATCH], labels)})
        names = ("model.name", "model.image_size", "model.classes", "model.weights", "precision.compute")
        asked = harness.flags({name: settings[name] for name in names})
        said = json.loads(self.vitrail("eval", "--data", f"tensor:{first}", "--format", "json", *asked)[0])
        self.assertLess(relative(losses[0], said["loss"]), WEIGHT_TOLERANCE)

    def test_adamw_fp64(self):
        self.check_fp64("adamw")

    def test_lamb_fp64(self):
        self.check_fp64("lamb")

    def test_adamw_fp32(self):
        self.check_fp32("adamw")

    def test_lamb_fp32(self):
        self.check_fp32("lamb")


if __name__ == "__main__":
    unittest.main()
