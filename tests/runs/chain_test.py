"""What slurm/chain_21k_to_1k.sh submits, told by an sbatch that only takes notes; tests/slurm/recipes_test.py runs the jobs."""

import os
import subprocess
import unittest

import harness

SBATCH = """#!/bin/sh
echo "$@" >>"$NOTES"
wc -l <"$NOTES"
"""


class ChainTest(harness.RunTest):
    def chain(self, *words, expect=0, **variables):
        """The lines of words that sbatch was called with, and what was printed as errors."""
        notes, tools = self.folder / f"{self.id()}.notes", self.folder / "tools"
        notes.write_text("")
        tools.mkdir(exist_ok=True)
        (tools / "sbatch").write_text(SBATCH)
        (tools / "sbatch").chmod(0o755)
        environment = {"VITRAIL": str(self.program), "NOTES": str(notes), "PATH": f"{tools}:{os.environ['PATH']}"}
        done = subprocess.run([harness.ROOT / "slurm/chain_21k_to_1k.sh", *words], cwd=harness.ROOT, capture_output=True,
                              text=True, timeout=harness.PATIENCE_S, env=os.environ | environment | variables)  # fmt: skip
        self.assertEqual(done.returncode, expect, done.stderr)
        return notes.read_text().splitlines(), done.stderr

    def test_each_job_waits_for_the_one_before(self):
        jobs, _ = self.chain("--data.val", "packs/other val")
        self.assertEqual(len(jobs), 4)
        self.assertTrue(jobs[0].endswith("slurm/check_packs.sh packs/imagenet_1k_train packs/imagenet_21k_train packs/other val"), jobs[0])
        for number, job in enumerate(jobs[1:], 1):
            self.assertIn(f"--dependency=afterok:{number} ", job)
        self.assertTrue(jobs[3].endswith("slurm/evaluate.sh runs/vit_h_21k_to_1k packs/other val"), jobs[3])

    def test_a_chain_that_could_not_train_submits_nothing(self):
        for words, variables, message in (
            ([], {"PRETRAIN": "configs/vit_h_12k.cfg"}, "configs/vit_h_12k.cfg: there is no such file"),
            ([], {"FINETUNE": "configs/vit_h_12k.cfg"}, "configs/vit_h_12k.cfg: there is no such file"),
            ([], {"FINETUNE": "configs/vit_h_21k.cfg"}, "sets no data.val to evaluate on"),
            (["--run.step", "100"], {}, "--run.step: unknown key"),
        ):
            with self.subTest(message=message):
                jobs, errors = self.chain(*words, expect=2, **variables)
                self.assertEqual(jobs, [])
                self.assertIn(message, errors)


if __name__ == "__main__":
    unittest.main()
