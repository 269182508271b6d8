"""Writes tests/fixtures/dino: 20 steps of DINO in PyTorch, fp64, on a small vision transformer (see README.md).

CASE.safetensors: `initial.NAME`; `loss`, `grad_norm` (before clipping) and `centre` by step; after step 20 `student.NAME`,
`teacher.NAME`, `exp_avg.NAME` and `exp_avg_sq.NAME`. Settings are in the metadata. Views are patterns (patterns.py): of step
t and view v number 10000 + 16 t + v.

`fixed`: lengths of prototypes stay 1. `learned`: they are trained, with batch norm in the head, whose statistics are those
of a lane; running ones move by a tenth to the mean over lanes, the teacher's are the average of the student's.

Written after facebookresearch/dino (main_dino.py, utils.py, vision_transformer.py), from its formulas.
"""

import math
import pathlib
import sys
from functools import partial

import numpy
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer

PEERS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PEERS))
from patterns import pattern  # noqa: E402
from steps import decay_groups, grad_norm, save_steps  # noqa: E402

FIXTURES = PEERS.parent / "fixtures" / "dino"
STEPS, BATCH, LANES, STEPS_PER_EPOCH = 20, 8, 4, 2
LOCAL_VIEWS = 3
MODEL = {"image_size": 16, "patch": 4, "width": 8, "depth": 2, "heads": 2}
HEAD = {"hidden": 12, "bottleneck": 6, "outputs": 10}
S = {
    "local_views": LOCAL_VIEWS, "local_size": 8, "student_temperature": 0.1, "teacher_temperature": 0.07,
    "warmup_temperature": 0.04, "temperature_warmup": 3, "momentum": 0.9, "centre_momentum": 0.9, "freeze_last_layer": 1,
    "lr": 0.01, "min_lr": 1e-4, "warmup_epochs": 2, "weight_decay": 0.04, "weight_decay_end": 0.4, "clip_tensor": 0.1,
    "eps": 1e-4,  # some biases have no gradient but rounding, which AdamW would divide by itself
}


class LaneNorm(torch.nn.BatchNorm1d):
    """Batch norm that moves no running statistic, and remembers what the batch's were."""

    def forward(self, x):
        self.seen = (x.detach().mean(0), x.detach().var(0))
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


class Head(torch.nn.Module):
    def __init__(self, width, norms):
        super().__init__()
        sizes = [width, HEAD["hidden"], HEAD["hidden"], HEAD["bottleneck"]]
        layers = []
        for i in range(3):
            layers.append(torch.nn.Linear(sizes[i], sizes[i + 1]))
            if i < 2:
                layers += ([LaneNorm(sizes[i + 1])] if norms else []) + [torch.nn.GELU()]
        self.mlp = torch.nn.Sequential(*layers)
        self.last_layer = torch.nn.utils.weight_norm(torch.nn.Linear(HEAD["bottleneck"], HEAD["outputs"], bias=False))

    def forward(self, x):
        return self.last_layer(F.normalize(self.mlp(x), dim=-1, p=2))


