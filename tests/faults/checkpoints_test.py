"""Resuming where checkpoints are damaged, belong to another configuration, or are not to be used."""

import json
import shutil
import unittest

import faults
import harness
from faults import BAD_DATA, REFUSED, STEPS


def damage_file(checkpoint):
    faults.flip_a_bit(checkpoint / "rank-00001-of-00002.h5", -20)


def remove_file(checkpoint):
    (checkpoint / "rank-00001-of-00002.h5").unlink()


def cut_file(checkpoint):
    faults.cut(checkpoint / "rank-00000-of-00002.h5")


def exchange_files(checkpoint):
    first, second = (checkpoint / f"rank-0000{rank}-of-00002.h5" for rank in (0, 1))
    first.rename(checkpoint / "third")
    second.rename(first)
    (checkpoint / "third").rename(second)


def take_file_of_another_step(checkpoint):
    name = "rank-00001-of-00002.h5"
    shutil.copyfile(checkpoint.with_name("step-00000006") / name, checkpoint / name)


def edit_manifest(checkpoint):
    text = (checkpoint / "manifest.json").read_text()
    (checkpoint / "manifest.json").write_text(text.replace('"step": 9', '"step": 8'))


def cut_manifest(checkpoint):
    faults.cut(checkpoint / "manifest.json")


def empty_manifest(checkpoint):
    (checkpoint / "manifest.json").write_text("")


def folder_for_manifest(checkpoint):
    (checkpoint / "manifest.json").unlink()
    (checkpoint / "manifest.json").mkdir()


def remove_manifest(checkpoint):
    (checkpoint / "manifest.json").unlink()


DAMAGES = {
    damage_file: "rank-00001-of-00002.h5: its bytes are not those that were written",
    remove_file: "rank-00001-of-00002.h5: No such file",
    cut_file: "bytes instead of",
    exchange_files: "rank-0000",
    take_file_of_another_step: "rank-00001-of-00002.h5: its bytes are not those that were written",
    edit_manifest: "manifest.json: its own hash does not fit",
    cut_manifest: "manifest.json: it is not JSON",
    empty_manifest: "manifest.json: it is not JSON",
    remove_manifest: "manifest.json: it is missing",
    folder_for_manifest: "manifest.json: it is a folder",
}


