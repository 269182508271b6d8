"""Window order, repeated augmentation, class lists and staging: the same state on any number of ranks, after a kill."""

import unittest

import harness

SETTINGS = harness.TINY_RUN | {
    "data.order": "window",
    "data.extent_images": 16,
    "data.window_extents": 3,
    "data.repeated_augmentation": 3,
    "data.workers": 2,
    "checkpoint.every": "5st",
    "run.steps": 40,
}


class OrderTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pack = cls.make_pack("pack", 700)
        cls.list = cls.folder / "classes.txt"
        cls.list.write_text("3\n1\n7\n9\n0\n4\n")

    def settings(self, **changes):
        return SETTINGS | {"data.train": self.pack, "data.classes": self.list} | changes

    def test_ranks_kill_and_staging_change_nothing(self):
        alone = self.folder / "alone"
        self.launch(alone, None, self.settings())
        steps = harness.read_metrics(alone)[0]
        self.assertEqual(len(steps), 40)

        staged = self.folder / "staged"
        settings = self.settings() | {"data.stage_dir": self.folder / "stage"}
        words = harness.flags(settings | {"run.dir": staged})
        job, _ = self.start_held(settings | {"run.dir": staged}, 3, 17)
        job.kill()
        self.assertNotEqual(list((self.folder / "stage").iterdir()), [])
        text = self.vitrail("launch", "-n", 4, *words)[1]
        self.assertIn("resumed from", text)
        self.assertEqual(list((self.folder / "stage").iterdir()), [])

        self.check_same_state(staged, alone)
        orders = [[line["order_hash"] for line in harness.read_metrics(run)[0]] for run in (alone, staged)]
        self.assertEqual(*orders)

    def test_another_list_is_another_run(self):
        run = self.folder / "lists"
        self.launch(run, None, self.settings() | {"run.steps": 5})
        other = self.folder / "other.txt"
        other.write_text("1\n3\n7\n9\n0\n4\n")
        changes = {"data.classes": other, "run.steps": 6}
        text = self.launch(run, None, self.settings() | changes, expect=78)[1]
        self.assertIn("data.train was another data set", text)


if __name__ == "__main__":
    unittest.main()
