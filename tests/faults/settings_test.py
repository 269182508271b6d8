"""Settings that cannot be: refused before anything is computed or written, by the key and with a way out."""

import array
import pathlib
import unittest

import faults
import harness
from faults import REFUSED, USAGE


class SettingsTest(faults.FaultTest):
    def check_refused(self, code, *causes, changes=None, ranks=1):
        self.check_fails(code, *causes, changes=changes, ranks=ranks)
        self.assertFalse((self.run_folder() / "metrics.jsonl").exists())

    def test_unknown_key(self):
        self.check_refused(USAGE, "--data.foo", "unknown", changes={"data.foo": 4}, ranks=2)
        self.check_refused(USAGE, "--run.lane", "nearest known key: run.lanes", changes={"run.lane": 4})

    def test_malformed_value(self):
        for key, value in (("run.lanes", "x"), ("run.lanes", 3), ("optimizer.lr", -1), ("schedule.warmup", "5 pages")):
            with self.subTest(key=key, value=value):
                self.check_refused(USAGE, key, value, changes={key: value})

    def test_no_gpu(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skip("run.device = cuda where there is none: this machine has a GPU")
        self.check_refused(REFUSED, "run.device = cuda, but LibTorch finds no GPU", changes={"run.device": "cuda"}, ranks=2)
        self.assertFalse(self.run_folder().exists())

    def test_paths_that_are_missing_are_named_by_their_key(self):
        self.check_refused(faults.IO, "data.classes: ", "/nowhere.txt", changes={"data.classes": "/nowhere.txt"})
        for words, key in (
            (["preview", "--data", "/nowhere", "--output", "x.png"], "--data /nowhere: "),
            (["preview", "--data", "folder:/nowhere", "--output", "x.png"], "--data folder:/nowhere: "),
            (["pack", "--source", "/nowhere", "--output", self.folder / "x"], "--source /nowhere: "),
        ):
            with self.subTest(words=words):
                job = self.start(*words)
                job.process.wait()
                self.assertRegex(self.check_report(job.text("err"), key), "no such|No such")

    def test_nccl_without_gpu(self):
        changes = {"run.device": "cpu", "sharding.communicator": "nccl"}
        self.check_refused(REFUSED, "sharding.communicator = nccl, but the model is computed on a CPU", changes=changes, ranks=2)

    def test_fast_sums_over_unequal_ranks(self):
        self.check_refused(REFUSED, "sharding.reduction = fast", "4 lanes on 3 ranks", changes={"sharding.reduction": "fast"}, ranks=3)

    def test_sums_that_mpi_cannot(self):
        changes = {"sharding.reduction": "fast", "sharding.sum_type": "compute", "precision.compute": "bf16"}
        self.check_refused(REFUSED, "MPI adds no BF16 values", "sharding.sum_type = fp32", changes=changes, ranks=2)

    def test_more_ranks_than_lanes(self):
        self.check_refused(REFUSED, "5", "run.lanes = 4", "at most 4 ranks", ranks=5)

    def test_more_ranks_than_lanes_under_another_launcher(self):
        """Each of the five ranks finds out by itself; the report is still one."""
        job = self.start(*self.words(self.run_folder(), 1, {}), ranks=5)
        self.check_report(job.finish(expect=REFUSED)[1], "5 ranks for 4 lanes", "run.lanes")
        self.assertEqual(job.members(), [])

    def test_batch_that_lanes_do_not_divide(self):
        self.check_refused(
            REFUSED, "data.global_batch_size = 6", "run.lanes = 4", "4 or 8", changes={"data.global_batch_size": 6}, ranks=2
        )

    def test_mixing_in_odd_lane_batches(self):
        for alpha in ("augment.mixup", "augment.cutmix"):
            with self.subTest(alpha=alpha):
                changes = {"augment.mixup": 0, "augment.cutmix": 0, "data.global_batch_size": 12} | {alpha: 0.8}
                self.check_refused(REFUSED, alpha, "3 is odd", "8 or 16", changes=changes)

    def test_batch_larger_than_the_data(self):
        changes = {"data.global_batch_size": 128}
        self.check_refused(REFUSED, "data.global_batch_size = 128", "96 training images", changes=changes, ranks=2)

    def test_more_classes_than_the_model(self):
        for key in ("data.train", "data.val"):
            with self.subTest(key=key):
                changes = {key: "synthetic:64,11,28"}
                self.check_refused(REFUSED, "11 classes", "model.classes is 10", "model.classes = 11", changes=changes, ranks=2)

    def tensors(self, name, labels):
        """Black images with these labels, as a data source."""
        path = self.folder / f"{name}.safetensors"
        images = array.array("f", bytes(4 * 3 * 28 * 28 * len(labels)))
        label_tensor = ([len(labels)], array.array("q", labels))
        harness.write_safetensors(path, {"images": ([len(labels), 3, 28, 28], images), "labels": label_tensor})
        return f"tensor:{path}"

    def test_labels_beyond_the_classes(self):
        changes = {"data.train": self.tensors("eleven", [0, 1, 10, 3] * 4)}
        self.check_refused(REFUSED, "eleven.safetensors", "model.classes = 11", changes=changes)

    def test_negative_labels(self):
        changes = {"data.train": self.tensors("negative", [0, 1, -1, 3] * 4)}
        self.check_refused(faults.BAD_DATA, "negative.safetensors", "-1", changes=changes)

    def test_length_given_twice_or_not_at_all(self):
        self.check_refused(REFUSED, "run.epochs = 2", "run.steps = 12", changes={"run.epochs": 2})
        self.check_refused(REFUSED, "run.epochs = 0", "run.steps = 0", changes={"run.steps": None})

    def test_config_that_is_not_there(self):
        text = self.vitrail("train", "--config", "/nowhere.cfg", expect=USAGE)[1]
        self.check_report(text, "/nowhere.cfg")


if __name__ == "__main__":
    unittest.main()
