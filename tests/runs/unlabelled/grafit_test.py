"""Grafit in a user's hands: learned from coarse classes and judged by fine ones, by neighbours and retrieval; the same run on any
ranks, killed or not; beside a classifier of the same coarse classes. What cannot be learned so, refused."""

import json
import unittest

import tiny
from tiny import harness

STEPS = 9
COARSE = "0,tops\n1,legs\n2,tops\n3,tops\n4,tops\n5,shoes\n6,tops\n7,shoes\n8,bags\n9,shoes\n"


class GrafitTest(tiny.Runs):
    TASK = {
        "run.steps": STEPS,
        "task.name": "grafit",
        "grafit.views": 2,
        "grafit.hidden": 32,
        "grafit.outputs": 16,
        "grafit.predictor_hidden": 32,
        "evaluate.every": "4st",
        "evaluate.features": "projection",
        "evaluate.retrieval": "true",
    }

    @classmethod
    def prepared(cls):
        path = cls.folder / "coarse.csv"
        path.write_text(COARSE)
        return {"data.coarse": path}

    def test_any_number_of_ranks(self):
        self.check_any_number_of_ranks()

    def test_killed_and_resumed_on_other_ranks(self):
        self.check_killed_and_resumed((2, 3), (4, 7))

    def test_groups_of_lanes_a_part_of_the_images_and_damaged_ones(self):
        """What is remembered of an image that another one replaces, and of those that are left out, moves nothing."""
        photos = self.folder / "photos"
        self.vitrail("unpack", self.train, "--output", photos)
        listed = sorted(photos.rglob("*.png"))[10:82]
        listed[20].write_bytes(listed[20].read_bytes()[:60])
        part = self.folder / "part.txt"
        part.write_text("".join(f"{image.relative_to(photos)}\n" for image in listed))
        common = {key: value for key, value in self.settings.items() if not key.startswith("model.")}
        own = {"run.steps": 5, "model.name": "resnet18", "model.image_size": 32, "model.batch_norm_lanes": 2,
               "data.train": f"folder:{photos}", "data.subset": f"list:{part}"}
        runs = {ranks: self.folder / f"parts-{ranks}" for ranks in (1, 2, 4)}
        for ranks, run in runs.items():
            self.launch(run, ranks, common | own)
            harness.check_same_metrics(self, run, runs[1])
            self.check_same_state(run, runs[1])
        self.assertIn("replaced: ", (runs[1] / "log.txt").read_text())
        manifest = json.loads((runs[1] / "checkpoints/latest/manifest.json").read_text())
        rows = [lane["rows"] for file in manifest["files"] for lane in file["lanes"]]
        self.assertEqual(sum(row["count"] for row in rows), 72)

    def test_what_is_remembered_is_shared_by_lanes(self):
        manifest = json.loads((self.reference / "checkpoints/latest/manifest.json").read_text())
        rows = {lane["lane"]: lane["rows"] for file in manifest["files"] for lane in file["lanes"]}
        self.assertEqual(sorted(rows), list(range(8)))
        self.assertEqual({(row["count"], row["width"]) for row in rows.values()}, {(12, 16)})
        self.assertEqual(len(manifest["files"]), 2)

    def test_fine_classes_judge_it(self):
        evaluations = harness.read_metrics(self.reference)[1]
        self.assertEqual([line["step"] for line in evaluations], [4, 8, STEPS])
        self.assertEqual(set(evaluations[-1]["eval"]) - {"images"}, {"top1", "top5", "map", "map_conditional", "map_oracle"})
        words = ("eval", "--checkpoint", self.reference, "--data", self.val, "--format", "json", "--evaluate.protocol", "knn")
        coarse = ("--data.coarse", self.settings["data.coarse"])
        found = harness.scores(self.vitrail(*words, *coarse)[0])
        self.assertEqual(found, evaluations[-1]["eval"])
        report = self.vitrail(*words, "--evaluate.cross_validated", "true")[0]
        without = harness.scores(report)
        self.assertEqual(without["map"], found["map"])
        self.assertIn(without["neighbours"], (10, 15, 20, 25, 30))
        self.assertEqual(json.loads(report)["used"]["knn"]["neighbours"], without["neighbours"])  # not the run's 5
        trunk = harness.scores(self.vitrail(*words, *coarse, "--evaluate.features", "head")[0])
        self.assertNotEqual(trunk["map"], found["map"])

    def test_neighbours_alone_and_a_classifier_of_the_same_coarse_classes(self):
        alone = self.folder / "alone"
        given = {k: v for k, v in self.settings.items() if k not in ("grafit.views", "grafit.predictor_hidden")}
        self.launch(alone, 2, given | {"grafit.instance_weight": 0, "grafit.memory_renormalised": "true", "run.steps": 3})
        classifier = self.folder / "classifier"
        given = self.body | {"run.lanes": 4, "run.steps": 3, "data.train": self.train, "data.val": self.val, "data.global_batch_size": 32,
                             "data.coarse": self.settings["data.coarse"], "model.classes": 4, "evaluate.every": "3st"}
        self.launch(classifier, None, given)
        self.assertEqual(float(harness.read_metrics(classifier)[1][-1]["eval"]["top5"]), 100)  # of four coarse classes
        words = ("eval", "--checkpoint", classifier, "--data", self.val, "--format", "json")
        coarse = harness.scores(self.vitrail(*words, "--data.coarse", given["data.coarse"])[0])
        self.assertEqual(coarse["top1"], harness.read_metrics(classifier)[1][-1]["eval"]["top1"])
        fine = harness.scores(self.vitrail(*words, "--evaluate.protocol", "knn", "--evaluate.retrieval", "true")[0])
        self.assertGreater(float(fine["map"]), 10)

    def test_what_cannot_be_learned_so_is_refused_by_name(self):
        for key, value in (("augment.mixup", 0.8), ("loss.smoothing", 0.1), ("ema.decay", 0.9), ("dino.outputs", 64)):
            with self.subTest(key=key):
                self.assertIn(f"--{key}", self.refused(2, **{key.replace(".", "__"): value}))
        self.assertIn("model.name = deit_ti16_distilled", self.refused(78, model__name="deit_ti16_distilled"))
        self.assertIn("checkpoint.keep_best = loss", self.refused(78, checkpoint__keep_best="loss"))
        self.assertIn("never see together", self.refused(2, task__name="simclr"))
        short = self.folder / "short.csv"
        short.write_text(COARSE[:-8])
        self.assertIn("has no line for 9", self.refused(78, data__coarse=short))

    def test_other_groups_are_another_run(self):
        other = self.folder / "other.csv"
        other.write_text(COARSE.replace("bags", "tops"))
        words = harness.flags(self.settings | {"run.dir": self.reference, "data.coarse": other})
        self.assertIn("data.train was another data set", self.vitrail("train", *words, expect=78)[1])


if __name__ == "__main__":
    unittest.main()
