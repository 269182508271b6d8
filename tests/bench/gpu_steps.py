"""Training steps on one GPU, fp16, LAMB: ours (`vitrail train`) against timm with torch.compile.

    python3 tests/bench/gpu_steps.py build/cuda/vitrail [--only cait_m48] [--json FILE]

Published sizes and drop-path rates. Ours reads made-up pictures through its whole data path and computes the images that
stochastic depth keeps; timm's side has one batch on the GPU and computes dropped branches, too. Medians of the last steps.
Memory: what PyTorch's allocator reserved at most and, of ours, the sums and the state that it knows nothing of. Beside both stands what `vitrail plan` says. Needs torch and, for the other side, timm.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

CASES = (  # model, pixels, classes, batch, drop-path, checkpointing
    ("vit_h14", 126, 21841, 64, 0.5),
    ("cait_m48", 224, 1000, 32, 0.4),
)
STEPS, COUNTED = 30, 15


def planned(program, gpu, run, words):
    """What `vitrail plan` says of the run, and by how much it is off."""
    plan = [program, "plan", "-n", "1", "--gpu", gpu, "--core-images-per-s", "1e6", "--measured", run, "--format", "json"]
    result = subprocess.run([*plan, *words], stdout=subprocess.PIPE, text=True, check=True)
    document = json.loads(result.stdout)
    measured = document["measured"]
    known = sum(document["memory_bytes"][part] for part in ("weights", "state", "gradients")) / 1e9
    found = next(row["measured"] for row in measured["figures"] if row["what"] == "memory")
    if found < known:
        sys.exit(f"{run}: memory_bytes says {found:.2f} GB, weights, state and gradients alone take {known:.2f} GB")
    return {row["what"]: row for row in measured["figures"]} | {"fitting_mfu": measured["fitting_mfu"]}


def ours(program, gpu, name, pixels, classes, batch, drop_path, peak_tflops):
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "run.dir": f"{folder}/run",
            "run.device": "cuda",
            "run.lanes": 1,
            "run.steps": STEPS,
            "run.peak_tflops": peak_tflops,
            "data.train": f"synthetic:{batch * STEPS},{classes},{pixels}",
            "data.global_batch_size": batch,
            "data.workers": 12,
            "model.name": name,
            "model.image_size": pixels,
            "model.classes": classes,
            "model.drop_path": drop_path,
            "precision.compute": "fp16",
            "optimizer.name": "lamb",
            "checkpoint.every": "0st",
        }
        words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
        subprocess.run([program, "train", *words], check=True)
        lines = [json.loads(line) for line in pathlib.Path(folder, "run/metrics.jsonl").read_text().splitlines()]
        last = [line for line in lines if "images_per_s" in line][-COUNTED:]
        return {
            "images_per_s": statistics.median(float(line["images_per_s"]) for line in last),
            "mfu": statistics.median(float(line["mfu"]) for line in last),
            "memory_gb": max(float(line["memory_bytes"]) for line in last) / 1e9,
            "plan": planned(program, gpu, f"{folder}/run", words),
        }


def timm_side(name, pixels, classes, batch, drop_path):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
    import networks
    import torch
    from timm.optim import Lamb

    patch, width, depth, heads, *parallel = (networks.VIT | networks.CAIT)[name]
    make = networks.cait if name in networks.CAIT else networks.vit
    network = make(pixels, patch, width, depth, heads, classes, *parallel, drop_path_rate=drop_path).cuda().train()
    compiled = torch.compile(network)
    optimizer = Lamb(network.parameters(), lr=1e-3, weight_decay=0.02)
    scaler = torch.amp.GradScaler("cuda")
    images = torch.randn(batch, 3, pixels, pixels, device="cuda")
    labels = torch.randint(classes, (batch,), device="cuda")
    seconds = []
    for _ in range(STEPS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.float16):
            loss = torch.nn.functional.cross_entropy(compiled(images), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    memory = torch.cuda.max_memory_reserved() / 1e9
    print(json.dumps({"images_per_s": batch / statistics.median(seconds[-COUNTED:]), "memory_gb": memory}))


def main():
    if sys.argv[1:2] == ["--timm"]:
        name, pixels, classes, batch, drop_path = sys.argv[2:]
        timm_side(name, int(pixels), int(classes), int(batch), float(drop_path))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", help="this model")
    parser.add_argument("--peak-tflops", type=float, default=989, help="of the GPU in fp16, dense (an H100 or H200: 989)")
    parser.add_argument("--gpu", default="h200", help="its name for vitrail plan")
    parser.add_argument("--json", type=pathlib.Path, help="a JSON object that gets the figures as `steps`")
    arguments = parser.parse_args()
    print("| model | px | batch | drop-path | ours images/s | MFU | GB | planned images/s | GB | timm images/s | GB | ours / timm |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    figures = {}
    for case in CASES:
        name, pixels, _, batch, drop_path = case
        if arguments.only not in (None, name):
            continue
        mine = ours(arguments.program, arguments.gpu, *case, arguments.peak_tflops)
        other = subprocess.run([sys.executable, __file__, "--timm", *map(str, case)], stdout=subprocess.PIPE, text=True)
        theirs = json.loads(other.stdout.splitlines()[-1]) if other.returncode == 0 else None
        figures[name] = {"ours": mine, "timm": theirs}
        shown = (f"{theirs['images_per_s']:.0f} | {theirs['memory_gb']:.1f} | {mine['images_per_s'] / theirs['images_per_s']:.2f}"
                 if theirs else "failed | | ")
        print(f"| {name} | {pixels} | {batch} | {drop_path} | {mine['images_per_s']:.0f} | {100 * mine['mfu']:.1f} % "
              f"| {mine['memory_gb']:.1f} | {mine['plan']['images']['planned']:.0f} "
              f"| {mine['plan']['memory']['planned']:.1f} | {shown} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(json.loads(arguments.json.read_text()) | {"steps": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
