"""A step's trace: valid Chrome trace events of all ranks, with what is promised in them."""

import json
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
        print(f"{len(events)} events of a step of {seconds:.3f} s")


if __name__ == "__main__":
    unittest.main()
