"""`cmake --install`: what it leaves may be moved, and serves another user without a home, from packing to a report.

VITRAIL_BUILD names the build folder.
"""

import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

NOBODY = 65534
SMALL = {"run.steps": 12, "run.epochs": 0, "evaluate.every": "0st", "checkpoint.every": "0st", "data.workers": 1}


class InstallationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="vitrail-installed-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.folder.chmod(0o755)
        first = cls.folder / "first"
        words = ["cmake", "--install", os.environ["VITRAIL_BUILD"], "--prefix", first]
        installed = subprocess.run(words, capture_output=True, text=True)
        assert installed.returncode == 0, installed.stderr
        cls.prefix = first.rename(cls.folder / "moved")
        cls.program = cls.prefix / "bin/vitrail"
        cls.work = cls.folder / "work"
        cls.work.mkdir()
        if os.geteuid() == 0:
            os.chown(cls.work, NOBODY, NOBODY)

    def call(self, *words, expect=0, environment=()):
        """As nobody, if we may, with nothing else in the environment but a path; what it prints."""
        other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        line = [*other, "env", "-i", "PATH=/usr/bin:/bin", *environment, self.program, *words]
        done = subprocess.run(list(map(str, line)), cwd=self.work, capture_output=True, text=True)
        self.assertEqual(done.returncode, expect, f"{done.stdout}{done.stderr}")
        return done.stdout

    def test_the_quickstart_from_packing_to_a_report(self):
        images = pathlib.Path(os.environ.get("VITRAIL_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
        for part, pack in (("train", "fashion-mnist-train"), ("t10k", "fashion-mnist-test")):
            source = f"idx:{images}/{part}-images-idx3-ubyte.gz,{images}/{part}-labels-idx1-ubyte.gz"
            self.call("pack", "--source", source, "--output", f"packs/{pack}")
        config = self.prefix / "share/vitrail/configs/quickstart.cfg"
        settings = [word for key, value in SMALL.items() for word in (f"--{key}", value)]
        self.call("launch", "-n", 2, "--config", config, *settings)
        scores = self.call("eval", "--checkpoint", "runs/quickstart", "--data", "packs/fashion-mnist-test")
        self.assertRegex(scores, r"top-1 +\d")
        self.call("report", "runs/quickstart", "--output", "report.html", "--attention", "packs/fashion-mnist-test")
        page = (self.work / "report.html").read_text()
        self.assertIn("</html>", page)
        self.assertRegex(page, r'"kind":"attention"[^}]*"png":"\w')

    def test_a_job_needs_no_clone(self):
        """Recipes and job scripts are found beside the program."""
        script = self.call("submit", "quickstart", "--dry-run", environment=["VITRAIL_RANKS_PER_NODE=2"])
        self.assertIn(f"export VITRAIL={self.program}\n", script)
        self.assertIn(f"source {self.prefix}/share/vitrail/slurm/train.sh\n", script)
        self.assertIn("#SBATCH --ntasks-per-node=2\n", script)

    def test_nothing_refers_to_where_it_was_built(self):
        """The dynamic section names folders beside the program only."""
        names = subprocess.run(["readelf", "-d", self.program], check=True, capture_output=True, text=True).stdout
        paths = [line.split("[")[1].rstrip("]") for line in names.splitlines() if "RPATH" in line or "RUNPATH" in line]
        self.assertEqual([path for path in paths if not path.startswith("$ORIGIN/")], [])
        self.assertEqual(len(paths), 1)

    def test_manuals_completion_recipes_and_job_scripts_are_there(self):
        share = self.prefix / "share"
        commands = {page.stem.removeprefix("vitrail-") for page in (share / "man/man1").glob("vitrail-*.1")}
        self.assertLessEqual({"pack", "launch", "train", "eval", "report"}, commands)
        self.assertIn(".TH VITRAIL-LAUNCH 1", (share / "man/man1/vitrail-launch.1").read_text())
        subprocess.run(["bash", "-n", share / "bash-completion/completions/vitrail"], check=True)
        self.assertTrue((share / "vitrail/configs/vit_h_21k.cfg").is_file())
        self.assertTrue(os.stat(share / "vitrail/slurm/vit_h_21k.sh").st_mode & stat.S_IXUSR)


if __name__ == "__main__":
    unittest.main()
