"""`vitrail plan` beside runs on simulated nodes: how far off is a step where links and delays are known?

    python3 tests/bench/plan_nodes.py build/dev/vitrail [--steps 6] [--cores 2]

Needs root and iproute2 (simulated/nodes.py). The share of the peak is taken from a run of one rank and the link within a node
from one of two ranks there without overlap; the links between nodes carry what a TCP connection did just before, a message
waits three times for their delay.
ViT-Ti at 160 px, fp32, AdamW, one lane and one thread a rank; ranks beyond --cores share them, so each plans with its part of
a core.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import plan
from simulated import nodes as simulated_nodes
from training import our_runs

TIMES_THROUGH = 3  # that a large message waits for the delay: it is announced, asked for and sent
# Nodes, ranks a node, Mbit/s, delay in ms.
CASES = (
    (2, 1, 50, 0), (2, 1, 200, 0), (2, 1, 1000, 0), (2, 1, 1000, 2), (2, 2, 50, 0), (2, 2, 200, 0.5), (2, 2, 1000, 0),
    (3, 1, 200, 0), (4, 1, 50, 0), (4, 1, 200, 0.5), (4, 1, 1000, 0), (4, 1, 1000, 2),
)  # fmt: skip
SETTINGS = {"model.name": "vit_ti16", "model.image_size": 160, "data.global_batch_size": 16}


class Planner(plan.Machine):
    def measured(self, nodes, ranks, mbit, delay_ms, exchange="auto"):
        """What the plan says beside a run on so many nodes."""
        world = nodes * ranks
        words = [*self.words(SETTINGS, True), "--sharding.exchange", exchange]
        run = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        with simulated_nodes.Nodes(nodes, mbit, delay_ms) as there:
            network = there.goodput() / 1e9 / ranks / self.bandwidth_share
            there.mpirun(ranks, [pathlib.Path(self.program).resolve(), "train", "--run.dir", run, *words])
        message_us = plan.MESSAGE_US + TIMES_THROUGH * 1e3 * delay_ms
        return self.beside(run, world, "--nodes", nodes, "--gpus-per-node", ranks, *words, "--network-gb-per-s", network,
                           "--message-us", message_us)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    if subprocess.run(["ip", "-V"], capture_output=True).returncode != 0:
        sys.exit("needs ip and tc (iproute2)")
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner(arguments.program, arguments.cores, arguments.steps, pathlib.Path(folder))
        our_runs.write_noise(planner.folder / "images.safetensors", SETTINGS["data.global_batch_size"], SETTINGS["model.image_size"])
        planner.calibrate(SETTINGS)
        print("| nodes | ranks a node | Mbit/s | delay ms | exchange | step planned s | measured s | error % |\n"
              "|---|---|---|---|---|---|---|---|")
        close = 0
        for nodes, ranks, mbit, delay in CASES:
            found = planner.measured(nodes, ranks, mbit, delay)
            step = next(row for row in found["measured"]["figures"] if row["what"] == "step")
            close += abs(step["error_percent"]) <= 15
            print(f"| {nodes} | {ranks} | {mbit} | {delay} | {found['exchange']} | {step['planned']:.3g} "
                  f"| {step['measured']:.3g} | {step['error_percent']:.0f} |", flush=True)
        print(f"within 15 %: {close} of {len(CASES)}; share of {plan.PEAK_TFLOPS} TFLOP/s: {planner.mfu:.2f}, "
              f"link in a node: {planner.link_gb_per_s:.2f} GB/s")


if __name__ == "__main__":
    main()
