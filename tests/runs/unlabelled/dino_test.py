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
        self.assertIn("learns none", self.vitrail(*words, "--evaluate.protocol", "classifier", expect=78)[1])
        for unused in (("evaluate.per_class", "true"), ("evaluate.real_labels", "none.json"), ("evaluate.crops", "five")):
            self.assertIn("nothing uses this", self.vitrail(*words, f"--{unused[0]}", unused[1], expect=2)[1])
        self.assertNotIn("begins anew", self.vitrail(*words, "--evaluate.protocol", "knn")[1])  # no head is asked for
        student = harness.scores(self.vitrail(*words, "--evaluate.protocol", "knn", "--evaluate.weights", "raw")[0])
        self.assertNotEqual(student, found)
        self.assertEqual(harness.scores(self.vitrail(*words)[0]), found)  # what learned no labels has no other judge
        self.assertIn("it has no head", self.vitrail("predict", *words[1:], expect=78)[1])

    def test_other_bodies_on_any_number_of_ranks(self):
        common = {key: value for key, value in self.settings.items() if not key.startswith("model.")}
        for name, own in BODIES.items():
            with self.subTest(body=name):
                runs = [self.folder / f"{name}-{ranks}" for ranks in (1, 2, 4)]
                for ranks, run in zip((1, 2, 4), runs):
                    self.launch(run, ranks, common | {"run.steps": 3, "model.name": name} | own)
                    harness.check_same_metrics(self, run, runs[0])
                    self.check_same_state(run, runs[0])

    def test_images_without_labels(self):
        """As they lie and packed, the same run; neighbours are asked where others have labels, and nothing is that wants them."""
        photos, pack = self.folder / "photos", self.folder / "unlabelled"
        self.vitrail("unpack", self.train, "--output", photos)
        self.vitrail("pack", "--source", f"images:{photos}", "--output", pack)
        self.assertIn("images without labels", self.vitrail("info", pack)[0])
        lies, packed = self.folder / "lies", self.folder / "packed"
        common = self.settings | {"run.steps": 3, "evaluate.known": self.train}
        self.launch(lies, 2, common | {"data.train": f"images:{photos}"})
        self.launch(packed, 3, common | {"data.train": pack})
        harness.check_same_metrics(self, lies, packed)
        self.check_same_state(lies, packed)
        self.assertEqual(harness.read_metrics(packed)[1][-1]["eval"]["images"], 50)
        said = self.refused(65, data__train=pack)
        self.assertIn(f"data.train = {pack}: no image has a label that could vote", said)
        self.assertIn("evaluate.known", said)
        self.assertIn(f"data.val = {pack}: no image has a label", self.refused(65, data__val=pack))
        self.assertIn(f"evaluate.known = {pack}: no image has a label", self.refused(65, evaluate__known=pack))
        known = self.vitrail("doctor", *harness.flags(common | {"evaluate.known": pack, "run.dir": self.folder / "none"}), expect=78)[0]
        self.assertIn(f"evaluate.known = {pack}: no image has a label", known.replace("\n", "").replace(" " * 36, " "))
        doctor = self.vitrail("doctor", *harness.flags(self.settings | {"data.train": pack, "run.dir": self.folder / "none"}), expect=78)[0]
        self.assertIn("no image has a label that could vote", " ".join(doctor.split()))
        labelled = self.body | {"run.lanes": 4, "run.steps": 2, "data.train": pack, "data.global_batch_size": 32, "run.dir": self.folder / "none"}
        said = self.vitrail("train", *harness.flags(labelled), expect=65)[1]
        self.assertIn("no image has a label, and task.name = classification learns from them", said)
        features = self.folder / "features.safetensors"
        self.vitrail("features", "--checkpoint", packed, "--data", pack, "--output", features)
        self.assertEqual(set(harness.read_safetensors(features)[0]), {"features"})

    def test_a_classifier_judged_by_neighbours_while_it_learns(self):
        run = self.folder / "classifier"
        self.launch(run, 2, self.body | {"run.lanes": 4, "run.steps": 4, "data.train": self.train, "data.val": self.val, "data.global_batch_size": 32,
                                         "evaluate.every": "2st", "evaluate.protocol": "knn", "evaluate.cross_validated": "true"})
        evaluations = harness.read_metrics(run)[1]
        self.assertEqual([line["step"] for line in evaluations], [2, 4])
        self.assertEqual(set(evaluations[-1]["eval"]), {"images", "top1", "top5", "neighbours"})
        found = harness.scores(self.vitrail("eval", "--checkpoint", run, "--data", self.val, "--format", "json")[0])
        self.assertEqual(found, evaluations[-1]["eval"])  # as the run's settings say
        self.assertIn("loss", self.vitrail("eval", "--checkpoint", run, "--data", self.val, "--evaluate.protocol", "classifier")[0])

    def test_who_votes_is_what_was_trained_on(self):
        """A part of the images with labels of a table; five crops that a classifier looked at; not fewer classes than are asked about."""
        photos, table = self.folder / "voters", self.folder / "labels.csv"
        self.vitrail("unpack", self.train, "--output", photos)
        names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
        table.write_text("image,label\n" + "".join(f"{name},{(int(name[0]) + 1) % 10}\n" for name in names[:90]))
        run = self.folder / "part"
        common = self.body | {"run.lanes": 4, "run.steps": 2, "data.global_batch_size": 32, "data.val": self.val}
        self.launch(run, None, common | {"data.train": f"folder:{photos}", "data.labels": table, "data.subset": "50%",
                                         "evaluate.protocol": "knn", "evaluate.neighbours": 5})
        words = ("eval", "--checkpoint", run, "--data", self.val, "--format", "json")
        found = harness.scores(self.vitrail(*words)[0])
        self.assertEqual(found, harness.read_metrics(run)[1][-1]["eval"])
        everyone = harness.scores(self.vitrail(*words, "--evaluate.known", f"folder:{photos}")[0])
        self.assertNotEqual(everyone["top1"], found["top1"])
        crops = self.folder / "crops"
        self.launch(crops, None, common | {"data.train": self.train, "evaluate.crops": "five"})
        plain = self.folder / "plain"
        self.launch(plain, None, common | {"data.train": self.train})
        by_neighbours = [harness.scores(self.vitrail("eval", "--checkpoint", trained, "--data", self.val, "--format", "json",
                                                     "--evaluate.protocol", "knn")[0]) for trained in (crops, plain)]
        self.assertEqual(*by_neighbours)
        few = common | {"data.train": self.train, "evaluate.protocol": "knn", "evaluate.known": "synthetic:20,4,28", "run.dir": self.folder / "few"}
        text = self.vitrail("train", *harness.flags(few), expect=78)[1]
        self.assertRegex(text, "has no|has 10 classes|class")

    def test_the_best_is_of_one_way_to_judge(self):
        run = self.folder / "best"
        given = self.body | {"run.lanes": 4, "run.steps": 6, "data.train": self.train, "data.val": self.val, "data.global_batch_size": 32,
                             "evaluate.every": "2st", "checkpoint.every": "2st", "checkpoint.keep_best": "top1", "evaluate.protocol": "knn",
                             "evaluate.neighbours": 5, "optimizer.lr": 1e-5}
        job, _ = self.start_held(given | {"run.dir": run}, 2, 5)
        job.kill()
        classifier = {key: value for key, value in given.items() if not key.startswith("evaluate.")} | {"evaluate.every": "2st"}
        self.launch(run, 2, classifier)
        self.assertIn("checkpoint.keep_best begins anew: evaluate.", (run / "log.txt").read_text())
        self.assertNotEqual((run / "checkpoints/best").resolve().name, "step-00000002")

    def test_damaged_images_do_not_vote(self):
        photos = self.folder / "damaged"
        self.vitrail("unpack", self.train, "--output", photos)
        images = sorted(photos.rglob("*.png"))
        images[0].write_bytes(images[0].read_bytes()[:60])
        common = self.settings | {"run.steps": 2, "evaluate.known": f"folder:{photos}"}
        runs = [self.folder / f"voters-{ranks}" for ranks in (1, 4)]
        for ranks, run in zip((1, 4), runs):
            self.launch(run, ranks, common)
            self.assertIn("warning: 1 of the images that vote cannot be decoded", (run / "log.txt").read_text())
        self.assertEqual(harness.read_metrics(runs[0])[1][-1]["eval"], harness.read_metrics(runs[1])[1][-1]["eval"])
        images[1].write_bytes(images[1].read_bytes()[:60])
        self.assertIn("evaluate.known", self.launch(self.folder / "too-many", 2, common, expect=65)[1])

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
        for command in (("train",), ("plan", "--gpu", "a100", "-n", 8), ("launch", "--check", "-n", 2)):
            with self.subTest(command=command[0]):
                text = "".join(self.vitrail(*command, *harness.flags(resmlp), expect=78))
                self.assertIn("dino.local_views = 0", text)
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
        words = {key: value for key, value in self.settings.items() if not key.startswith(("dino.", "evaluate."))} | {"run.dir": self.reference}
        text = self.vitrail("train", *harness.flags(words | {"task.name": "mae"}), expect=78)[1]
        self.assertIn("task.name was dino, is mae", text)


if __name__ == "__main__":
    unittest.main()
