""".ci/run in a repository of stand-ins: every script has its turn, the output passes through, a failure is never lost."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAND_IN = '#!/usr/bin/env bash\necho "words of {0}"\necho {0} >>calls\nexit {1}\n'


class CiRunTest(unittest.TestCase):
    def run_with(self, *words, **statuses):
        """(exit status, output, names of the scripts that were called)."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="vitrail-"))
        self.addCleanup(shutil.rmtree, folder)
        for name in (".ci/run", "ci/common.sh", "ci/stages.sh"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        for name in ("install", "lint", "test", "checks"):
            script = folder / f"ci/{name}.sh"
            script.write_text(STAND_IN.format(name, statuses.get(name, 0)))
            script.chmod(0o755)
        done = subprocess.run([folder / ".ci/run", *words], cwd="/", capture_output=True, text=True, check=False)
        calls = folder / "calls"
        return done.returncode, done.stdout + done.stderr, calls.read_text().split() if calls.exists() else []

    def test_all_pass(self):
        status, text, calls = self.run_with()
        self.assertEqual((status, calls), (0, ["install", "lint", "test", "checks"]), text)
        self.assertIn("words of test\n", text)
        self.assertIn("run: all stages passed", text)

    def test_a_failure_stops_nothing_and_is_the_exit_status(self):
        for failing in ("lint", "test", "checks"):
            with self.subTest(failing=failing):
                status, text, calls = self.run_with(**{failing: 3})
                self.assertNotEqual(status, 0, text)
                self.assertEqual(calls, ["install", "lint", "test", "checks"])
                self.assertRegex(text, rf"(?m)^{failing} +[\d.]+  FAILED$")
                self.assertIn(f"run: failed: {failing}\n", text)

    def test_without_packages_nothing_is_tried(self):
        status, text, calls = self.run_with(install=1)
        self.assertNotEqual(status, 0)
        self.assertEqual(calls, ["install"])
        self.assertRegex(text, r"(?m)^test +[\d.]+  not run: needs install$")

    def test_one_stage(self):
        status, text, calls = self.run_with("--stage", "checks", lint=1)
        self.assertEqual((status, calls), (0, ["checks"]), text)
        self.assertNotEqual(self.run_with("--stage", "nothing")[0], 0)


if __name__ == "__main__":
    unittest.main()
