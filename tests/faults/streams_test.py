"""Standard streams that are full or closed, and names that are no text: an error at once, never a lost result."""

import os
import subprocess
import unittest

import faults
import harness
from faults import DONE, IO, USAGE


class StreamsTest(faults.FaultTest):
    def shell(self, script, *words):
        """Runs a shell script whose "$@" is the program with these words: (exit status, stderr)."""
        command = ["sh", "-c", script, "sh", self.program, *map(str, words)]
        done = subprocess.run(command, env=self.environment, capture_output=True, timeout=harness.PATIENCE_S, check=False)
        return done.returncode, done.stderr.decode()

    def test_results_that_do_not_arrive(self):
        commands = (["models"], ["--help"], ["train", "--help"], ["info", self.pack], ["info", self.pack, "--format", "json"])
        for words in commands:
            for script in ('"$@" >/dev/full', '"$@" >&-'):
                with self.subTest(words=words, script=script):
                    status, text = self.shell(script, *words)
                    self.assertEqual(status, IO, text)
                    self.assertTrue(text.startswith("vitrail: "), text)

    def test_words_that_do_not_arrive_stop_nothing(self):
        run = self.folder / "silent"
        status, _ = self.shell('"$@" 2>/dev/full', *self.words(run, 2, {}))
        self.assertEqual(status, DONE)
        self.check_steps(run, faults.STEPS)
        status, _ = self.shell('"$@" 2>/dev/full', "models", "--model", "nope")
        self.assertEqual(status, USAGE)

    def test_closed_streams_are_not_taken_by_files(self):
        for closed in ("0<&-", "2>&-", "0<&- 2>&-"):
            with self.subTest(closed=closed):
                output = self.folder / f"pack{closed}"
                source = self.make_idx("closed", 8)
                status, text = self.shell(f'"$@" {closed}', "pack", "--source", source, "--output", output)
                self.assertEqual(status, DONE, text)
                self.vitrail("verify", output, "--decode")

    def test_folder_that_is_no_text(self):
        run = os.fsdecode(os.fsencode(self.run_folder()) + b"-\xff")
        settings = {"data.train": "synthetic:64,10,28", "run.dir": run, "run.steps": 1}
        words = [os.fsencode(str(word)) for word in self.words(run, 1, settings)]
        done = subprocess.run([self.program, *words], env=self.environment, capture_output=True, timeout=harness.PATIENCE_S, check=False)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertIn(b"--run.dir", done.stderr)
        self.assertIn(b"UTF-8", done.stderr)


if __name__ == "__main__":
    unittest.main()
