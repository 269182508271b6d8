"""Two tiny runs, one of them stopped and continued on another number of ranks: `vitrail report` tells what they did, in every form."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness

STEPS = 12
COLUMNS = 100
BASE = harness.TINY_RUN | {"run.steps": STEPS, "checkpoint.every": "4st", "evaluate.every": "6st"}


class Terminal(harness.Job):
    """A command on a terminal of its own, and what is shown there."""

    def __init__(self, words, environment):
        self.words = [str(word) for word in words]
        self.screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            self.words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
        os.close(theirs)
        self.shown = ""

    def read(self):
        """False: nothing more will come."""
        with contextlib.suppress(OSError):  # nobody holds the other end any more
            if part := os.read(self.screen, 65536):
                self.shown += part.decode()
                return True
        return False

    def read_until(self, pattern):
        while not re.search(pattern, self.shown):
            if not self.read():
                raise AssertionError(f"ended before {pattern}: {self.shown}")

    def read_to_the_end(self):
        while self.read():
            pass
        os.close(self.screen)
        return self.shown


class ReportTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pack = cls.make_pack("data", 64)
        cls.settings = BASE | {"data.train": pack, "data.val": pack}
        cls.first, cls.second = cls.folder / "runs/first", cls.folder / "runs/second"
        stopped = cls.settings | {"run.dir": cls.first}
        job, held = cls.start_held(stopped, 2, 5)
        os.kill(job.process.pid, signal.SIGUSR1)
        job.wait_for(lambda: harness.has_pending(held, signal.SIGUSR1), "request in rank 0")
        os.kill(held, signal.SIGCONT)
        job.finish(expect=85)
        cls.vitrail("train", *harness.flags(stopped))
        cls.vitrail("train", *harness.flags(cls.settings | {"run.dir": cls.second, "optimizer.lr": 0.001}))
        evaluation, _ = cls.vitrail(
            "eval", "--checkpoint", cls.first, "--data", pack, "--evaluate.per_class", "true", "--format", "json")
        (cls.first / "evaluation.json").write_text(evaluation)

    def report(self, *words):
        return self.vitrail("report", self.first, self.second, *words)[0]

    def test_json_tells_attempts_events_and_differences(self):
        report = json.loads(self.report("--format", "json"))
        self.assertEqual(report["differences"], ["optimizer.lr"])
        first, second = report["runs"]
        self.assertEqual([run["state"] for run in report["runs"]], ["finished", "finished"])
        self.assertEqual(first["planned_steps"], STEPS)
        self.assertEqual([one["world"] for one in first["attempts"]], [2, 1])
        self.assertEqual([one["how"] for one in first["attempts"]], ["stopped", "finished"])
        stopped = first["attempts"][0]["last_step"]
        self.assertEqual([one["first_step"] for one in first["attempts"]], [0, stopped])
        kinds = [event["kind"] for event in first["events"] if event["kind"] != "saved"]
        self.assertEqual(kinds, ["begin", "stopped", "changed", "begin", "finished"])
        self.assertEqual(first["steps"]["step"], list(range(1, STEPS + 1)))
        losses = [float(line["loss"]) for line in harness.read_metrics(self.first)[0]]
        for mine, theirs in zip(first["steps"]["curves"]["loss"]["mean"], losses):
            self.assertAlmostEqual(mine / theirs, 1, 5)
        self.assertEqual([one["step"] for one in first["evaluations"]], [6, STEPS])
        self.assertEqual(sum(one["images"] for one in first["evaluation"]["classes"]), 64)
        self.assertEqual(len({one["name"] for one in first["evaluation"]["classes"]}), 10)
        self.assertIsNone(second["evaluation"])

    def test_csv_has_every_step_as_the_metrics_do(self):
        rows = list(csv.DictReader(io.StringIO(self.report("--format", "csv"))))
        steps = [row for row in rows if row["run"] == "first" and row["loss"]]
        metrics = harness.read_metrics(self.first)[0]
        self.assertEqual([row["loss"] for row in steps], [line["loss"] for line in metrics])
        self.assertEqual([int(row["attempt"]) for row in steps], [line["attempt"] for line in metrics])
        self.assertEqual(sum(bool(row["eval.top1"]) for row in rows), 4)

    def test_text(self):
        text = self.report("--format", "text")
        self.assertRegex(text, rf"(?m)^ *first  finished  {STEPS} of {STEPS} ")
        self.assertRegex(text, r"(?m)^optimizer\.lr  0\.005  0\.001$")
        self.assertRegex(text, r"(?m)^ +1 +2 +1 +0 to \d+ .* stopped$")

    def test_a_page_and_the_folder_of_several_runs(self):
        page = self.folder / "report.html"
        said, _ = self.vitrail("report", self.first.parent, "--output", page)
        self.assertRegex(said, r"report\.html: 2 runs, \d+\.\d MB\n$")
        self.assertIn('"name":"second"', page.read_text())

    def test_the_form_is_that_of_the_files_name(self):
        for ending, begin in (("csv", "run,"), ("json", "{"), ("txt", "")):
            path = self.folder / f"named.{ending}"
            self.vitrail("report", self.first, "--output", path)
            self.assertTrue(path.read_text().startswith(begin), ending)
            self.assertNotIn("<html", path.read_text())
        said = self.vitrail("report", self.first, "--output", self.folder / "named.pdf", expect=2)[1]
        self.assertIn(".html, .txt, .csv or .json", said)
        self.assertFalse((self.folder / "named.pdf").exists())
        self.vitrail("report", self.first, "--output", self.folder / "named.dat", "--format", "csv")
        said = self.vitrail("report", self.first, "--output", self.folder / "events", "--format", "tensorboard")[0]
        self.assertIn("1 event file; open it with", said)

    def test_a_bad_line_is_named_by_its_number(self):
        damaged = self.folder / "damaged"
        shutil.copytree(self.first, damaged, symlinks=True)
        lines = (damaged / "metrics.jsonl").read_text().splitlines()
        lines[3] = '{"step": 4, "lo'
        (damaged / "metrics.jsonl").write_text("\n".join(lines) + "\n")
        said = self.vitrail("report", damaged, "--format", "text", expect=65)[1]
        self.assertIn(f"{damaged / 'metrics.jsonl'}:4: no JSON object", said)

    def on_a_terminal(self, *words):
        terminal = Terminal(words, self.environment)
        self.addCleanup(terminal.kill)
        return terminal

    def test_launch_shows_a_line_that_moves(self):
        settings = self.settings | {
            "run.dir": self.folder / "live", "run.steps": 4, "checkpoint.every": "100st", "evaluate.every": "100st",
            "run.fault": "data:0:3:stop", "watchdog.step": "0s", "watchdog.other": "0s",
        }
        terminal = self.on_a_terminal(self.program, "launch", "-n", 1, *harness.flags(settings))
        terminal.read_until(r"live: step 2 of 4")
        while not (stopped := [pid for pid in terminal.ranks() if harness.is_stopped(pid)]):
            time.sleep(harness.POLL_S)
        os.kill(stopped[0], signal.SIGCONT)
        shown = terminal.read_to_the_end()
        self.assertEqual(terminal.process.wait(), 0, shown)
        lines = re.findall(r"\r\x1b\[K(live: [^\r\n]*)", shown)
        self.assertLess(max(map(len, lines)), COLUMNS)
        self.assertRegex(lines[0], r"^live: step 2 of 4, epoch 1\.00, loss \d\.\d+, \d+ images/s, ETA [\d.]+ \w+")
        self.assertIn("the planned end is reached: step 4 of 4", shown)
        self.assertNotIn("live: step", re.split(r"\r\x1b\[K", shown)[-1], "the line was left behind")

    def test_watch(self):
        terminal = self.on_a_terminal(self.program, "watch", self.first)
        shown = terminal.read_to_the_end()
        self.assertEqual(terminal.process.wait(), 0)
        self.assertRegex(shown, rf"^\r\x1b\[Kfirst: step {STEPS} of {STEPS}, .*\(finished\)\r\n$")
        text, _ = self.vitrail("watch", self.first.parent)
        self.assertIn("2 runs: 2 finished\n", text)
        looks = json.loads(self.vitrail("watch", self.first, self.second, "--once", "--format", "json")[0])
        self.assertEqual([(look["name"], look["step"]) for look in looks], [("first", STEPS), ("second", STEPS)])
        kept = self.folder / "vitrail.prom"
        self.vitrail("watch", self.first, "--format", "openmetrics", "--output", kept)
        self.assertIn(f'vitrail_step{{run="first"}} {STEPS}\n', kept.read_text())

    def test_words_that_lead_nowhere(self):
        _, err = self.vitrail("report", self.folder / "nothing", "--format", "text", expect=2)
        self.assertIn("there is no such folder", err)
        _, err = self.vitrail("report", self.first, expect=2)
        self.assertIn("needs --output PATH", err)
        _, err = self.vitrail("report", self.first, "--output", self.folder / "no/such/report.html", expect=74)
        self.assertIn("no/such", err)


if __name__ == "__main__":
    unittest.main()
