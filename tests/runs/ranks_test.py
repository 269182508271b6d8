"""What a run computes does not depend on how many ranks share its lanes: 1, 2, 3, 4 and 8 end in the same bits."""

import re
import unittest

import harness

WORLDS = (1, 2, 3, 4, 8)
PARTS = ("weights", "optimizer", "all")
COMPUTED = ("step", "epoch", "images", "loss", "lr", "weight_decay", "grad_norm", "loss_scale", "skipped", "order_hash")
# Eight lanes: three ranks hold 2, 3 and 3 of them, which is no aligned block of the sum's tree.
STEPS = 50
SETTINGS = harness.TINY_RUN | {"run.lanes": 8}


class RanksTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.settings = SETTINGS | {"data.train": cls.make_pack("train", 1003)}

    def train(self, name, ranks, **changes):
        """A run to its end; ranks None: `train` without a launcher."""
        run = self.folder / name
        self.launch(run, ranks, self.settings | {key.replace("__", "."): value for key, value in changes.items()})
        return run

    def computed(self, run):
        steps, _ = harness.read_metrics(run)
        last = int(re.search(r"^steps = (\d+)$", (run / "config.cfg").read_text(), re.MULTILINE)[1])
        self.assertEqual([line["step"] for line in steps], list(range(1, last + 1)))
        return [{key: line[key] for key in COMPUTED} for line in steps]

    def check_equal(self, *runs):
        """The first one's hash, if all have it, and every step's values."""
        first, *others = self.hashes_of(*runs)
        steps = self.computed(runs[0])
        for run, found in zip(runs[1:], others):
            with self.subTest(run=run.name):
                for mine, theirs in zip(self.computed(run), steps):
                    self.assertEqual(mine, theirs)
                self.assertEqual(found, first)
        return first

    def check_worlds(self, name, some, **changes):
        """Some worlds: those that ci/test.sh takes."""
        worlds = WORLDS if harness.LONG else some
        changes |= {"run__steps": STEPS}
        alone = self.train(f"{name}-alone", None, **changes)
        found = self.check_equal(alone, *(self.train(f"{name}-{ranks}", ranks, **changes) for ranks in worlds))
        steps = self.computed(alone)
        clipped = sum(line["grad_norm"] != "inf" and float(line["grad_norm"]) > 1 for line in steps)
        self.assertGreater(clipped, 5, "clipping was not part of what is compared")
        skipped = steps[-1]["skipped"]
        print(f"{name}: alone and at {worlds} ranks: {found}; {clipped} of {STEPS} steps clipped, {skipped} skipped")
        return alone, skipped

    def test_lamb(self):
        alone, _ = self.check_worlds("lamb", WORLDS, optimizer__name="lamb")
        hashes = {self.hash_of(alone, part) for part in PARTS}
        self.assertEqual(len(hashes), len(PARTS), "the parts' hashes cover the same bytes")

    def test_adamw_bf16(self):
        self.check_worlds("adamw-bf16", (3, 4), optimizer__name="adamw", precision__compute="bf16")

    def test_sgd(self):
        self.check_worlds("sgd", (2, 3), optimizer__name="sgd", optimizer__clip_value=0.5)

    def test_dropout_and_adaptive_clipping(self):
        drawn = {"optimizer__name": "adamw", "model__dropout": 0.1, "optimizer__clip_adaptive": 0.02}
        alone, _ = self.check_worlds("dropout", (2, 3), **drawn)
        few = 5  # AdamW's first steps hardly depend on how long a gradient is
        other = self.computed(alone)[few - 1]["loss"]
        for name, changes in (("kept", {"model__dropout": 0}), ("unclipped", {"optimizer__clip_adaptive": 0})):
            run = self.train(name, None, run__steps=few, **(drawn | changes))
            self.assertNotEqual(self.computed(run)[few - 1]["loss"], other, f"{name}: not a part of what is compared")

    def test_fp16(self):
        for optimizer, some in (("lamb", (3, 8)), ("adamw", (4,))):
            _, skipped = self.check_worlds(f"{optimizer}-fp16", some, optimizer__name=optimizer,
                                           precision__compute="fp16", precision__loss_scale=2**24,
                                           precision__loss_scale_window=8)
            self.assertGreater(skipped, 3, "no overflow was part of what is compared")

    def test_stages(self):
        """What ranks share out changes no bit; nor does the sum's type depend on where lanes live."""
        lanes = {"run__lanes": 4}  # with a rank for each: stage 2
        for name, changes in (("fp32", lanes), ("fp16", lanes | {"precision__compute": "fp16"})):
            runs = [self.train(f"stage-{name}-alone", None, **changes)]
            for ranks, stage in ((3, 0), (4, 2), *(((2, 0),) if harness.LONG else ())):
                runs.append(self.train(f"stage-{name}-{ranks}-{stage}", ranks, sharding__stage=stage, **changes))
            self.check_equal(*runs)
        for compute in ("fp16", "bf16"):
            narrow = lanes | {"precision__compute": compute, "sharding__sum_type": "compute"}
            runs = [self.train(f"narrow-{compute}-alone", None, **narrow)]
            for ranks, stage in ((3, 1), (4, 2), *(((2, 1), (4, 0)) if harness.LONG else ())):
                runs.append(self.train(f"narrow-{compute}-{ranks}-{stage}", ranks, sharding__stage=stage, **narrow))
            wide = self.train(f"wide-{compute}", None, precision__compute=compute, **lanes)
            self.assertNotEqual(self.check_equal(*runs), self.hash_of(wide))

    def test_fast_sums(self):
        """Sums as the library adds ranks: the exact run's losses within a tolerance, its bits on one rank and on two."""
        exact = self.train("fast-exact", None, run__steps=20)
        fast = {
            ranks: self.train(f"fast-{ranks}", ranks, run__steps=20, sharding__reduction="fast", log__trace_step=2)
            for ranks in (1, 2, 4)
        }
        self.check_equal(exact, fast[1], fast[2])
        for mine, theirs in zip(self.computed(fast[4]), self.computed(exact)):
            self.assertAlmostEqual(float(mine["loss"]), float(theirs["loss"]), delta=1e-4)
        for ranks, run in fast.items():
            trace = (run / "trace-step-00000002.json").read_text()
            self.assertEqual("reduce_scatter" in trace, ranks > 1)

    def test_families(self):
        """Alone as it comes, and on three ranks with blocks that backward computes a second time."""
        for name in ("deit_ti16_distilled", "vit_s16_18x2", "cait_xxs24"):
            with self.subTest(model=name):
                patch = {"model__name": name, "model__patch": 4}
                alone = self.train(f"{name}-alone", None, **patch)
                again = self.train(f"{name}-3", 3, model__activation_checkpointing="every:2", **patch)
                print(f"{name}: alone and at 3 ranks: {self.check_equal(alone, again)}")

    def test_what_is_compared_counts(self):
        """Each of these changes the hash: none is silently left out at every number of ranks alike."""
        changes = {
            "as it is": {},
            "seed": {"run__seed": 2},
            "drop-path": {"model__drop_path": 0.0},
            "drop-path over time": {"schedule__drop_path_start": 0.0},
            "weight decay": {"optimizer__weight_decay": 0.5},
            "weight decay over time": {"optimizer__weight_decay": 0.5, "schedule__weight_decay_end": 0.1},
            "mixup": {"augment__mixup": 0.0},
            "cutmix": {"augment__cutmix": 0.0},
            "clipping": {"optimizer__clip_norm": 0.5},
            "LAMB's own clipping": {"optimizer__lamb_max_grad_norm": 0.5},
            "lanes": {"run__lanes": 4},
        }
        runs = [self.train(f"change-{number}", None, **change) for number, change in enumerate(changes.values())]
        found = dict(zip(changes, self.hashes_of(*runs)))
        for what, one in found.items():
            same = [other for other in found if found[other] == one and other != what]
            self.assertFalse(same, f"{what} makes no difference")


if __name__ == "__main__":
    unittest.main()
