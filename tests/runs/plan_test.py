"""`vitrail plan` as a user types it: every recipe, a table, a run beside its plan, and what is refused."""

import json
import math
import unittest

import harness

IMAGENET = 1281167
BY_HAND = ["--memory-gb", 8, "--run.peak_tflops", 0.1, "--memory-gb-per-s", 20, "--node-gb-per-s", 5]


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [] if isinstance(value, (str, bool)) else [value]


class PlanTest(harness.RunTest):
    def plan(self, *words, expect=0):
        output, errors = self.vitrail("plan", *words, "--format", "json", expect=expect)
        return json.loads(output) if output else None, errors

    def test_every_recipe(self):
        recipes = sorted((harness.ROOT / "configs").glob("*.cfg"))
        self.assertGreater(len(recipes), 60)
        for recipe in recipes if harness.LONG else recipes[:: len(recipes) // 10]:
            with self.subTest(recipe=recipe.name):
                plan, _ = self.plan("--config", recipe, "--gpu", "h100", "--images", IMAGENET)
                self.assertTrue(all(math.isfinite(number) for number in numbers(plan)), plan)
                self.assertTrue(plan["estimate"] and plan["memory_bytes"]["fits"])
                self.assertGreater(plan["hours"], 0)
                self.assertEqual(plan["ranks"], plan["lanes"])

    def test_a_table_and_a_text(self):
        words = ["--config", harness.ROOT / "configs/vit_h_21k.cfg", "--gpu", "a100", "--images", 14197122]
        rows = self.plan(*words, "--up-to", 8)[0]["rows"]
        self.assertEqual([row["ranks"] for row in rows], [1, 2, 4, 8])
        table = self.vitrail("plan", *words, "--up-to", 8)[0]
        self.assertEqual(sum(line.startswith("| ") for line in table.splitlines()), 5)
        text = self.vitrail("plan", *words)[0]
        self.assertEqual(text.count("estimate"), 1, text)
        self.assertGreater(sum(line.startswith("  ") for line in text.splitlines()), 25)
        self.assertIn("A100 data sheet", text)

    def test_what_does_not_fit_is_shown_and_refused(self):
        words = ["--config", harness.ROOT / "configs/vit_h_21k_to_1k.cfg", "--gpu", "v100-16", "--images", IMAGENET]
        plan, errors = self.plan(*words, expect=78)
        self.assertFalse(plan["memory_bytes"]["fits"])
        change = errors.splitlines()[-1].removeprefix("  hint: ")
        self.assertEqual(change, "set model.activation_checkpointing = block")
        key, value = change.removeprefix("set ").split(" = ")
        self.assertTrue(self.plan(*words, f"--{key}", value)[0]["memory_bytes"]["fits"])

    def test_wrong_flags(self):
        recipe = ["--config", harness.ROOT / "configs/vit_h_21k.cfg", "--images", IMAGENET]
        for words, code, message in (
            (["--gpu", "h300"], 2, "--gpu h300: expected by-hand, v100-16"),
            ([], 2, "needs --memory-gb, or a named --gpu"),
            (["--gpu", "h100", "--mfu", "2"], 2, "--mfu 2: expected a number"),
            (["--gpu", "h100", "-n", "64"], 78, "64 ranks with run.lanes = 32"),
            (["--gpu", "h100", "--measured", "nowhere"], 74, "nowhere"),
        ):
            with self.subTest(words=words):
                errors = self.vitrail("plan", *recipe, *words, expect=code)[1]
                self.assertIn(message, errors)
                self.assertLessEqual(len(errors.splitlines()), 2)
        self.assertIn("--images N tells", self.vitrail("plan", *recipe[:2], "--gpu", "h100", expect=2)[1])

    def test_a_run_beside_its_plan(self):
        """The plan knows its share of the peak once a run has told it."""
        settings = harness.TINY_RUN | {"data.train": self.make_pack("data", 64), "run.dir": self.folder / "run"}
        words = harness.flags(settings)
        self.vitrail("train", *words)
        words = ["-n", 1, *words, *BY_HAND, "--measured", self.folder / "run"]
        first = self.plan(*words)[0]["measured"]
        self.assertEqual(first["steps"], 15)
        self.assertEqual([row["what"] for row in first["figures"]], ["step", "images", "waiting for ranks", "memory"])
        second = self.plan(*words, "--mfu", first["fitting_mfu"], "--core-images-per-s", 1e6)[0]["measured"]
        self.assertLess(abs(second["figures"][0]["error_percent"]), 2)


if __name__ == "__main__":
    unittest.main()
