"""`vitrail submit` on a cluster of two simulated nodes, with a site file of its own: preempted once, the run goes on with the
settings of when it was submitted.

By hand, as root: python3 tests/slurm/submit_test.py
"""

import os
import re
import shutil
import subprocess

import cluster
import harness
from cluster import ROOT, slurm
from preempted_test import SMALL, STEPS

SITE = {"partition": "main", "account": "test", "ranks_per_node": "1", "cpus_per_rank": "1", "gpus_per_node": "1", "device": "cpu"}


class SubmitTest(cluster.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.scripts = cls.folder / "slurm"
        shutil.copytree(ROOT / "slurm", cls.scripts)
        text = (cls.scripts / "site.sh").read_text()
        for name, value in SITE.items():
            text, count = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert count == 1, name
        (cls.scripts / "site.sh").write_text(text)

    def submit(self, config, *words, expect=0, **environment):
        """In a folder without a clone; (standard output, standard error)."""
        line = [self.program, "submit", config, "--scripts", self.scripts, *words]
        environment = os.environ | {"VITRAIL_STAGE": ""} | environment
        done = subprocess.run(list(map(str, line)), cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def config(self, name, **settings):
        path = self.folder / f"{name}.cfg"
        sections = {}
        for key, value in settings.items():
            section, _, rest = key.partition(".")
            sections.setdefault(section, []).append(f"{rest} = {value}\n")
        path.write_text("".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items()))
        return path

    def test_preempted(self):
        settings = SMALL | {"data.train": self.make_pack("images", 1024)}
        del settings["run.device"]  # the site's
        config = self.config("first", **settings)
        undisturbed = self.folder / "undisturbed"
        words = ["--config", shutil.copy(config, self.folder / "as-submitted.cfg"), "--optimizer.lr", "2e-3", "--run.device", "cpu"]
        said, _ = self.submit(config, "--nodes", 2, "--optimizer.lr", "2e-3")
        job = re.fullmatch(r"job (\d+) on 2 nodes \(2 ranks\)\nrun runs/first\n", said)[1]
        self.config("first", **settings | {"run.steps": 3})  # while it waits
        self.assertEqual(slurm("squeue", "--noheader", "--job", job, "--format", "%j %D %a %P"), "first 2 test main")
        run = self.folder / "runs/first"
        log = run / f"first-{job}.log"
        self.wait_for(lambda: harness.step_of(run) >= 3, "third step", log)
        slurm("srun", "--partition=hi", "--exclusive", "--nodes=2", "sleep", 1)
        self.vitrail("train", *words, "--run.dir", undisturbed)
        self.assertEqual(self.end_of(job, log), ("COMPLETED", 1), log.read_text())
        self.assertIn("2 ranks by srun on 2 nodes", log.read_text())
        self.assertEqual([line["step"] for line in harness.read_metrics(run)[0]], list(range(1, STEPS + 1)))
        self.check_same_state(run, undisturbed)
        self.check_same_after_resume(run)

    def check_same_after_resume(self, run):
        """resume.sh finds script, settings and words in the run's folder: on another number of nodes, nothing is left to do."""
        before = self.hash_of(run)
        words = [self.scripts / "resume.sh", "runs/first", "--nodes=1"]
        told = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=True).stdout
        job = re.search(r"Submitted batch job (\d+)", told)[1]
        log = run / f"first-{job}.log"
        self.assertEqual(self.end_of(job, log), ("COMPLETED", 0), log.read_text())
        self.assertIn("1 rank by srun on 1 node", log.read_text())
        self.assertEqual(self.hash_of(run), before)

    def test_one_error_for_each_wrong_input(self):
        config = self.config("wrong", **SMALL | {"data.train": "synthetic:1024,10,28"})
        tools = self.folder / "tools"
        tools.mkdir()
        for tool in ("bash", "sh"):
            (tools / tool).symlink_to(shutil.which(tool))
        cases = [
            (78, "sbatch: there is no such program in PATH", [], {"PATH": str(tools)}),
            (78, "sbatch did not take the job (status 1), see above", ["--sbatch-args", "--partition=none"], {}),
            (2, "submit nothing: there is no such file, and no", ["nothing"], {}),
            (2, "--nodes 0: expected a whole number", ["--nodes", "0"], {}),
            (2, "no site.sh with a train.sh beside it", ["--scripts", str(tools)], {}),
            (78, "--ranks 5 with run.lanes = 4", ["--nodes", "5"], {}),
            (78, "not submitted: the job would end as the table says", ["--data.train", "packs/none"], {}),
            (78, "packs/none: no such folder", ["--data.train", "packs/none"], {}),
            (78, "3 min; the warning comes 3 min before its end", ["--time-limit", "3"], {}),
            (78, "3 min; the warning comes 3 min before its end", ["--sbatch-args", "-t 3"], {}),
        ]
        for status, text, words, environment in cases:
            with self.subTest(text=text):
                given = words if words == ["nothing"] else [config, *words]
                said, complaint = self.submit(*given, expect=status, **environment)
                self.assertEqual(said, "")
                self.assertEqual(complaint.count("vitrail: "), 1, complaint)
                self.assertIn(text, " ".join(complaint.split()))
                self.assertFalse((self.folder / "runs/wrong").exists())

    def test_data_that_only_the_nodes_see(self):
        config = self.config("unseen", **SMALL | {"data.train": "packs/of-the-nodes"})
        said, _ = self.submit(config, "--unchecked", "--sbatch-args", "--hold")
        job = re.match(r"job (\d+) ", said)[1]
        slurm("scancel", job)
        self.assertIn("nothing uses this", self.submit(config, "--unchecked", "--dry-run", expect=2)[1])

    def test_dry_run_writes_nothing(self):
        config = self.config("dry", **SMALL | {"data.train": "synthetic:1024,10,28"})
        script, told = self.submit(config, "--nodes", 2, "--dry-run", PATH="/usr/bin:/bin")
        self.assertIn(f'source {self.scripts}/train.sh\ntrain dry "$@"\n', script)
        self.assertRegex(told, r"sbatch --parsable runs/dry/submitted-\w+\.sh --run\.dir runs/dry\n")
        self.assertFalse((self.folder / "runs/dry").exists())


if __name__ == "__main__":
    cluster.run_tests()
