"""Steps' traces: valid Chrome trace events of all ranks, with what is promised in them. And phases in the metrics."""

import json
import pathlib
import unittest

import harness


class TraceTest(harness.RunTest):
    def test_two_ranks(self):
        run = self.folder / "run"
        settings = harness.TINY_RUN | {"data.train": self.make_pack("train", 200), "log.trace_step": 7}
        self.launch(run, 2, settings)
        trace = json.loads((run / "trace-step-00000007.json").read_text())
        events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        seconds = float(harness.read_metrics(run)[0][6]["seconds"])
        for rank in (0, 1):
            own = [event for event in events if event["pid"] == rank]
            computed = [event for event in own if event["tid"] == 0]
            said = [event for event in own if event["tid"] == 1]
            names = [event["name"] for event in computed]
            for lane in (2 * rank, 2 * rank + 1):
                for part in ("forward", "backward"):
                    self.assertEqual(names.count(f"{part} of lane {lane}"), 1, names)
            for name in ("wait for gradients", "norms and report", "update", "new weights"):
                self.assertEqual(names.count(name), 1, names)
            kinds = {event["name"].split()[0] for event in said}
            self.assertLessEqual({"exchange", "all_reduce"}, kinds)
            # The parts follow each other: none overlaps the next.
            parts = sorted((e for e in computed if "weights of block" not in e["name"]), key=lambda e: e["ts"])
            for part, following in zip(parts, parts[1:]):
                self.assertLessEqual(part["ts"] + part["dur"], following["ts"] + 0.001, (part, following))
            if rank == 0:  # whose clock the step's seconds are
                self.assertLessEqual(max(e["ts"] + e["dur"] for e in computed) / 1e6, seconds)
        for name in (event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"):
            self.assertRegex(name, r"^rank [01] on \S+$")
        print(f"{len(events)} events of a step of {seconds:.3f} s")

    def test_several_steps_with_operators_workers_and_arrows(self):
        run = self.folder / "several"
        settings = harness.TINY_RUN | {
            "data.train": self.make_pack("several-train", 200), "data.workers": 2, "log.trace_step": 5, "log.trace_steps": 3,
            "log.trace_operators": "true",
        }
        said = self.launch(run, 2, settings)[1]
        if not pathlib.Path("/proc/driver/nvidia").exists():
            self.assertNotIn("ERROR", said)
        trace = json.loads((run / "trace-step-00000005.json").read_text())["traceEvents"]
        self.assertEqual([path.name for path in run.glob("trace-*")], ["trace-step-00000005.json"])
        rows = {(label["pid"], label["tid"]): label["args"]["name"] for label in trace if label["name"] == "thread_name"}
        events = [event for event in trace if event["ph"] == "X"]
        for rank in (0, 1):
            own = [event | {"row": rows[rank, event["tid"]]} for event in events if event["pid"] == rank]
            self.assertEqual([event["name"] for event in own if event["row"] == "steps"], ["step 5", "step 6", "step 7"])
            self.assertEqual(sum(event["name"] == f"forward of lane {2 * rank}" for event in own), 3)
            begin = min(event["ts"] for event in own if event["row"] == "steps")
            end = max(event["ts"] + event["dur"] for event in own if event["row"] == "steps")
            operators = [event for event in own if event["row"].startswith("operators")]
            self.assertGreater(sum("addmm" in event["name"] or "mm" in event["name"] for event in operators), 3)
            self.assertGreaterEqual(len({event["row"] for event in operators}), 1)
            clocks = 2000  # us by which wall time and the trace's may differ
            self.assertTrue(all(begin - clocks <= event["ts"] <= end + clocks for event in operators))
            self.assertTrue(any(event["row"].startswith("loader") and event["name"] == "image" for event in own))
        arrows = {part: {event["id"]: event for event in trace if event["ph"] == part} for part in "sf"}
        self.assertEqual(arrows["s"].keys(), arrows["f"].keys())
        self.assertGreater(len(arrows["s"]), 5)
        for one, end in arrows["f"].items():
            self.assertNotEqual(arrows["s"][one]["pid"], end["pid"])
            self.assertLessEqual(arrows["s"][one]["ts"], end["ts"])

    def test_phases_add_up_to_the_step(self):
        run = self.folder / "phases"
        self.vitrail("train", *harness.flags(harness.TINY_RUN | {"data.train": self.make_pack("phases-train", 200), "run.dir": run}))
        for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
            self.assertEqual(list(line["phase"]), ["data", "forward", "backward", "reduce", "update"])
            self.assertGreater(min(line["phase"].values()), 0)
            self.assertAlmostEqual(sum(line["phase"].values()) / line["seconds"], 1, 1)


if __name__ == "__main__":
    unittest.main()
