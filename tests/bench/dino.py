"""A step of DINO on ViT-S/16, two views of 224 px and eight of 96 px a sample: `vitrail train` against the published loop in
PyTorch with timm's network.

    python3 tests/bench/dino.py build/dev/vitrail [--batch 4] [--rounds 3] [--steps 3]

fp32, one process, thread and core on both sides, --batch samples a step, a head of 65,536 prototypes, drop path 0.1, AdamW
(theirs fused), clipping by tensor, the teacher's average and the centre. Ours draws its ten views from synthetic images of
256 px on the same core; theirs has them ready. The sides take turns; the first step of a turn is left out; the table shows
medians over all rounds. Needs torch and timm (tests/peers/README.md).
"""

import argparse
import math
import os
import pathlib
import subprocess
import sys
import time

from training import our_runs

WARM_UP = 1
LOCAL_VIEWS, GLOBAL_SIZE, LOCAL_SIZE = 8, 224, 96
OUTPUTS, HIDDEN, BOTTLENECK = 65536, 2048, 256
STUDENT_TEMPERATURE, TEACHER_TEMPERATURE, MOMENTUM, CENTRE_MOMENTUM = 0.1, 0.04, 0.996, 0.9
CLIP, LR, WEIGHT_DECAY, DROP_PATH = 3.0, 5e-4, 0.04, 0.1
CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "dino_s_100.cfg"


def network(drop_path):
    import timm
    import torch
    from torch import nn

    class Network(nn.Module):
        """A pass for each size of views, then the head once for all of them."""

        def __init__(self):
            super().__init__()
            self.body = timm.create_model(
                "vit_small_patch16_224", num_classes=0, dynamic_img_size=True, drop_path_rate=drop_path)
            self.mlp = nn.Sequential(nn.Linear(384, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(),
                                     nn.Linear(HIDDEN, BOTTLENECK))  # fmt: skip
            self.last_layer = nn.utils.weight_norm(nn.Linear(BOTTLENECK, OUTPUTS, bias=False))
            self.last_layer.weight_g.data.fill_(1)
            self.last_layer.weight_g.requires_grad = False

        def forward(self, *sizes):
            features = torch.cat([self.body(images) for images in sizes])
            return self.last_layer(nn.functional.normalize(self.mlp(features), dim=-1))

    return Network().train()


def theirs(batch, steps):
    """The loop of facebookresearch/dino's main_dino.py, after its formulas."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    torch.manual_seed(0)
    student, teacher = network(DROP_PATH), network(0.0)
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    trained = [p for p in student.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if p.ndim > 1]},
              {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
    centre = torch.zeros(1, OUTPUTS)
    views = [torch.randn(batch, 3, GLOBAL_SIZE, GLOBAL_SIZE) for _ in range(2)]
    views += [torch.randn(batch, 3, LOCAL_SIZE, LOCAL_SIZE) for _ in range(LOCAL_VIEWS)]
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        with torch.no_grad():
            taught = teacher(torch.cat(views[:2]))
        answers = (student(torch.cat(views[:2]), torch.cat(views[2:])) / STUDENT_TEMPERATURE).chunk(len(views))
        targets = F.softmax((taught - centre) / TEACHER_TEMPERATURE, dim=-1).chunk(2)
        losses = [torch.sum(-target * F.log_softmax(answer, dim=-1), dim=-1).mean()
                  for i, target in enumerate(targets) for v, answer in enumerate(answers) if v != i]  # fmt: skip
        loss = sum(losses) / len(losses)
        optimizer.zero_grad()
        loss.backward()
        for p in trained:
            factor = CLIP / (p.grad.norm() + 1e-6)
            if factor < 1:
                p.grad.mul_(factor)
        optimizer.step()
        with torch.no_grad():
            for ours, average in zip(student.parameters(), teacher.parameters()):
                average.mul_(MOMENTUM).add_((1 - MOMENTUM) * ours)
        centre = centre * CENTRE_MOMENTUM + taught.mean(0, keepdim=True) * (1 - CENTRE_MOMENTUM)
        assert math.isfinite(loss.item())
        print(f"{time.perf_counter() - start:.6f}", flush=True)


def their_turn(batch, steps):
    words = [sys.executable, "-W", "ignore::FutureWarning", __file__, "--peer", str(batch), str(steps)]
    return [float(line) for line in subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()]


def our_turn(program, batch, steps):
    settings = {
        "run.lanes": 1, "run.threads": 1, "run.steps": WARM_UP + steps,
        "data.train": f"synthetic:{8 * batch},10,256", "data.val": "synthetic:8,10,256",
        "data.global_batch_size": batch, "data.workers": 1, "precision.compute": "fp32",
    }  # fmt: skip
    return our_runs.seconds_of_steps(program, ["train", "--config", CONFIG], settings)


def main():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if sys.argv[1:2] == ["--peer"]:
        theirs(*map(int, sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    a, b = [], []
    for _ in range(arguments.rounds):
        a += our_turn(arguments.program, arguments.batch, arguments.steps)[WARM_UP:]
        b += their_turn(arguments.batch, arguments.steps)[WARM_UP:]
    our_runs.print_ratio({"samples a step": arguments.batch}, "PyTorch and timm", a, b)


if __name__ == "__main__":
    main()