class CheckpointsTest(faults.FaultTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.undisturbed = cls.folder / "undisturbed"
        cls.train(cls.undisturbed)
        cls.words_of_the_end = cls.steps_and_losses(cls.undisturbed)

    @staticmethod
    def steps_and_losses(run):
        return [(line["step"], line["loss"]) for line in harness.read_metrics(run)[0]]

    def interrupted(self, name="run"):
        """A run that lost its last checkpoint: there are those of the steps 3, 6 and 9."""
        run = self.run_folder() / name
        shutil.copytree(self.undisturbed, run, symlinks=True)
        shutil.rmtree(run / "checkpoints" / "step-00000012")
        return run

    def check_ends_as_undisturbed(self, run):
        self.assertEqual(self.steps_and_losses(run), self.words_of_the_end)
        self.check_same_state(run, self.undisturbed)

    def check_refused(self, code, run, *causes, changes=None, ranks=1):
        """And neither checkpoints nor metrics are touched."""

        def kept():
            return {path: path.read_bytes() for path in [*run.glob("checkpoints/*/*"), run / "metrics.jsonl"]}

        before = kept()
        self.check_fails(code, *causes, run=run, changes=changes, ranks=ranks)
        self.assertEqual(sorted(before), sorted(kept()))
        self.assertTrue(before == kept(), "contents changed")

    def test_a_damaged_one_is_passed_over(self):
        for ranks, (damage, words) in enumerate(DAMAGES.items()):
            with self.subTest(damage=damage.__name__):
                run = self.interrupted(damage.__name__)
                checkpoint = run / "checkpoints" / "step-00000009"
                damage(checkpoint)
                log = self.train(run, ranks=ranks % 3 + 1)
                self.assertRegex(log, f"checkpoint passed over: (cannot open: )?{checkpoint}/")
                self.assertIn(words, log)
                self.assertIn(f"resumed from {checkpoint.with_name('step-00000006')} (step 6,", log)
                self.check_ends_as_undisturbed(run)
                self.check_whole(run, [3, 6, 9, 12])
                self.assertTrue(checkpoint.with_name("step-00000009.damaged").is_dir(), "the evidence is gone")

    def test_damaged_ones_do_not_count_among_those_to_keep(self):
        """Else the two newer ones here would push out the only whole one."""
        run = self.interrupted()
        for step in (6, 9):
            damage_file(run / "checkpoints" / f"step-0000000{step}")
        self.train(run, {"checkpoint.every": "4st", "checkpoint.keep_last": 2})
        self.check_whole(run, [8, 12])
        self.check_ends_as_undisturbed(run)

    def test_none_is_whole(self):
        """Never a new beginning under the old name."""
        run = self.interrupted()
        for checkpoint, damage in zip(faults.checkpoints_of(run), DAMAGES):
            damage(checkpoint)
        self.check_refused(BAD_DATA, run, f"none of the 3 checkpoints of {run}", "another run.name", ranks=2)

    def test_all_manifests_are_missing(self):
        run = self.interrupted()
        for checkpoint in faults.checkpoints_of(run):
            remove_manifest(checkpoint)
        self.check_refused(BAD_DATA, run, f"none of the 3 checkpoints of {run}")

    def test_the_metrics_are_shorter_than_the_checkpoint_says(self):
        run = self.interrupted()
        faults.cut(run / "metrics.jsonl")
        self.check_refused(BAD_DATA, run, "rank 0: ", run / "metrics.jsonl", "another run.name", ranks=2)

    def test_another_configuration(self):
        run = self.interrupted()
        other = self.make_pack("other", faults.IMAGES + 8)
        changes = (
            ("run.seed", {"run.seed": 7}, "run.seed was 1, is 7"),
            ("lanes", {"run.lanes": 2}, "run.lanes was 4, is 2"),
            ("batch", {"data.global_batch_size": 16}, "data.global_batch_size was 8, is 16"),
            ("width", {"model.width": 64}, "model.width was 32, is 64"),
            ("model", {"model.name": "vit_ti16", "model.patch": 4}, "model.name was vit_xxs4, is vit_ti16"),
            ("mixing", {"augment.mixup": 0.5}, "augment.mixup was 0.8, is 0.5"),
            ("loss", {"loss.name": "bce"}, "loss.name was ce, is bce"),
            ("optimizer", {"optimizer.name": "adamw"}, "optimizer.name was lamb, is adamw"),
            ("precision", {"precision.compute": "fp64"}, "precision.compute was fp32, is fp64"),
            ("data", {"data.train": other}, "data.train was another data set"),
        )
        for what, change, words in changes:
            with self.subTest(what=what):
                ranks = 2 if what == "data" else 1
                self.check_refused(REFUSED, run, words, "another run.name", changes=change, ranks=ranks)

    def test_what_may_change_is_said(self):
        run = self.interrupted()
        log = self.train(run, {"optimizer.lr": 0.001, "checkpoint.every": "4st"}, ranks=1)
        self.assertIn("changed since the checkpoint: optimizer.lr was 0.005, is 0.001", log)
        self.assertNotIn("checkpoint.every was", log)

    def test_resume_never(self):
        run = self.interrupted()
        self.check_refused(REFUSED, run, run, "checkpoint.resume = never", changes={"checkpoint.resume": "never"})

    def test_the_run_is_shorter_now(self):
        run = self.interrupted()
        self.check_refused(REFUSED, run, "step 9", "run.steps", changes={"run.steps": 6})

    def test_begins_from_a_checkpoint_of_another_run(self):
        """The same command again, as by a requeued job, goes on from the run's own."""
        run = self.run_folder() / "branch"
        changes = {"checkpoint.resume": self.undisturbed / "checkpoints" / "step-00000006"}
        self.train(run, changes | {"run.steps": 9}, ranks=1)
        log = self.train(run, changes)
        self.assertIn(f"resumed from {run}/checkpoints/step-00000009", log)
        self.assertEqual([line["step"] for line in harness.read_metrics(run)[0]], list(range(7, STEPS + 1)))

    def test_the_checkpoint_to_begin_from_is_damaged(self):
        other = self.interrupted("other")
        damage_file(other / "checkpoints" / "step-00000009")
        changes = {"checkpoint.resume": other / "checkpoints" / "step-00000009"}
        run = self.run_folder() / "branch"
        self.check_fails(BAD_DATA, other, run=run, changes=changes)
        self.assertEqual(faults.checkpoints_of(run), [])
        self.assertEqual(len(faults.checkpoints_of(other)), 3)

    def test_the_run_to_begin_from_has_a_damaged_checkpoint(self):
        """Its newest whole one is taken, and nothing in that run's folder is touched."""
        other = self.interrupted("other")
        damage_file(other / "checkpoints" / "step-00000009")
        log = self.train(self.run_folder() / "branch", {"checkpoint.resume": other}, ranks=1)
        self.assertIn(f"checkpoint passed over: {other}/checkpoints/step-00000009/rank-00001-of-00002.h5", log)
        self.assertIn(f"resumed from {other}/checkpoints/step-00000006", log)
        self.assertEqual(len(faults.checkpoints_of(other)), 3)

    def test_an_older_checkpoint_of_the_run_itself(self):
        """Would leave checkpoints of two pasts side by side."""
        run = self.interrupted()
        changes = {"checkpoint.resume": run / "checkpoints" / "step-00000003"}
        self.check_refused(REFUSED, run, "step-00000003", "step-00000009", "another run.name", changes=changes)

    def test_the_newest_checkpoint_of_the_run_itself_by_its_link(self):
        run = self.interrupted()
        latest = run / "checkpoints" / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to("step-00000009")
        log = self.train(run, {"checkpoint.resume": latest}, ranks=1)
        self.assertIn(f"resumed from {run}/checkpoints/step-00000009", log)

    def test_there_is_no_such_checkpoint(self):
        changes = {"checkpoint.resume": "/nowhere"}
        self.check_fails(faults.USAGE, "/nowhere: no checkpoint there", changes=changes, ranks=1)

    def test_the_commands_that_read_a_checkpoint(self):
        run = self.interrupted()
        checkpoint = run / "checkpoints" / "step-00000009"
        damage_file(checkpoint)
        for words in (
            ["checkpoint", "verify", checkpoint],
            ["checkpoint", "hash", checkpoint],
            ["export", "--checkpoint", checkpoint, "--output", run / "x.safetensors"],
            ["eval", "--checkpoint", checkpoint, "--data", self.pack],
        ):
            with self.subTest(command=words[0]):
                text = self.vitrail(*words, expect=BAD_DATA)[1]
                self.check_report(text, checkpoint / "rank-00001-of-00002.h5")
        listed = json.loads(self.vitrail("checkpoint", "list", run, "--format", "json")[0])
        self.assertEqual([entry["step"] for entry in listed], [3, 6, 9])


if __name__ == "__main__":
    unittest.main()
