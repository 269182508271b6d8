"""Exposed communication of `vitrail train` on two ranks that a link of 100 Mbit/s joins, with sharding.overlap on and off.

    python3 tests/bench/overlap.py build/dev/vitrail [--mbit 100] [--batch 24] [--steps 6] [--rounds 2]

Needs root and iproute2 (simulated/nodes.py). ViT-Ti, fp32, AdamW, one lane and one thread a rank. The settings take turns;
the first two steps of a run are left out; the table shows medians of the metrics `comm_exposed` and `seconds`.
"""

import argparse
import statistics

from simulated import nodes as simulated_nodes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--mbit", type=int, default=100)
    parser.add_argument("--batch", type=int, default=24, help="images a rank")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    measured = {"false": [], "true": []}
    settings = simulated_nodes.vit_ti(2, arguments.batch)
    with simulated_nodes.Nodes(2, arguments.mbit) as nodes:
        for _ in range(arguments.rounds):
            for overlap, steps in measured.items():
                steps += nodes.train(arguments.program, 1, arguments.steps, settings | {"sharding.overlap": overlap})
    print("| Mbit/s | images a rank | overlap | comm_exposed s | step s |")
    print("|---|---|---|---|---|")
    exposed = {}
    for overlap, steps in measured.items():
        exposed[overlap] = statistics.median(step.exposed for step in steps)
        seconds = statistics.median(step.seconds for step in steps)
        print(f"| {arguments.mbit} | {arguments.batch} | {overlap} | {exposed[overlap]:.2f} | {seconds:.2f} |")
    print(f"exposed with overlap, divided by without: {exposed['true'] / exposed['false']:.2f}")


if __name__ == "__main__":
    main()
