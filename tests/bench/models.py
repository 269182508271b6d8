"""Forward and backward of a model in training, fp32: ours against timm's, or what derived.py makes of timm's parts.

    python3 tests/bench/models.py build/dev/bench_models [--rounds 7] [--threads 2] [--only cait_m48] [--sides eager compiled]

Published widths, heads and token counts; blocks (0: all), batch and drop-path rate as in the table. The sides are processes
that stay, and take turns repetition by repetition; the table shows each one's fastest repetition, which other programs on the
machine disturb least, and in brackets the ratio of processor time, which they disturb less with one thread. Theirs run in eager mode and compiled by torch.compile, networks
of convolutions also channels-last. timm computes a dropped branch and multiplies it with zero; ours computes the kept images.
Needs torch and timm (tests/peers/README.md).
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

CASES = (  # model, blocks, pixels, batch, drop-path
    ("vit_h14", 2, 224, 16, 0.5),
    ("cait_m48", 2, 224, 16, 0.4),
    ("vit_s16", 4, 224, 16, 0.0),
    ("resnet50", 0, 224, 8, 0.0),
    ("regnety_040", 0, 224, 8, 0.0),
    ("resmlp_s24", 0, 224, 8, 0.0),
    ("patchconvnet_s60", 0, 224, 8, 0.15),
    ("xcit_s12_p16", 0, 224, 8, 0.0),
    ("convit_s", 0, 224, 8, 0.0),
)
TIMM = {
    "resnet50": "resnet50",
    "regnety_040": "regnety_040",
    "resmlp_s24": "resmlp_24_224",
    "xcit_s12_p16": "xcit_small_12_p16_224",
    "convit_s": "convit_small",
}
OF_CONVOLUTIONS = ("resnet50", "regnety_040", "patchconvnet_s60", "xcit_s12_p16")
OURS = {  # as the program asks for by itself (launcher/ranks/environment.hpp, trainer/device/compute_device.cpp)
    "MKL_CBWR": "AUTO",
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=2147483647:glibc.malloc.arena_max=1",
    "THP_MEM_ALLOC_ENABLE": "1",
}
SIDES = ("eager", "compiled", "eager_last", "compiled_last")  # last: channels


def network_named(name, depth, pixels, drop_path):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
    import derived
    import networks
    import timm

    if name in TIMM:
        return timm.create_model(TIMM[name])
    if name == "patchconvnet_s60":
        return derived.PatchConvNet(384, 60, 1000)
    patch, width, _, heads, *parallel = (networks.VIT | networks.CAIT)[name]
    if name in networks.CAIT:
        return networks.cait(pixels, patch, width, depth, heads, 1000, drop_path_rate=drop_path)
    return networks.vit(pixels, patch, width, depth, heads, 1000, *parallel)


def their_side(mode, name, depth, pixels, batch, drop_path, threads):
    import torch
    from timm.layers import DropPath

    torch.set_num_threads(threads)
    network = network_named(name, depth, pixels, drop_path)
    if drop_path > 0:  # one rate for all, as the recipes have it
        for block in list(network.modules()):
            for branch in ("drop_path", "drop_path1", "drop_path2"):
                if hasattr(block, branch):
                    setattr(block, branch, DropPath(drop_path))
    network.train()
    images = torch.randn(batch, 3, pixels, pixels)
    if mode.endswith("_last"):
        network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    run = torch.compile(network) if mode.startswith("compiled") else network
    labels = torch.randint(1000, (batch,))
    for _ in sys.stdin:
        start, spent = time.perf_counter(), time.process_time()
        for parameter in network.parameters():
            parameter.grad = None
        torch.nn.functional.cross_entropy(run(images), labels).backward()
        print(f"{time.perf_counter() - start:.6f} {time.process_time() - spent:.6f}", flush=True)


class Side:
    """A process that runs one repetition for each line it is sent."""

    def __init__(self, words, **environment):
        self.process = subprocess.Popen(
            [*map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )

    def repetition(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.process.args)}: ended with status {self.process.wait()}")
        return [float(word) for word in line.split()]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def compare(program, case, rounds, threads, chosen):
    setting = (*case, threads)
    sides = {"ours": Side([program, *setting], **OURS)}
    for side in chosen:
        if case[0] in OF_CONVOLUTIONS or not side.endswith("_last"):
            sides[side] = Side([sys.executable, __file__, "--theirs", side, *setting])
    for side in sides.values():  # the first ones warm up, and compile
        side.repetition()
        side.repetition()
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(side.repetition())
    for side in sides.values():
        side.end()
    fastest = {name: [min(times) for times in zip(*pairs)] for name, pairs in seconds.items()}
    ours, our_work = fastest["ours"]
    row = [*map(str, case), f"{ours:.3f}"]
    for side in chosen:
        time_, work = fastest.get(side, (None, None))
        row += [f"{time_:.3f}", f"{time_ / ours:.2f} ({work / our_work:.2f})"] if time_ else ["", ""]
    print("|", " | ".join(row), "|", flush=True)


def main():
    if sys.argv[1:2] == ["--theirs"]:
        mode, name, depth, pixels, batch, drop_path, threads = sys.argv[2:]
        their_side(mode, name, int(depth), int(pixels), int(batch), float(drop_path), int(threads))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="another one than the table's")
    parser.add_argument("--only", help="the cases of this model")
    parser.add_argument("--sides", nargs="+", default=SIDES, choices=SIDES, help="theirs")
    arguments = parser.parse_args()
    titles = ["model", "blocks", "px", "batch", "drop-path", "ours s"]
    for side in arguments.sides:
        titles += [f"{side} s", f"{side} / ours"]
    print("|", " | ".join(titles), "|")
    print("|" + "---|" * len(titles))
    for case in CASES:
        if arguments.only in (None, case[0]):
            name, blocks, pixels, batch, drop_path = case
            case = (name, blocks, pixels, arguments.batch or batch, drop_path)
            compare(arguments.program, case, arguments.rounds, arguments.threads, arguments.sides)


if __name__ == "__main__":
    main()
