"""A CaiT-M block (width 768, 16 heads), forward and backward in fp32: ours against timm's, time and peak memory.

    python3 tests/bench/talking_heads.py build/release/bench_talking_heads [--rounds 5]

Needs torch and timm (tests/peers/README.md). Each measurement is a process of its own, the sides take turns, and the
table shows medians over rounds. Peak memory is by how much the first forward and backward raise the process's resident
memory; the parameters' gradients lie there before.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time


def memory(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key + ":"))


def timm_side(threads, batch, tokens, repetitions):
    import torch
    from timm.models.cait import LayerScaleBlock

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    block = LayerScaleBlock(768, 16, qkv_bias=True, init_values=1e-5)
    for parameter in block.parameters():
        parameter.grad = torch.zeros_like(parameter)
    x = torch.randn(batch, tokens, 768, requires_grad=True)
    probe = torch.randn_like(x)

    before = memory("VmRSS")
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    block(x).backward(probe)
    peak = memory("VmHWM") - before

    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        block(x).backward(probe)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


def run(command, setting):
    output = subprocess.run([*command, *map(str, setting)], check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def compare(program, rounds, repetitions):
    print("threads batch tokens | ours s  timm s  timm/ours | ours MB  timm MB  ours/timm")
    for threads, batch, tokens in ((1, 2, 784), (2, 2, 784), (2, 4, 784), (1, 2, 196), (2, 4, 196)):
        setting = (threads, batch, tokens, repetitions)
        sides = {"ours": [program], "timm": [sys.executable, __file__, "--timm"]}
        results = {name: [] for name in sides}
        for _ in range(rounds):
            for name, command in sides.items():
                results[name].append(run(command, setting))
        seconds, peak = {}, {}
        for name, rows in results.items():
            seconds[name] = statistics.median(s for row in rows for s in row["seconds"])
            peak[name] = statistics.median(row["peak_bytes"] for row in rows)
        print(
            f"{threads:7} {batch:5} {tokens:6} | {seconds['ours']:.3f}  {seconds['timm']:.3f}"
            f"  {seconds['timm'] / seconds['ours']:9.2f} | {peak['ours'] / 1e6:7.0f}  {peak['timm'] / 1e6:7.0f}"
            f"  {peak['ours'] / peak['timm']:9.3f}",
            flush=True,
        )


def main():
    if sys.argv[1:2] == ["--timm"]:
        timm_side(*map(int, sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=3, help="timed repetitions of a process")
    arguments = parser.parse_args()
    compare(arguments.program, arguments.rounds, arguments.repetitions)


if __name__ == "__main__":
    main()
