"""Runs that begin with another run's weights, train a part of the network, or learn from a teacher; and what `eval` tells
beside top-1: reassessed labels and single classes."""

import collections
import json
import math
import re
import unittest

import harness

IMAGES = 96
LEARNS = {  # something in a second
    "augment.crop": "none",
    "augment.mixup": 0,
    "augment.cutmix": 0,
    "model.drop_path": 0,
    "optimizer.name": "adamw",
    "optimizer.lr": 0.01,
}
FEW = {"run.steps": 6, "checkpoint.every": "0st", "run.rehearsal": "false"}


class FinetuneTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pack = cls.make_pack("pack", IMAGES)
        cls.base = cls.folder / "base"
        cls.vitrail("launch", "-n", 2, *harness.flags(harness.TINY_RUN | FEW | {"run.steps": 30, "data.train": cls.pack, "run.dir": cls.base}))

    def train(self, name, changes, ranks=1, expect=0):
        run = self.folder / name
        text = self.launch(run, ranks, harness.TINY_RUN | FEW | {"data.train": self.pack} | changes, expect=expect)[1]
        return run, text

    def export(self, run, *words):
        path = self.folder / f"{run.name}{'-'.join(words)}.safetensors"
        self.vitrail("export", "--checkpoint", run, "--output", path, *words)
        return path

    @staticmethod
    def losses(run):
        return [line["loss"] for line in harness.read_metrics(run)[0]]

    def test_weights_of_a_checkpoint(self):
        """A run's folder is as good as the file that export writes, raw and average."""
        by = {}
        for which, words in (("raw", []), ("ema", ["--ema"])):
            file, _ = self.train(f"file-{which}", {"model.weights": self.export(self.base, *words)})
            folder, text = self.train(f"folder-{which}", {"model.weights": self.base, "finetune.weights": which}, ranks=2)
            self.assertEqual(self.losses(file), self.losses(folder))
            self.assertEqual(self.hash_of(file), self.hash_of(folder))
            self.assertRegex(text, rf"weights of {self.base}/checkpoints/step-00000030: (\d+) tensors, \1 as they are, 0 interpolated, 0 by name, 0 begin anew")
            by[which] = self.losses(folder)
        self.assertNotEqual(*by.values())
        run, text = self.train("swapped", {"model.weights": self.base, "model.image_size": 56, "model.classes": 12})
        self.assertRegex(text, r"tensors, \d+ as they are, 1 interpolated, 0 by name, 2 begin anew")
        kept = (run / "weights.txt").read_text()
        self.assertRegex(kept, r"  pos_embed +\[1, 49, 32\] +\[1, 196, 32\] +interpolated\n")
        self.assertRegex(kept, r"  head.weight +\[10, 32\] +\[12, 32\] +dropped: another number of classes, begins anew\n")
        named = re.findall(r"^  (\S+) .*  as it is$", kept, re.M)
        unchanged = set(harness.read_safetensors(self.export(self.base))[0]) - {"pos_embed", "head.weight", "head.bias"}
        self.assertEqual(set(named), unchanged)
        self.assertFalse((self.base / "weights.txt").exists(), "its weights are its own")
        _, text = self.train("no", {"model.weights": self.export(self.base), "finetune.weights": "ema"}, expect=78)
        self.assertIn("finetune.weights = ema with model.weights: a file holds one set of weights", text)

    def classes(self, *names):
        path = self.folder / f"classes-{'-'.join(names)}.txt"
        path.write_text("".join(f"{name}\n" for name in names))
        return path

    def test_head_by_name(self):
        """The rows of the classes that the new training set has, in its order; the same number of classes in another order,
        too. The head is not trained, so that it can be told."""
        by_name = {"model.weights": self.base, "finetune.head": "by_name", "finetune.train_only": "blocks.*", "run.steps": 1}
        before = harness.read_safetensors(self.export(self.base))[0]
        width = harness.TINY_MODEL["model.width"]
        few = {"data.global_batch_size": 8, "augment.mixup": 0, "augment.cutmix": 0}
        for names, changes in ((("7", "2", "5"), few), (tuple("9876543210"), {})):
            chosen = changes | {"data.classes": self.classes(*names), "model.classes": len(names)}
            runs = [self.train(f"rows-{len(names)}-{ranks}", by_name | chosen, ranks)[0] for ranks in (1, 3)]
            self.assertEqual(self.hash_of(runs[0]), self.hash_of(runs[1]))
            after = harness.read_safetensors(self.export(runs[0]))[0]
            for row, name in enumerate(names):
                old, new = (tensors["head.weight"][1][k * width : (k + 1) * width] for tensors, k in ((before, int(name)), (after, row)))
                self.assertEqual(old, new)
                self.assertEqual(before["head.bias"][1][int(name)], after["head.bias"][1][row])
            self.assertEqual(after["head.weight"][0], [len(names), width])
            kept = (runs[0] / "weights.txt").read_text()
            self.assertRegex(kept, rf"  head.weight +\[10, 32\] +\[{len(names)}, 32\] +rows by name\n")
            self.assertEqual(re.findall(r"^class (\d+) \((\d+)\): row (\d+)$", kept, re.M), [(str(k), n, n) for k, n in enumerate(names)])
        # What the outputs of a head are is known from what it was trained on, not from its place.
        back = by_name | few | {"data.classes": self.classes("2"), "model.classes": 1, "model.weights": self.folder / "rows-3-1"}
        after = harness.read_safetensors(self.export(self.train("rows-back", back)[0]))[0]
        self.assertEqual(after["head.weight"][1], before["head.weight"][1][2 * width : 3 * width])

    def test_what_cannot_be_begun_with(self):
        by_name = {"finetune.head": "by_name"}
        few, _ = self.train("few", {"data.classes": self.classes("4", "5", "6"), "model.classes": 3, "data.global_batch_size": 8,
                                    "augment.mixup": 0, "augment.cutmix": 0, "run.steps": 1})
        file, missing = self.export(self.base), self.folder / "missing"
        cases = (
            ({"model.classes": 5}, 78, f"{self.pack} has 10 classes, model.classes is 5", "set model.classes = 10"),
            ({"data.global_batch_size": 30}, 78, "data.global_batch_size = 30 with run.lanes = 4", "set data.global_batch_size = 28 or 32"),
            ({"model.image_size": 8, "model.patch": 14}, 78, "model.image_size = 8 is smaller than one patch", "set model.image_size to 14"),
            ({"model.weights": self.base, "model.depth": 3}, 65, f"model.weights = {self.base}: ", "missing: blocks.2.norm1.weight", "compare model.name"),
            ({"model.weights": self.base, "model.heads": 4}, 78, f"model.weights = {self.base}: ", "trained with 2 heads of attention, model.heads is 4", "set model.heads = 2"),
            ({"model.weights": missing}, 74, f"model.weights = {missing}: ", "give a safetensors file or the folder of a run"),
            ({"data.classes": self.classes("1", "n01440764")}, 78, "data.classes: ", ":2: ", "no class n01440764", "take that line out"),
            ({"model.weights": few} | by_name, 78, "finetune.head = by_name: ", "3 classes without 0, 1, 2 and 4 more", "data.classes", "finetune.head = fresh"),
            ({"model.weights": file} | by_name, 78, "finetune.head = by_name: ", "does not say which classes its head knows", "the folder of the run"),
            ({"model.weights": self.base, "model.classes": 12} | by_name, 78, "finetune.head = by_name: ", "set model.classes = 10"),
            (by_name, 2, "finetune.head: nothing uses this"),
            ({"run.dir": self.base, "model.weights": self.base, "model.image_size": 56}, 78, "model.image_size was 28, is 56", "another run.name"),
            ({"run.dir": self.base, "model.weights": few, "run.steps": 60}, 78, f"model.weights = {few}: {self.base} holds a run", "another run.name or run.dir"),
        )  # fmt: skip
        before = self.hash_of(self.base)
        for number, (changes, code, *words) in enumerate(cases):
            with self.subTest(words=words):
                settings = harness.TINY_RUN | FEW | {"data.train": self.pack, "run.dir": self.folder / f"cannot-{number}"} | changes
                text = self.vitrail("train", *harness.flags(settings), expect=code)[1]
                for word in words:
                    self.assertIn(word, text)
                self.assertEqual(text.count("vitrail: "), 1, text)
        self.assertEqual(self.hash_of(self.base), before)

    def named_pack(self, *classes):
        """A pack of folders that are called so, two images in each."""
        source, pack = (self.folder / f"{kind}-{'-'.join(classes)}" for kind in ("folders", "named"))
        for k, name in enumerate(classes):
            (source / name).mkdir(parents=True)
            for i in range(2):
                harness.write_png(source / name / f"{i}.png", 2 * k + i)
        self.vitrail("pack", "--source", f"folder:{source}", "--output", pack)
        return pack

    def test_labels_mean_the_same_everywhere(self):
        """Training, validation, evaluation and a teacher's checkpoint: data with other classes are refused, not miscounted."""
        own, fewer, numbers = (self.named_pack(*names) for names in (("ant", "bee", "cat"), ("bee", "cat"), ("0", "1", "2")))
        few = {"data.train": own, "model.classes": 3, "data.global_batch_size": 4, "augment.mixup": 0, "augment.cutmix": 0, "run.steps": 1}
        run, _ = self.train("named", few | {"data.val": own})
        self.train("by-number", few | {"data.val": numbers})
        evaluate = ("eval", "--checkpoint", run, "--format", "json", "--data")
        self.assertEqual(json.loads(self.vitrail(*evaluate, numbers)[0])["images"], 6)
        taught = {"distillation.type": "hard", "distillation.teacher_weights": run, "data.train": fewer}
        for text, where in (
            (self.train("other-val", few | {"data.val": fewer}, ranks=2, expect=78)[1], f"data.train = {own}"),
            (self.vitrail(*evaluate, fewer, expect=78)[1], f"{run}/checkpoints/step-00000001"),
            (self.train("other-teacher", few | taught, expect=78)[1], f"distillation.teacher_weights = {run}"),
        ):
            self.assertIn(f"{fewer}: class 0 is bee, that of {where} is ant", text)
            self.assertEqual(text.count("data.classes"), 1, text)

    def test_a_part_is_trained(self):
        before = harness.read_safetensors(self.export(self.base))[0]
        for name, patterns in (("head", "head.*"), ("attention", "*.attn.*,head.*,pos_embed")):
            runs = []
            for ranks, stage in ((1, 1), (3, 1), (4, 2)):
                changes = {"model.weights": self.base, "finetune.train_only": patterns, "optimizer.weight_decay": 0.1, "sharding.stage": stage}
                run, text = self.train(f"{name}-{ranks}", changes, ranks)
                self.assertRegex(text, r"finetune.train_only = .*: \d+ of \d+ tensors are trained")
                runs.append(run)
            self.assertEqual(len({self.hash_of(run) for run in runs}), 1)
            after = harness.read_safetensors(self.export(runs[0]))[0]
            for tensor, value in before.items():
                trained = tensor.startswith("head.") or (name == "attention" and (".attn." in tensor or tensor == "pos_embed"))
                self.assertEqual(after[tensor] == value, not trained, tensor)
        # The squares of a part's gradient and of the rest's add up to the whole's.
        rest = "cls_token,pos_embed,patch_embed.*,blocks.*,norm.*"
        norms = []
        for name, patterns in (("part", "head.*"), ("rest", rest), ("whole", "*")):
            run, _ = self.train(f"norm-{name}", {"model.weights": self.base, "finetune.train_only": patterns, "run.steps": 1})
            norms.append(float(harness.read_metrics(run)[0][0]["grad_norm"]))
        self.assertAlmostEqual(math.hypot(*norms[:2]) / norms[2], 1, places=6)
        self.assertGreater(min(norms[:2]) / norms[2], 0.01)
        _, text = self.train("nothing", {"finetune.train_only": "haed.*"}, expect=78)
        self.assertIn('no parameter of the model matches "haed.*"', text)

    def test_a_student_that_is_its_teacher_has_nothing_to_learn(self):
        """Teacher and student see the same mixed images; without drop-path they say the same."""
        taught = {"distillation.type": "soft", "distillation.teacher_weights": self.base, "distillation.alpha": 1, "distillation.tau": 2}
        same = taught | {"model.weights": self.base, "model.drop_path": 0, "run.steps": 2}
        run, text = self.train("same", same)
        self.assertIn(f"distillation (soft): vit_xxs4 with the weights of {self.base} looks on at 28 px", text)
        first = harness.read_metrics(run)[0][0]
        self.assertLess(abs(float(first["loss"])), 1e-8)  # rounding: the student's last block is computed for its token alone
        self.assertLess(float(first["grad_norm"]), 1e-4)
        run, _ = self.train("dropped", same | {"model.drop_path": 0.3})
        self.assertGreater(float(self.losses(run)[0]), 1e-8, "the teacher drops nothing, the student does")
        run, _ = self.train("smaller", same | {"distillation.teacher_image_size": 14})
        self.assertGreater(float(self.losses(run)[0]), 1e-8)

    def test_students_learn(self):
        for kind in ("hard", "soft"):
            taught = {"distillation.type": kind, "distillation.teacher_weights": self.base, "distillation.alpha": 0.5, "run.steps": 60} | LEARNS
            runs = [self.train(f"{kind}-{ranks}", taught | {"run.seed": 5}, ranks)[0] for ranks in (1, 2)]
            self.assertEqual(self.hash_of(runs[0]), self.hash_of(runs[1]))
            losses = [float(loss) for loss in self.losses(runs[0])]
            self.assertLess(sum(losses[-5:]), 0.8 * sum(losses[:5]))
        token = {"model.name": "deit_ti16_distilled", "model.patch": 7, "distillation.type": "hard", "distillation.teacher_weights": self.base}
        runs = [self.train(f"token-{ranks}", token, ranks)[0] for ranks in (1, 2)]
        self.assertEqual(self.hash_of(runs[0]), self.hash_of(runs[1]))
        self.assertIn("head_dist.weight", harness.read_safetensors(self.export(runs[0]))[0])

    def test_how_the_student_begins_is_no_matter_of_the_teachers(self):
        named = {"model.width": 128, "model.depth": 6, "model.heads": 4}  # vit_xxs4's own: a file does not say
        teacher = self.export(self.train("teacher", named | {"run.steps": 1})[0])
        begun = {"model.weights": self.base, "finetune.weights": "ema", "finetune.head": "by_name", "run.steps": 1}
        taught = {"distillation.type": "hard", "distillation.teacher_weights": teacher, "distillation.teacher_model": "vit_xxs4"}
        self.assertIn("rows by name", self.train("begun", begun | taught)[1])

    def test_teachers_that_cannot_be_had(self):
        file = self.export(self.base)
        cases = (
            ({"distillation.type": "hard"}, 78, "without distillation.teacher_weights"),
            ({"distillation.alpha": 0.5}, 2, "distillation.alpha: nothing uses this"),
            ({"distillation.type": "hard", "distillation.teacher_weights": file}, 78, "set distillation.teacher_model"),
            ({"distillation.type": "hard", "distillation.teacher_weights": file, "distillation.teacher_model": "regnety_161"}, 2, "nearest: regnety_160"),
            ({"distillation.type": "hard", "distillation.teacher_weights": file, "distillation.teacher_model": "regnety_160"}, 65, "not the weights of this model"),
            ({"distillation.type": "hard", "distillation.teacher_weights": self.base, "distillation.teacher_model": "vit_s16"}, 78, "holds a vit_xxs4"),
            ({"distillation.type": "hard", "distillation.teacher_weights": self.base, "model.classes": 12}, 78, "give the weights of a teacher for 12 classes"),
        )  # fmt: skip
        for number, (changes, code, words) in enumerate(cases):
            with self.subTest(words=words):
                self.assertIn(words, self.train(f"bad-{number}", changes, expect=code)[1])

    def test_reassessed_labels_and_single_classes(self):
        words = ("--checkpoint", self.base, "--data", self.pack, "--format", "json")
        plain = json.loads(self.vitrail("eval", *words)[0])
        del plain["used"]  # when, and of what
        rows = {int(row["image"]): [guess["class"] for guess in row["top"]] for row in json.loads(self.vitrail("predict", *words, "--top", 10)[0])}
        labels = harness.test_images(IMAGES)[1][8:]
        # Any image of an even number has two right answers, every fifth none.
        right = [[] if i % 5 == 0 else [labels[i], (labels[i] + 3) % 10] if i % 2 == 0 else [(labels[i] + 1) % 10] for i in range(IMAGES)]
        asked = [i for i in range(IMAGES) if right[i]]
        file = self.folder / "real.json"
        file.write_text(json.dumps({f"{i:08}": answers for i, answers in enumerate(right)}))
        for ranks in (None, 3):
            report = json.loads(self.vitrail("eval", *words, "--evaluate.real_labels", file, "--evaluate.per_class", "true", ranks=ranks)[0])
            self.assertEqual({key: report[key] for key in plain}, plain)
            self.assertEqual(report["real"]["images"], len(asked))
            for key, top in (("top1", 1), ("top5", 5)):
                hits = sum(not set(right[i]).isdisjoint(rows[i][:top]) for i in asked)
                self.assertAlmostEqual(report["real"][key], 100 * hits / len(asked))
                for k, row in enumerate(report["classes"]):
                    own = [i for i in range(IMAGES) if labels[i] == k]
                    self.assertEqual((row["class"], row["images"]), (k, len(own)))
                    self.assertAlmostEqual(row[key], 100 * sum(k in rows[i][:top] for i in own) / max(1, len(own)))
            pairs = collections.Counter((labels[i], rows[i][0]) for i in range(IMAGES))
            self.assertEqual(report["confusion"], [[*pair, pairs[pair]] for pair in sorted(pairs)])
        for content, words_of_error in (("{}", "no labels for"), ("{", "no JSON list"), (json.dumps({f"{i:08}": [10] for i in range(IMAGES)}), "the label 10, the model 10 classes")):
            file.write_text(content)
            self.assertIn(words_of_error, self.vitrail("eval", *words, "--evaluate.real_labels", file, expect=65)[1])


if __name__ == "__main__":
    unittest.main()
