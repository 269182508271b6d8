"""Forward and backward of a model in training, fp32: ours against timm, in eager mode and compiled by torch.compile.

    python3 tests/bench/models.py build/dev/bench_models [--rounds 7] [--threads 2] [--only cait_m48]

Published widths, heads and token counts with some of the blocks, batch and drop-path rate as in the table. The sides are
processes that stay, and take turns repetition by repetition; the table shows medians and their ratios. timm computes a
dropped branch and multiplies it with zero; ours computes the kept images. Needs torch and timm (tests/peers/README.md).
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

CASES = (  # model, blocks, pixels, batch, drop-path
    ("vit_h14", 2, 224, 16, 0.5),
    ("cait_m48", 2, 224, 16, 0.4),
    ("vit_s16", 4, 224, 16, 0.0),
)


def timm_side(mode, name, depth, pixels, batch, drop_path, threads):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
    import networks
    import torch
    from timm.layers import DropPath

    torch.set_num_threads(threads)
    patch, width, _, heads, *parallel = (networks.VIT | networks.CAIT)[name]
    if name in networks.CAIT:
        network = networks.cait(pixels, patch, width, depth, heads, 1000, drop_path_rate=drop_path)
    else:
        network = networks.vit(pixels, patch, width, depth, heads, 1000, *parallel)
    for block in network.blocks:  # one rate for all, as the recipes have it
        for branch in ("drop_path", "drop_path1", "drop_path2"):
            if hasattr(block, branch):
                setattr(block, branch, DropPath(drop_path) if drop_path > 0 else torch.nn.Identity())
    network.train()
    run = torch.compile(network) if mode == "compiled" else network
    images = torch.randn(batch, 3, pixels, pixels)
    labels = torch.randint(1000, (batch,))
    for _ in sys.stdin:
        start = time.perf_counter()
        for parameter in network.parameters():
            parameter.grad = None
        torch.nn.functional.cross_entropy(run(images), labels).backward()
        print(f"{time.perf_counter() - start:.6f}", flush=True)


class Side:
    """A process that runs one repetition for each line it is sent."""

    def __init__(self, words):
        self.process = subprocess.Popen([*map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def repetition(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.process.args)}: ended with status {self.process.wait()}")
        return float(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def compare(program, case, rounds, threads):
    setting = (*case, threads)
    sides = {
        "ours": Side([program, *setting]),
        "eager": Side([sys.executable, __file__, "--timm", "eager", *setting]),
        "compiled": Side([sys.executable, __file__, "--timm", "compiled", *setting]),
    }
    for side in sides.values():  # the first ones warm up, and compile
        side.repetition()
        side.repetition()
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(side.repetition())
    for side in sides.values():
        side.end()
    median = {name: statistics.median(values) for name, values in seconds.items()}
    name, blocks, pixels, batch, drop_path = case
    print(
        f"| {name} | {blocks} | {pixels} | {batch} | {drop_path} | {median['ours']:.2f} | {median['eager']:.2f} "
        f"| {median['compiled']:.2f} | {median['eager'] / median['ours']:.2f} | {median['compiled'] / median['ours']:.2f} |",
        flush=True,
    )


def main():
    if sys.argv[1:2] == ["--timm"]:
        mode, name, depth, pixels, batch, drop_path, threads = sys.argv[2:]
        timm_side(mode, name, int(depth), int(pixels), int(batch), float(drop_path), int(threads))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="the cases of this model")
    arguments = parser.parse_args()
    print("| model | blocks | px | batch | drop-path | ours s | eager s | compiled s | eager / ours | compiled / ours |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        if arguments.only in (None, case[0]):
            compare(arguments.program, case, arguments.rounds, arguments.threads)


if __name__ == "__main__":
    main()
