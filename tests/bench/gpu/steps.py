"""Training steps on one GPU, fp16, LAMB: ours (`vitrail train`) against timm with torch.compile.

    python3 tests/bench/gpu/steps.py build/cuda --model cait_m48 [--json FILE]

Published sizes and drop-path rates. Ours reads made-up pictures through its whole data path and computes the images that
stochastic depth keeps; timm's side has one batch on the GPU and computes dropped branches, too. It updates once by timm's own
Lamb and once by a fused one (fused_lamb.py), else much of the ratio is an optimizer of small kernels. Medians of the last
steps. Memory: what PyTorch's allocator reserved at most and, of ours, the sums and the state that it knows nothing of. Beside both
stands what `vitrail plan` says. Needs torch and, for the other side, timm.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time

import row as rows

CASES = {  # model: pixels, classes, batch, drop-path
    "vit_h14": (126, 21841, 64, 0.5),
    "cait_m48": (224, 1000, 32, 0.4),
}
SMALL = {"vit_h14": (56, 10, 4, 0.5), "cait_m48": (64, 10, 4, 0.4)}
STEPS, COUNTED = 30, 15


def planned(row, run, words):
    """What `vitrail plan` says of the run, and by how much it is off."""
    arguments = row.arguments
    plan = ("plan", "-n", "1", "--gpu", arguments.gpu, "--core-images-per-s", "1e6", "--measured", run, "--format", "json")
    document = json.loads(row.vitrail(*plan, *words))
    measured = document["measured"]
    known = sum(document["memory_bytes"][part] for part in ("weights", "state", "gradients")) / 1e9
    found = next(figure["measured"] for figure in measured["figures"] if figure["what"] == "memory")
    if row.on_gpu and found < known:
        sys.exit(f"{run}: memory_bytes says {found:.2f} GB, weights, state and gradients alone take {known:.2f} GB")
    return {figure["what"]: figure for figure in measured["figures"]} | {"fitting_mfu": measured["fitting_mfu"]}


def ours(row, name, pixels, classes, batch, drop_path):
    steps = STEPS if row.on_gpu else 3
    peak = {"run.peak_tflops": row.arguments.peak_tflops}
    settings = row.published_step(name, pixels, classes, batch, drop_path, steps) | peak
    with rows.scratch() as folder:
        run = pathlib.Path(folder, "run")
        words, lines = row.train(run, settings)
        last = [line for line in lines if "images_per_s" in line][-COUNTED:]
        return {
            "images_per_s": statistics.median(float(line["images_per_s"]) for line in last),
            "mfu": statistics.median(float(line["mfu"]) for line in last),
            "memory_gb": max(float(line["memory_bytes"]) for line in last) / 1e9,
            "plan": planned(row, run, words),
        }


def timm_side(device, name, pixels, classes, batch, drop_path):
    """Prints a line of JSON for each optimizer: {name: {images_per_s, memory_gb}}."""
    rows.timm_is_there()
    import networks
    import torch
    from fused_lamb import FusedLamb
    from timm.optim import Lamb

    on_gpu = device == "cuda"
    patch, width, depth, heads, *parallel = (networks.VIT | networks.CAIT)[name]
    if not on_gpu:
        width, depth, heads = (rows.NARROW[f"model.{key}"] for key in ("width", "depth", "heads"))
    make = networks.cait if name in networks.CAIT else networks.vit
    network = make(pixels, patch, width, depth, heads, classes, *parallel)
    drop(network, drop_path)
    network.to(device).train()
    backend = "inductor" if on_gpu else "aot_eager"  # compiling for a processor takes minutes and tells nothing
    compiled = torch.compile(network, backend=backend)
    images = torch.randn(batch, 3, pixels, pixels, device=device)
    labels = torch.randint(classes, (batch,), device=device)
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    for title in ("fused_lamb", "timm_lamb"):
        rule = {"lr": 1e-3, "weight_decay": 0.02}
        fused = title == "fused_lamb"
        optimizer = FusedLamb(network.parameters(), **rule, backend=backend) if fused else Lamb(network.parameters(), **rule)
        scaler = torch.amp.GradScaler(device)
        seconds = []
        for _ in range(STEPS if on_gpu else 3):
            wait()
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.float16):
                loss = torch.nn.functional.cross_entropy(compiled(images), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            wait()
            seconds.append(time.perf_counter() - start)
        memory = torch.cuda.max_memory_reserved() / 1e9 if on_gpu else 0
        print(json.dumps({title: {"images_per_s": batch / statistics.median(seconds[-COUNTED:]), "memory_gb": memory}}), flush=True)
        del optimizer


def drop(network, rate):
    """One rate for all branches, as the recipes have it."""
    from timm.layers import DropPath

    for block in network.blocks:
        for branch in ("drop_path", "drop_path1", "drop_path2"):
            if hasattr(block, branch):
                setattr(block, branch, DropPath(rate))


def main():
    if sys.argv[1:2] == ["--timm"]:
        device, name, pixels, classes, batch, drop_path = sys.argv[2:]
        timm_side(device, name, int(pixels), int(classes), int(batch), float(drop_path))
        return
    row = rows.Row(
        __doc__,
        (["--model"], {"choices": tuple(CASES), "required": True}),
        (["--peak-tflops"], {"type": float, "default": 989, "help": "of the GPU in fp16, dense (an H100 or H200: 989)"}),
        (["--gpu"], {"default": "h200", "help": "its name for vitrail plan"}),
    )
    peer = rows.timm_is_there()
    if row.starts("vitrail"):
        return
    name = row.arguments.model
    case = (CASES if row.on_gpu else SMALL)[name]
    mine = ours(row, name, *case)
    row.tell(ours=mine)
    if not peer:
        sys.exit("the comparison needs timm")
    words = [sys.executable, "-B", __file__, "--timm", row.device, name, *map(str, case)]
    theirs = {}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        for line in other.stdout:
            theirs |= json.loads(line)
            ratios = {side: mine["images_per_s"] / figures["images_per_s"] for side, figures in theirs.items()}
            row.tell(timm=theirs, ours_over_timm=ratios)
    if other.returncode != 0:
        sys.exit(f"timm's side of {name}: exit status {other.returncode}")


if __name__ == "__main__":
    main()
