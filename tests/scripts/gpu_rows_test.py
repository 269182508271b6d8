"""ci/gpu.sh without a GPU: rows that need no other network are run at small sizes; one that hangs costs its own time alone; what is
not there is named."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests/bench/gpu"
BUILD = pathlib.Path(os.environ.get("VITRAIL_BUILD", ROOT / "build/dev")).resolve()
WITHOUT_PEERS = ("contracts", "same_bits", "no_images", "kernels", "checkpoint")

sys.path.insert(0, str(BENCH))
import rows  # noqa: E402


class GpuRowsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vitrail-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.json = self.folder / "gpu.json"

    def rows(self, programs, *words):
        """(exit status, output, the document)"""
        command = [sys.executable, "-B", BENCH / "rows.py", programs, "--json", self.json, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout, json.loads(self.json.read_text())

    def chosen(self, *names):
        return [word for name in names for word in ("--row", name)]

    def test_small_rows_on_a_processor(self):
        status, text, document = self.rows(BUILD, "--mode", "cpu", *self.chosen(*WITHOUT_PEERS))
        self.assertEqual(status, 0, text)
        self.assertEqual((document["mode"], list(document["rows"])), ("cpu", list(WITHOUT_PEERS)))
        self.assertGreater(document["hardware"]["cpus"], 0)
        figures = {name: row["figures"] for name, row in document["rows"].items()}
        self.assertEqual(figures["contracts"], {f"mpi_contract at {ranks}": True for ranks in (1, 2, 4)})
        self.assertEqual({name: found["same"] for name, found in figures["same_bits"].items()},
                         {"vit_h14": True, "cait_m48": True, "ranks": True})
        self.assertEqual(figures["no_images"]["cait_m48"]["worst"], 0)
        self.assertEqual(figures["kernels"]["vit_h14"], {"lines_of_metrics_a_step": 1})
        self.assertEqual(len(figures["checkpoint"]["waited_s"]), 2)

    def test_what_is_not_there_is_named_and_the_others_go_on(self):
        programs = self.folder / "programs"
        programs.mkdir()
        (programs / "vitrail").symlink_to(BUILD / "vitrail")
        status, text, document = self.rows(programs, "--mode", "dry", *self.chosen("contracts", "same_bits", "kernels"))
        outcomes = [row["outcome"] for row in document["rows"].values()]
        self.assertEqual(outcomes, ["failed with exit status 1", "passed", "failed with exit status 1"], text)
        self.assertIn("failed: contracts, kernels", text)
        self.assertIn(f"{programs.resolve()}/libcount_kernels.so is not there", text)
        self.assertNotEqual(status, 0)

    def test_a_row_that_hangs_ends_with_all_that_it_started_and_what_it_told_is_kept(self):
        script = "import json, pathlib, subprocess, sys; pathlib.Path(sys.argv[-1]).write_text(json.dumps({'told': 1}))\n"
        script += "subprocess.run(['sh', '-c', 'trap \"\" TERM; echo $$ >pid; while :; do sleep 1; done'])"
        start = time.monotonic()
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)
        found = rows.run([sys.executable, "-c", script], 2, self.folder / "figures.json")
        self.assertEqual((found["outcome"], found["figures"]), ("ended after 2 s", {"told": 1}))
        self.assertLess(time.monotonic() - start, 2 + 2 * rows.ENDING_S + 5)
        with self.assertRaises(ProcessLookupError):
            for _ in range(100):  # it is a child of nobody that waits for it
                os.kill(int((self.folder / "pid").read_text()), 0)
                time.sleep(0.1)

    def test_all_rows_fit_into_fifteen_minutes_and_are_scripts(self):
        self.assertLessEqual(sum(limit for limit, _ in rows.ROWS.values()), rows.FIFTEEN_MINUTES)
        for _, (script, *_) in rows.ROWS.values():
            self.assertTrue((BENCH / script).is_file(), script)

    def test_without_a_gpu_the_script_says_so(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skipTest("there is a GPU")
        done = subprocess.run([ROOT / "ci/gpu.sh"], stderr=subprocess.PIPE, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("there is no GPU: --dry-run", done.stderr)


if __name__ == "__main__":
    unittest.main()
