"""What each sharding.exchange sends out of nodes, and how long a step waits for it, on 2 nodes of 2 ranks with a link of
100 Mbit/s between them.

    python3 tests/bench/exchange_plans.py build/dev/vitrail [--nodes 2] [--ranks 2] [--mbit 100] [--batch 12] [--steps 4]

Needs root and iproute2 (simulated/nodes.py). ViT-Ti, fp32, AdamW, one lane and one thread a rank. The plans take turns; the
first two steps of a run are left out. Bytes are those of the kernel's counters over a whole run; the weights and losses of
all runs must be equal. `direct` is how vitrail sent before it had other plans.
"""

import argparse
import statistics
import sys

from simulated import nodes as simulated_nodes

PLANS = ("direct", "two_level", "halving", "auto")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--ranks", type=int, default=2, help="ranks a node")
    parser.add_argument("--mbit", type=int, default=100)
    parser.add_argument("--batch", type=int, default=12, help="images a rank")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    world = arguments.nodes * arguments.ranks
    measured, sent, losses = {plan: [] for plan in PLANS}, dict.fromkeys(PLANS, 0), set()
    with simulated_nodes.Nodes(arguments.nodes, arguments.mbit) as nodes:
        for _ in range(arguments.rounds):
            for plan in PLANS:
                before = nodes.bytes_sent()
                settings = simulated_nodes.vit_ti(world, arguments.batch) | {"sharding.exchange": plan}
                steps = nodes.train(arguments.program, arguments.ranks, arguments.steps, settings)
                sent[plan] += nodes.bytes_sent() - before
                measured[plan] += steps
                losses.add(tuple(step.loss for step in steps))
    if len(losses) != 1:
        sys.exit("the plans' losses differ")
    print("| exchange | MB out of nodes, a run | of direct's | comm_exposed s | of direct's | step s |\n|---|---|---|---|---|---|")
    exposed = {plan: statistics.median(step.exposed for step in steps) for plan, steps in measured.items()}
    for plan, steps in measured.items():
        seconds = statistics.median(step.seconds for step in steps)
        print(f"| {plan} | {sent[plan] / arguments.rounds / 1e6:.1f} | {sent[plan] / sent['direct']:.2f} | {exposed[plan]:.2f} "
              f"| {exposed[plan] / exposed['direct']:.2f} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
