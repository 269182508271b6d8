"""A step of two ranks: `vitrail launch -n 2` against PyTorch's DistributedDataParallel (gloo) with
ZeroRedundancyOptimizer around AdamW and timm's vit_small_patch16_224.

    python3 tests/bench/ddp.py build/dev/vitrail [--batch 6] [--rounds 3] [--steps 5]

fp32, 224 px, one thread and one core a rank on both sides, --batch images a rank. The sides take turns: each round starts
both ranks of one side, leaves the first two steps out and takes the others; the table shows the medians over all rounds of
what the slower rank (theirs) or rank 0 (ours, whose steps end with an exchange of all ranks) took. Needs torch and timm
(tests/peers/README.md).
"""

import argparse
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

from training import our_runs

RANKS = 2
WARM_UP = 2


def peer_rank(rank, port, batch, steps):
    import timm
    import torch
    import torch.distributed as dist
    from torch.distributed.optim import ZeroRedundancyOptimizer
    from torch.nn.parallel import DistributedDataParallel

    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank % len(os.sched_getaffinity(0))]})
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS)
    torch.manual_seed(0)
    model = DistributedDataParallel(timm.create_model("vit_small_patch16_224").train())
    optimizer = ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, lr=1e-3, weight_decay=0.05, fused=True)
    images = torch.randn(batch, 3, 224, 224)
    labels = torch.randint(1000, (batch,))
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        seconds = torch.tensor(time.perf_counter() - start)
        dist.all_reduce(seconds, dist.ReduceOp.MAX)
        if rank == 0:
            print(f"{seconds.item():.6f}", flush=True)


def theirs(batch, steps):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ranks = [
        subprocess.Popen([sys.executable, __file__, "--peer", str(rank), str(port), str(batch), str(steps)],
                         stdout=subprocess.PIPE, text=True)
        for rank in range(RANKS)
    ]  # fmt: skip
    lines = ranks[0].communicate()[0].split()
    if any(rank.wait() for rank in ranks):
        sys.exit("the DDP side failed")
    return [float(line) for line in lines[WARM_UP:]]


def ours(program, batch, steps):
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images.safetensors"
        our_runs.write_noise(images, 2 * RANKS * batch, 224)
        settings = {
            "run.lanes": RANKS, "run.threads": 1, "run.steps": WARM_UP + steps,
            "data.train": f"tensor:{images}", "data.order": "sequential", "data.global_batch_size": RANKS * batch,
            "model.name": "deit_s16", "model.classes": 1000,
            "optimizer.name": "adamw", "optimizer.lr": 1e-3, "optimizer.weight_decay": 0.05, "optimizer.clip_norm": 1.0,
        }  # fmt: skip
        return our_runs.seconds_of_steps(program, ["launch", "-n", RANKS], settings)[WARM_UP:]


def main():
    if sys.argv[1:2] == ["--peer"]:
        peer_rank(*map(int, sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    a, b = [], []
    for _ in range(arguments.rounds):
        a += ours(arguments.program, arguments.batch, arguments.steps)
        b += theirs(arguments.batch, arguments.steps)
    our_runs.print_ratio({"ranks": RANKS, "images a rank": arguments.batch}, "DDP and ZeroRedundancyOptimizer", a, b)


if __name__ == "__main__":
    main()
