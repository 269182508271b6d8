"""Weights that somebody else made, as they come: how images are normalised for them, heads that are missing, names behind
wrappers' prefixes, files that are something else, values that are no numbers; and what a result says it was made from.

Logits are compared with timm's behind timm's own transform, which tests/peers/make_pretrained_fixtures.py wrote.
"""

import array
import json
import struct
import unittest
import zlib

import harness

FIXTURE = harness.FIXTURES / "models/pretrained.safetensors"
TIMMS_NAME = "vit_tiny_patch16_224"  # its default weights want mean and standard deviation 1/2
SIZES = {"model.image_size": 32, "model.classes": 5, "model.width": 24, "model.depth": 2, "model.heads": 3}
HALVES, IMAGENET = "0.5,0.5,0.5", "0.485,0.456,0.406"


def write_rgb(path, pixels, side):
    """An RGB PNG of side x side pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(pixels[row * side * 3 : (row + 1) * side * 3]) for row in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class PretrainedTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        fixture = harness.read_safetensors(FIXTURE)[0]
        cls.tensors = {name.removeprefix("weights."): t for name, t in fixture.items() if name.startswith("weights.")}
        cls.logits = fixture["logits"][1]
        cls.weights = cls.folder / "weights.safetensors"
        harness.write_safetensors(cls.weights, cls.tensors)
        (images, side, _, _), pixels = fixture["pixels"]
        for label in ("a", "b", "c", "d", "e"):  # the same images as a training set of five classes
            (cls.folder / "classes" / label).mkdir(parents=True)
        (cls.folder / "photos").mkdir()
        size = side * side * 3
        for i in range(images):
            write_rgb(cls.folder / f"photos/{i}.png", pixels[i * size : (i + 1) * size], side)
            for label in ("a", "b", "c", "d", "e"):
                write_rgb(cls.folder / f"classes/{label}/{i}.png", pixels[i * size : (i + 1) * size], side)
        cls.photos = f"folder:{cls.folder / 'photos'}"
        cls.pack = cls.folder / "pack"
        cls.vitrail("pack", "--source", f"folder:{cls.folder / 'classes'}", "--output", cls.pack)
        cls.model = {"model.name": TIMMS_NAME} | SIZES
        cls.training = cls.model | {
            "data.train": cls.pack, "data.global_batch_size": 4, "run.steps": 2, "optimizer.lr": 1e-4, "schedule.warmup": "0st",
            "checkpoint.every": "0st",
        }

    def off_by(self, *words):
        """How far our logits of the photos are from timm's, and what was said."""
        output = self.folder / "logits.safetensors"
        said = self.vitrail("predict", "--data", self.photos, "--output", output, *words)[1]
        logits = harness.read_safetensors(output)[0]["logits"][1]
        self.assertGreater(max(map(abs, self.logits)), 0.5)
        return max(abs(a - b) for a, b in zip(logits, self.logits)), said

    def test_normalised_as_timm_does_it(self):
        model = harness.flags(self.model | {"model.weights": self.weights})
        worst, said = self.off_by(*model)
        self.assertLess(worst, 1e-4)
        self.assertIn(f"images are normalised with mean {HALVES} and std {HALVES}, by timm's name {TIMMS_NAME}", said)
        # ImageNet's give something quite different, and that they are not what the weights want is said.
        worst, said = self.off_by(*model, "--data.mean", IMAGENET, "--data.std", "0.229,0.224,0.225")
        self.assertGreater(worst, 0.05)
        self.assertIn(f"the weights were trained with mean {HALVES} and std {HALVES}, by timm's name {TIMMS_NAME}", said)
        # Our own name of the network tells nothing, and nothing is guessed.
        ours = harness.flags({"model.name": "deit_ti16"} | SIZES | {"model.weights": self.weights})
        worst, said = self.off_by(*ours)
        self.assertGreater(worst, 0.05)
        self.assertIn("nothing tells how images were normalised for", said)
        self.assertLess(self.off_by(*ours, "--data.mean", HALVES, "--data.std", HALVES)[0], 1e-4)

    def test_checkpoints_and_exports_know_it(self):
        imported, exported = self.folder / "imported", self.folder / "exported.safetensors"
        said = self.vitrail("import", *harness.flags(self.model | {"model.weights": self.weights, "output": imported}))[1]
        self.assertIn(f"by timm's name {TIMMS_NAME}", said)
        self.assertLess(self.off_by("--checkpoint", imported)[0], 1e-4)
        self.vitrail("export", "--checkpoint", imported, "--output", exported)
        metadata = harness.read_safetensors(exported)[1]
        self.assertEqual((metadata["data.mean"], metadata["data.std"]), (HALVES, HALVES))
        worst, said = self.off_by(*harness.flags({"model.name": "deit_ti16"} | SIZES | {"model.weights": exported}))
        self.assertLess(worst, 1e-4)
        self.assertIn(f"by the metadata of {exported}", said)

    def test_a_part_of_a_runs_identity(self):
        run = self.folder / "identity"
        settings = self.training | {"model.weights": self.weights}
        self.launch(run, None, settings)
        self.assertIn(f"mean = {HALVES}\nstd = {HALVES}\n", (run / "config.cfg").read_text())
        self.assertIn("images are normalised with mean 0.5", (run / "log.txt").read_text())
        more = {"run.steps": 3, "run.dir": run}
        text = self.vitrail("train", *harness.flags(settings | more | {"data.mean": IMAGENET}), expect=78)[1]
        self.assertIn(f"data.mean was {HALVES}, is {IMAGENET}", text)
        self.vitrail("train", *harness.flags(settings | more))
        scratch = self.folder / "scratch"  # the name of a network alone changes nothing
        self.launch(scratch, None, self.training)
        self.assertIn(f"mean = {IMAGENET}\n", (scratch / "config.cfg").read_text())

    def written(self, name, tensors):
        path = self.folder / f"{name}.safetensors"
        harness.write_safetensors(path, tensors)
        return path

    def test_a_file_without_a_head(self):
        cut = self.written("headless", {name: t for name, t in self.tensors.items() if not name.startswith("head")})
        run = self.folder / "headless"
        text = self.launch(run, 2, self.training | {"model.weights": cut, "run.lanes": 2})[1]
        self.assertRegex(text, r"head.weight +- +\[5, 24\] +not there, begins anew")
        asked = harness.flags(self.model | {"model.weights": cut})
        for words in (("eval", "--data", self.pack), ("predict", "--data", self.photos), ("import", "--output", self.folder / "x")):
            text = self.vitrail(*words, *asked, expect=78)[1]
            self.assertIn(f"{cut}: it has no head (head.weight): an untrained head knows nothing", text)
            self.assertIn("vitrail train --model.weights FILE begins with a new head", text)

    def test_names_behind_prefixes(self):
        for prefix in ("module.", "_orig_mod.", "model.", "module._orig_mod."):
            file = self.written("wrapped", {prefix + name: t for name, t in self.tensors.items()})
            worst, said = self.off_by(*harness.flags(self.model | {"model.weights": file}))
            self.assertLess(worst, 1e-4)
            self.assertIn(f"{file}: names of tensors begin with {prefix}, which is left out", said)
        text = self.launch(self.folder / "wrapped", None, self.training | {"model.weights": file})[1]
        self.assertIn("which is left out", text)
        file = self.written("wrapped", {"backbone." + name: t for name, t in self.tensors.items()})
        text = self.vitrail("predict", "--data", self.photos, *harness.flags(self.model | {"model.weights": file}), expect=65)[1]
        self.assertIn("not in the model: backbone.", text)

    def test_files_that_are_something_else(self):
        whole = self.weights.read_bytes()
        cases = {
            "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 34\n", "git lfs pull"),
            "a web page": (b"<!DOCTYPE html><html>", "download"),
            "a zip file, as PyTorch's .pth and .pt are": (b"PK\x03\x04" + bytes(99), "safetensors.torch.save_file"),
            "the index of weights that lie in several files": (b'{"metadata": {"total_size": 3}, "weight_map": {}}', "join"),
            "it is cut off": (whole[:-100], "download it again"),
            "7 bytes follow its last tensor": (whole + b"trailer", "download it again"),
        }
        path = self.folder / "other.safetensors"
        for what, (data, way_out) in cases.items():
            path.write_bytes(data)
            flags = harness.flags(self.model | {"model.weights": path})
            for words in (
                ("eval", "--data", self.pack, *flags),
                ("import", "--output", self.folder / "x", *flags),
                ("train", *harness.flags(self.training | {"model.weights": path, "run.dir": self.folder / "other"})),
            ):
                with self.subTest(what=what, command=words[0]):
                    text = self.vitrail(*words, expect=65)[1]
                    self.assertIn(what, text)
                    self.assertIn(str(path), text)
                    self.assertIn(way_out, text)

    def test_a_repository_of_hugging_face(self):
        """config.json beside model.safetensors tells what timm knows; the folder alone is no run, and its file is named."""
        folder = self.folder / "repository"
        folder.mkdir()
        file = folder / "model.safetensors"
        file.write_bytes(self.weights.read_bytes())
        config = {"architecture": TIMMS_NAME, "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
        (folder / "config.json").write_text(json.dumps(config))
        ours = {"model.name": "deit_ti16"} | SIZES
        worst, said = self.off_by(*harness.flags(ours | {"model.weights": file}))
        self.assertLess(worst, 1e-4)
        self.assertIn(f"by {folder / 'config.json'}", said)
        text = self.vitrail("predict", "--data", self.photos, *harness.flags(ours | {"model.weights": folder}), expect=2)[1]
        self.assertIn(f"set model.weights = {file}", text)
        text = self.vitrail("train", *harness.flags(self.training | {"model.weights": folder, "run.dir": self.folder / "hf"}), expect=2)[1]
        self.assertIn(f"set model.weights = {file}", text)
        (folder / "config.json").write_text("{broken")
        said = self.off_by(*harness.flags(ours | {"model.weights": file}))[1]
        self.assertRegex(said, rf"{folder / 'config.json'} cannot be read, it is no JSON object; nothing tells .*{IMAGENET}.* are used")

    def test_a_download_that_was_never_filled(self):
        """Zeros over several tensors at the end; a new network's gains and heads may be zeros."""
        path = self.written("unfilled", self.tensors)
        whole = path.read_bytes()
        names = sorted(self.tensors)
        tail = sum(4 * len(self.tensors[name][1]) for name in names[-2:])
        path.write_bytes(whole[:-tail] + bytes(tail))
        flags = harness.flags(self.model | {"model.weights": path})
        for words in (("eval", "--data", self.pack), ("predict", "--data", self.photos), ("import", "--output", self.folder / "unfilled")):
            with self.subTest(command=words[0]):
                text = self.vitrail(*words, *flags, expect=65)[1]
                self.assertIn(f"nothing but zeros from within {names[-2]} to the end", text)
                self.assertIn("download it again", text)
        new = {name: (shape, array.array("f", bytes(4 * len(values)))) for name, (shape, values) in self.tensors.items() if name.startswith(("head", "norm"))}
        self.vitrail("import", "--output", self.folder / "new", *harness.flags(self.model | {"model.weights": self.written("new", self.tensors | new)}))

    def test_values_that_are_not_finite(self):
        shape, values = self.tensors["blocks.1.mlp.fc2.weight"]
        bad = array.array("f", values)
        bad[3], bad[1000], bad[-1] = float("nan"), float("inf"), float("-inf")
        file = self.written("nan", self.tensors | {"blocks.1.mlp.fc2.weight": (shape, bad)})
        asked = harness.flags(self.model | {"model.weights": file})
        training = self.training | {"model.weights": file, "run.lanes": 4}
        for words, ranks in (
            (("eval", "--data", self.pack, *asked), None),
            (("predict", "--data", self.photos, *asked), None),
            (("import", "--output", self.folder / "x", *asked), None),
            (("train", *harness.flags(training | {"run.dir": self.folder / "nan-1"})), None),
            (("train", *harness.flags(training | {"run.dir": self.folder / "nan-4"})), 4),  # one rank reads them, all end
        ):
            with self.subTest(command=words[0], ranks=ranks):
                text = self.vitrail(*words, ranks=ranks, expect=65)[1]
                self.assertIn(f"3 of the {len(bad)} values of blocks.1.mlp.fc2.weight are not finite", text)

    def test_values_that_only_fp64_can_hold(self):
        shape, values = self.tensors["blocks.1.mlp.fc2.weight"]
        large = array.array("d", values)
        large[5] = -1e300
        file = self.written("large", self.tensors | {"blocks.1.mlp.fc2.weight": (shape, large)})
        asked = harness.flags(self.model | {"model.weights": file})
        for words in (("eval", "--data", self.pack), ("predict", "--data", self.photos), ("import", "--output", self.folder / "y")):
            with self.subTest(command=words[0]):
                text = self.vitrail(*words, *asked, expect=65)[1]
                self.assertIn(f"1 of the {len(large)} values of blocks.1.mlp.fc2.weight are too large for fp32", text)

    def test_a_folder_of_images_without_classes_is_not_evaluated(self):
        text = self.vitrail("eval", "--data", self.photos, *harness.flags(self.model | {"model.weights": self.weights}), expect=65)[1]
        self.assertIn("there should be one per class", text)
        self.assertIn(f"csv:LIST,{self.photos.removeprefix('folder:')}", text)

    def test_a_folder_of_photos_wants_its_word(self):
        photos = self.folder / "photos"
        text = self.vitrail("predict", "--data", photos, *harness.flags(self.model | {"model.weights": self.weights}), expect=65)[1]
        self.assertIn(f"folder:{photos}", text)

    def test_results_say_what_they_were_made_from(self):
        run = self.folder / "used"
        self.launch(run, None, self.training | {"run.steps": 3})
        checkpoint = str(run / "checkpoints/step-00000003")
        hashed = self.vitrail("checkpoint", "hash", run, "--part", "weights")[0].strip()
        report, text = self.vitrail("eval", "--checkpoint", run, "--data", self.pack, "--format", "json")
        used = json.loads(report)["used"]
        wanted = {"weights": checkpoint, "ema": False, "step": 3, "planned_steps": 3, "weights_hash": hashed, "data": str(self.pack)}
        self.assertEqual({key: used[key] for key in wanted}, wanted)
        self.assertRegex(used["date"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d.*Z$")
        self.assertNotIn("unfinished", text)
        line = self.vitrail("eval", "--checkpoint", run / "checkpoints/latest", "--data", self.pack)[0].splitlines()[-1]
        self.assertRegex(line, rf"^weights {checkpoint}, step 3 of 3, hash {hashed}; data {self.pack} \([0-9a-f]{{32}}\); 20")

        rows = json.loads(self.vitrail("predict", "--checkpoint", run, "--data", self.photos, "--format", "json")[0])
        self.assertEqual(rows[0]["used"]["weights_hash"], hashed)
        output = self.folder / "used.safetensors"
        told = json.loads(self.vitrail("predict", "--checkpoint", run, "--data", self.photos, "--output", output, "--format", "json")[0])
        self.assertEqual(told["used"] | {"date": ""}, rows[0]["used"] | {"date": ""})
        metadata = harness.read_safetensors(output)[1]
        self.assertEqual((metadata["weights"], metadata["step"], metadata["weights_hash"], metadata["data"]), (checkpoint, "3", hashed, self.photos))

        exported = self.folder / "used-export.safetensors"
        self.vitrail("export", "--checkpoint", run, "--output", exported)
        flags = harness.flags(self.model | {"model.weights": exported})
        used = json.loads(self.vitrail("eval", "--data", self.pack, "--format", "json", *flags)[0])["used"]
        self.assertEqual((used["weights"], used["step"], used["weights_hash"]), (str(exported), None, hashed))

    def test_a_run_that_is_not_finished(self):
        run = self.folder / "unfinished"
        killed = {"run.steps": 50, "run.dir": run, "run.fault": "backward:0:12:kill", "checkpoint.every": "5st"}
        self.vitrail("train", *harness.flags(self.training | killed), expect=-9)
        note = rf"{run / 'checkpoints'}/step-000000(05|10): unfinished: step (5|10) of 50"  # the second may not be written yet
        fine = self.training | {"model.weights": run, "run.dir": self.folder / "after"}
        for words in (
            ("eval", "--checkpoint", run, "--data", self.pack),
            ("predict", "--checkpoint", run, "--data", self.photos),
            ("export", "--checkpoint", run, "--output", self.folder / "unfinished.safetensors"),
            ("train", *harness.flags(fine)),
        ):
            with self.subTest(command=words[0]):
                self.assertRegex(self.vitrail(*words)[1], note)

    def test_what_is_easily_overlooked_in_a_schedule(self):
        """The same sentences from the run's log and from the table."""
        config = self.folder / "marked.cfg"
        config.write_bytes(b"\xef\xbb\xbf[schedule]\nwarmup = 5st\nwarmup_lr = 0.02\nmin_lr = 0.01\n")
        settings = {key: value for key, value in self.training.items() if key != "schedule.warmup"}
        words = ("--config", config, *harness.flags(settings | {"run.dir": self.folder / "overlooked"}))
        printed = self.vitrail("train", *words, "--print-schedule")[0]
        said = self.vitrail("train", *words)[1]
        for sentence in (
            "warning: schedule.warmup_lr = 0.02 is above the peak learning rate 0.0001",
            "warning: schedule.min_lr = 0.01 is above the peak learning rate 0.0001",
            "warning: schedule.warmup = 5st is 5 steps and the run has 2: the learning rate never reaches its peak 0.0001",
        ):
            self.assertIn(sentence, printed)
            self.assertIn(sentence, said)


if __name__ == "__main__":
    unittest.main()
