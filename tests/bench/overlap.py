"""Exposed communication of `vitrail train` on two ranks that a link of 100 Mbit/s joins, with sharding.overlap on and off.

    python3 tests/bench/overlap.py build/dev/vitrail [--mbit 100] [--batch 24] [--steps 6] [--rounds 2]

Needs root and ip, tc (iproute2): each rank runs in a network and host name namespace of its own, joined by a pair of veth
devices whose sending is limited by tc's token bucket; mpirun enters the second one where it would call ssh. ViT-Ti, fp32,
AdamW, one lane and one thread a rank. The settings take turns; the first two steps of a run are left out; the table shows
medians of the metrics `comm_exposed` and `seconds`.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

WARM_UP = 2
NAMES = [f"overlap{os.getpid()}{side}" for side in "ab"]
DEVICES = [f"ov{os.getpid()}{side}" for side in "ab"]
ADDRESSES = ["10.79.1.1", "10.79.1.2"]


def sh(line):
    subprocess.run(shlex.split(line), check=True)


@contextlib.contextmanager
def link(mbit):
    try:
        for name in NAMES:
            sh(f"ip netns add {name}")
            sh(f"ip -n {name} link set lo up")
        sh(f"ip link add {DEVICES[0]} netns {NAMES[0]} type veth peer name {DEVICES[1]} netns {NAMES[1]}")
        for name, device, address in zip(NAMES, DEVICES, ADDRESSES):
            sh(f"ip -n {name} address add {address}/24 dev {device}")
            sh(f"ip -n {name} link set {device} up")
            sh(f"ip netns exec {name} tc qdisc add dev {device} root tbf rate {mbit}mbit burst 128kb latency 20ms")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False)


def inside(name, line):
    return ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", f"hostname {name}; {line}"]


def train(program, overlap, batch, steps, folder):
    folder = pathlib.Path(folder)
    agent = folder / "agent.sh"  # called as ssh is: HOST COMMAND...
    agent.write_text(f'#!/bin/sh\nshift\n{shlex.join(inside(NAMES[1], "")[:-1])} "hostname {NAMES[1]}; $*"\n')
    agent.chmod(0o755)
    settings = {
        "run.dir": folder / "run", "run.lanes": 2, "run.threads": 1, "run.steps": WARM_UP + steps,
        "data.train": f"synthetic:{8 * batch},1000,224", "data.global_batch_size": 2 * batch,
        "model.name": "vit_ti16", "model.classes": 1000, "optimizer.name": "adamw", "checkpoint.every": "0st",
        "sharding.bucket_mib": 2, "sharding.overlap": overlap,
    }  # fmt: skip
    flags = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    words = [
        "mpirun", "--allow-run-as-root", "--quiet", "--host", ",".join(f"{a}:1" for a in ADDRESSES), "-n", "2",
        "--bind-to", "none", "--mca", "plm_rsh_agent", agent, "--mca", "pml", "ob1", "--mca", "btl", "self,tcp",
        "--mca", "btl_tcp_if_include", "10.79.1.0/24", "--mca", "oob_tcp_if_include", "10.79.1.0/24",
        pathlib.Path(program).resolve(), "train", *flags,
    ]  # fmt: skip
    result = subprocess.run(inside(NAMES[0], "exec " + shlex.join(map(str, words))), capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"mpirun: {result.stdout}{result.stderr}")
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    return [(line["comm_exposed"], line["seconds"]) for line in lines[WARM_UP:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--mbit", type=int, default=100)
    parser.add_argument("--batch", type=int, default=24, help="images a rank")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    measured = {"false": [], "true": []}
    with link(arguments.mbit):
        for _ in range(arguments.rounds):
            for overlap, steps in measured.items():
                with tempfile.TemporaryDirectory() as folder:
                    steps += train(arguments.program, overlap, arguments.batch, arguments.steps, folder)
    print("| Mbit/s | images a rank | overlap | comm_exposed s | step s |")
    print("|---|---|---|---|---|")
    exposed = {}
    for overlap, steps in measured.items():
        exposed[overlap], seconds = (statistics.median(column) for column in zip(*steps))
        print(f"| {arguments.mbit} | {arguments.batch} | {overlap} | {exposed[overlap]:.2f} | {seconds:.2f} |")
    print(f"exposed with overlap, divided by without: {exposed['true'] / exposed['false']:.2f}")


if __name__ == "__main__":
    main()
