"""What a run computes does not depend on how many ranks share its lanes: 1, 2, 3, 4 and 8 end in the same bits."""

import unittest

import harness

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

    def outcome(self, name, ranks, **changes):
        """({part: hash}, computed values of every step) of a run; ranks None: `train` without a launcher."""
        run = self.folder / name
        settings = self.settings | {key.replace("__", "."): value for key, value in changes.items()}
        if ranks is None:
            self.vitrail("train", *harness.flags(settings | {"run.dir": run}))
        else:
            self.launch(run, ranks, settings)
        steps, _ = harness.read_metrics(run)
        self.assertEqual([line["step"] for line in steps], list(range(1, settings["run.steps"] + 1)))
        return {part: self.hash_of(run, part) for part in PARTS}, [{key: line[key] for key in COMPUTED} for line in steps]

    def check_worlds(self, name, **changes):
        changes |= {"run__steps": STEPS}
        alone = self.outcome(f"{name}-alone", None, **changes)
        self.assertEqual(len(set(alone[0].values())), len(PARTS), "the parts' hashes cover the same bytes")
        clipped = sum(line["grad_norm"] != "inf" and float(line["grad_norm"]) > 1 for line in alone[1])
        self.assertGreater(clipped, 5, "clipping was not part of what is compared")
        for ranks in (1, 2, 3, 4, 8):
            with self.subTest(name=name, ranks=ranks):
                hashes, steps = self.outcome(f"{name}-{ranks}", ranks, **changes)
                for mine, theirs in zip(steps, alone[1]):
                    self.assertEqual(mine, theirs)
                self.assertEqual(hashes, alone[0])
        skipped = alone[1][-1]["skipped"]
        print(f"{name}: alone and at 1, 2, 3, 4, 8 ranks: {alone[0]['all']}; {clipped} of {STEPS} steps clipped, "
              f"{skipped} skipped")
        return skipped

    def test_lamb(self):
        self.check_worlds("lamb", optimizer__name="lamb")

    def test_adamw_bf16(self):
        self.check_worlds("adamw-bf16", optimizer__name="adamw", precision__compute="bf16")

    def test_sgd(self):
        self.check_worlds("sgd", optimizer__name="sgd", optimizer__clip_value=0.5)

    def test_fp16(self):
        for optimizer in ("lamb", "adamw"):
            skipped = self.check_worlds(f"{optimizer}-fp16", optimizer__name=optimizer, precision__compute="fp16",
                                        precision__loss_scale=2**24, precision__loss_scale_window=8)
            self.assertGreater(skipped, 3, "no overflow was part of what is compared")

    def test_stages(self):
        """What ranks share out changes no bit; nor does the sum's type depend on where lanes live."""
        for name, changes in (("fp32", {}), ("fp16", {"precision__compute": "fp16"})):
            alone = self.outcome(f"stage-{name}-alone", None, **changes)
            for ranks, stage in ((2, 0), (3, 0), (8, 2)):
                with self.subTest(name=name, ranks=ranks, stage=stage):
                    self.assertEqual(
                        self.outcome(f"stage-{name}-{ranks}-{stage}", ranks, sharding__stage=stage, **changes), alone)
        for compute in ("fp16", "bf16"):
            narrow = {"precision__compute": compute, "sharding__sum_type": "compute"}
            alone = self.outcome(f"narrow-{compute}-alone", None, **narrow)
            self.assertNotEqual(alone[0], self.outcome(f"wide-{compute}", None, precision__compute=compute)[0])
            for ranks, stage in ((2, 1), (3, 1), (4, 0), (8, 2)):
                with self.subTest(name=f"sums in {compute}", ranks=ranks, stage=stage):
                    self.assertEqual(
                        self.outcome(f"narrow-{compute}-{ranks}", ranks, sharding__stage=stage, **narrow), alone)

    def test_fast_sums(self):
        """Sums as the library adds ranks: the exact run's losses within a tolerance, its bits on one rank and on two."""
        exact = self.outcome("fast-exact", None, run__steps=20)
        for ranks in (1, 2, 4):
            with self.subTest(ranks=ranks):
                fast = self.outcome(f"fast-{ranks}", ranks, run__steps=20, sharding__reduction="fast", log__trace_step=2)
                if ranks <= 2:  # one addition
                    self.assertEqual(fast, exact)
                for mine, theirs in zip(fast[1], exact[1]):
                    self.assertAlmostEqual(float(mine["loss"]), float(theirs["loss"]), delta=1e-4)
                trace = (self.folder / f"fast-{ranks}/trace-step-00000002.json").read_text()
                self.assertEqual("reduce_scatter" in trace, ranks > 1)

    def test_families(self):
        """Alone as it comes, and on three ranks with blocks that backward computes a second time."""
        for name in ("deit_ti16_distilled", "vit_s16_18x2", "cait_xxs24"):
            with self.subTest(model=name):
                patch = {"model__name": name, "model__patch": 4}
                alone = self.outcome(f"{name}-alone", None, **patch)
                self.assertEqual(
                    self.outcome(f"{name}-3", 3, model__activation_checkpointing="every:2", **patch), alone)
                print(f"{name}: alone and at 3 ranks: {alone[0]['all']}")

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
        hashes = {}
        for number, (what, change) in enumerate(changes.items()):
            found = self.outcome(f"change-{number}", None, **change)[0]["all"]
            self.assertNotIn(found, hashes, f"{what} makes no difference")
            hashes[found] = what


if __name__ == "__main__":
    unittest.main()
