"""The update of all 86 M parameters of ViT-B, fp32: ours against PyTorch's fused AdamW and timm's Lamb.

    python3 tests/bench/optimizers.py build/dev/bench_optimizers [--rounds 15] [--threads N | --gpu] [--json FILE]

LAMB's time includes the norm of the whole gradient on both sides, AdamW's on neither. The sides are processes
that stay and take turns; the table shows medians, in ms; --gpu: on the first GPU instead of 1 and 2 threads, of a CUDA build,
there with a fused LAMB, too (gpu/fused_lamb.py). Needs torch and timm (tests/peers/README.md).
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

from models import Side


def peer_side(name, threads):
    import timm
    import torch
    from timm.optim import Lamb, param_groups_weight_decay

    gpu = threads == "gpu"
    if not gpu:
        torch.set_num_threads(int(threads))
    model = timm.create_model("deit3_base_patch16_224").to("cuda" if gpu else "cpu")
    groups = param_groups_weight_decay(model, 0.02, no_weight_decay_list=model.no_weight_decay())
    if name == "fused_lamb":
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "gpu"))
        from fused_lamb import FusedLamb

        optimizer = FusedLamb(model.parameters(), lr=1e-3, eps=1e-8, weight_decay=0.02)
    elif name == "lamb":
        optimizer = Lamb(groups, lr=1e-3, eps=1e-8, max_grad_norm=1.0)
    else:
        optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    for parameter in model.parameters():
        values = torch.rand_like(parameter) * 0.04 - 0.02
        parameter.grad = values if parameter.grad is None else parameter.grad.copy_(values)
    for _ in sys.stdin:
        start = time.perf_counter()
        optimizer.step()
        if gpu:
            torch.cuda.synchronize()
        print(f"{time.perf_counter() - start:.6f}", flush=True)


def main():
    if sys.argv[1:2] == ["--peer"]:
        peer_side(sys.argv[2], sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, choices=(1, 2))
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, help="a JSON object that gets the figures as `updates_ms`")
    arguments = parser.parse_args()
    figures = {}
    print("| threads | AdamW ours | torch fused | torch / ours | LAMB ours | timm Lamb | timm / ours | AdamW / LAMB, ours |")
    print("|---|---|---|---|---|---|---|---|")
    for threads in ("gpu",) if arguments.gpu else (arguments.threads,) if arguments.threads else (1, 2):
        sides = {}
        for name in ("adamw", "lamb"):
            sides[name, "ours"] = Side([arguments.program, name, threads])
            sides[name, "peer"] = Side([sys.executable, __file__, "--peer", name, threads])
        if arguments.gpu:
            sides["lamb", "fused"] = Side([sys.executable, __file__, "--peer", "fused_lamb", threads])
        for side in sides.values():  # allocates the moments
            side.repetition()
            side.repetition()
        seconds = {key: [] for key in sides}
        for _ in range(arguments.rounds):
            for key, side in sides.items():
                seconds[key].append(side.repetition())
        for side in sides.values():
            side.end()
        ms = figures[threads] = {key: 1000 * statistics.median(values) for key, values in seconds.items()}
        a, b, c, d = (ms[key] for key in (("adamw", "ours"), ("adamw", "peer"), ("lamb", "ours"), ("lamb", "peer")))
        print(f"| {threads} | {a:.1f} | {b:.1f} | {b / a:.2f} | {c:.1f} | {d:.1f} | {d / c:.2f} | {a / c:.2f} |", flush=True)
        if arguments.gpu:
            print(f"fused LAMB {ms['lamb', 'fused']:.1f} ms, {ms['lamb', 'fused'] / c:.2f} times ours", flush=True)
    if arguments.json:
        named = {str(threads): {" ".join(key): value for key, value in ms.items()} for threads, ms in figures.items()}
        arguments.json.write_text(json.dumps(json.loads(arguments.json.read_text()) | {"updates_ms": named}, indent=2) + "\n")


if __name__ == "__main__":
    main()