class Network(torch.nn.Module):
    def __init__(self, norms):
        super().__init__()
        self.body = VisionTransformer(
            img_size=MODEL["image_size"], patch_size=MODEL["patch"], embed_dim=MODEL["width"], depth=MODEL["depth"],
            num_heads=MODEL["heads"], num_classes=0, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6))
        self.head = Head(MODEL["width"], norms)

    def features(self, images):
        body = self.body
        patches = body.patch_embed.proj(images).flatten(2).transpose(1, 2)
        side, grid = images.shape[-1] // MODEL["patch"], MODEL["image_size"] // MODEL["patch"]
        positions = body.pos_embed
        if side != grid:
            plane = positions[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
            factor = (side + 0.1) / grid
            plane = F.interpolate(plane, scale_factor=(factor, factor), mode="bicubic")
            assert plane.shape[-1] == side
            positions = torch.cat([positions[:, :1], plane.permute(0, 2, 3, 1).reshape(1, side * side, -1)], 1)
        x = torch.cat([body.cls_token.expand(len(images), -1, -1), patches], 1) + positions
        return body.norm(body.blocks(x))[:, 0]

    def forward(self, *sizes):
        return self.head(torch.cat([self.features(images) for images in sizes]))

    def tensors(self):
        """By our names: the body's have no prefix."""
        stored = {n.removeprefix("body."): t for n, t in self.state_dict().items() if "num_batches" not in n}
        return {n: t.clone() for n, t in stored.items()}


def fill(network):
    with torch.no_grad():
        for number, (name, tensor) in enumerate(network.state_dict().items()):
            if "num_batches" in name:
                continue
            noise = pattern(number, tensor.shape)
            gain = tensor.ndim == 1 and name.endswith("weight") or name.endswith(("weight_g", "running_var"))
            tensor.copy_(1 + 0.25 * noise if gain else 0.25 * noise)


def views_of(step):
    sizes = [MODEL["image_size"]] * 2 + [S["local_size"]] * LOCAL_VIEWS
    return [pattern(10000 + 16 * step + v, (BATCH, 3, size, size)) for v, size in enumerate(sizes)]


def schedules():
    total, warmup = STEPS, S["warmup_epochs"] * STEPS_PER_EPOCH
    steps = numpy.arange(total - warmup)
    cosine = 0.5 * (1 + numpy.cos(math.pi * steps / len(steps)))
    lr = numpy.concatenate([numpy.linspace(0, S["lr"], warmup), S["min_lr"] + (S["lr"] - S["min_lr"]) * cosine])
    over_all = 0.5 * (1 + numpy.cos(math.pi * numpy.arange(total) / total))
    decay = S["weight_decay_end"] + (S["weight_decay"] - S["weight_decay_end"]) * over_all
    momentum = 1 + (S["momentum"] - 1) * over_all
    temperatures = numpy.linspace(S["warmup_temperature"], S["teacher_temperature"], S["temperature_warmup"])
    rest = STEPS // STEPS_PER_EPOCH - len(temperatures)
    return lr, decay, momentum, numpy.concatenate([temperatures, numpy.full(rest, S["teacher_temperature"])])


def loss_of(students, teachers, temperature, centre):
    answers = (students / S["student_temperature"]).chunk(2 + LOCAL_VIEWS)
    targets = F.softmax((teachers - centre) / temperature, -1).detach().chunk(2)
    losses = [
        torch.sum(-target * F.log_softmax(answer, -1), -1).mean()
        for i, target in enumerate(targets) for v, answer in enumerate(answers) if v != i
    ]
    return sum(losses) / len(losses)


def norms_of(network):
    return [m for m in network.modules() if isinstance(m, LaneNorm)]


def train(name, norms, fixed_lengths):
    student, teacher = Network(norms).double().train(), Network(norms).double().train()
    fill(student)
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    initial = student.tensors()
    if fixed_lengths:
        student.head.last_layer.weight_g.data.fill_(1)
        teacher.head.last_layer.weight_g.data.fill_(1)
        initial = student.tensors()
        student.head.last_layer.weight_g.requires_grad = False
    trained = [(n, p) for n, p in student.named_parameters() if p.requires_grad]
    decayed, plain = decay_groups(trained)
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": plain, "weight_decay": 0.0}], eps=S["eps"])
    lr, decay, momentum, temperatures = schedules()
    centre, losses, grad_norms, centres = torch.zeros(HEAD["outputs"]).double(), [], [], []
    rows = BATCH // LANES
    for step in range(STEPS):
        for group, weight_decay in zip(optimizer.param_groups, (decay[step], 0.0)):
            group["lr"], group["weight_decay"] = lr[step], weight_decay
        optimizer.zero_grad()
        epoch, loss, sum_of_means, seen = step // STEPS_PER_EPOCH, 0.0, 0, []
        for lane in range(LANES):
            views = [v[lane * rows:(lane + 1) * rows] for v in views_of(step)]
            taught = teacher(torch.cat(views[:2]))
            of_lane = loss_of(student(torch.cat(views[:2]), torch.cat(views[2:])), taught, temperatures[epoch], centre)
            (of_lane / LANES).backward()
            loss += of_lane.item() / LANES
            sum_of_means = sum_of_means + taught.mean(0)
            seen.append([m.seen for m in norms_of(student)])
        losses.append(loss)
        grad_norms.append(grad_norm(trained))
        for n, p in trained:
            factor = S["clip_tensor"] / (p.grad.norm() + 1e-6)
            if factor < 1:
                p.grad.mul_(factor)
            if "last_layer" in n and epoch < S["freeze_last_layer"]:
                p.grad = None
        optimizer.step()
        with torch.no_grad():
            for i, norm in enumerate(norms_of(student)):
                norm.running_mean.lerp_(torch.stack([s[i][0] for s in seen]).mean(0), 0.1)
                norm.running_var.lerp_(torch.stack([s[i][1] for s in seen]).mean(0), 0.1)
            ours, theirs = student.state_dict(), teacher.state_dict()
            for key, value in theirs.items():
                if "num_batches" not in key:
                    value.mul_(momentum[step]).add_((1 - momentum[step]) * ours[key])
        centre = S["centre_momentum"] * centre + (1 - S["centre_momentum"]) * sum_of_means / LANES
        centres.append(centre)
    settings = {"model": MODEL, "head": HEAD | {"batch_norm": norms, "fixed_lengths": fixed_lengths}, "dino": S,
                "steps": STEPS, "batch": BATCH, "lanes": LANES, "steps_per_epoch": STEPS_PER_EPOCH}
    more = {f"teacher.{n}": t for n, t in teacher.tensors().items()} | {"centre": torch.stack(centres)}
    save_steps(FIXTURES / f"{name}.safetensors", settings, initial, student.tensors(), trained, optimizer, losses, grad_norms, more)


def main():
    torch.set_num_threads(1)
    train("fixed", norms=False, fixed_lengths=True)
    train("learned", norms=True, fixed_lengths=False)


if __name__ == "__main__":
    main()
