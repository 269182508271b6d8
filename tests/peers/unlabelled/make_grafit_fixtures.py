"""Writes tests/fixtures/grafit: 20 steps of Grafit in PyTorch, fp64, on a small vision transformer (see README.md).

CASE.safetensors: `initial.NAME`, `initial_memory` [samples, E]; `labels` [samples]; `loss` and `grad_norm` by step; `memory`
after each step; after step 20 `student.NAME`, `teacher.NAME` and `momentum.NAME`. Settings are in the metadata. Views are
patterns (patterns.py): of step t and view v number 30000 + 16 t + v, of which the last is the neighbours'.

`grafit`: two views predict the target's embeddings of each other, beside the neighbours' loss. `linear`: the same with a
linear projector. `neighbours`: the neighbours' loss alone, remembered embeddings brought to length 1 (SNCA). Batch norm takes the
statistics of a pass of a lane; running ones move by a tenth to the mean over passes and lanes, and the target's are the
average of the student's. Each epoch of two steps sees every sample once, in an order of its own; one sample of each
comes up a second time in place of another; one class has a single sample.

Written after the formulas of Touvron et al. 2021 (Grafit), Grill et al. 2020 (BYOL) and Wu et al. 2018 (SNCA).
"""

import math
import pathlib
import sys
from functools import partial

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer

PEERS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PEERS))
from patterns import pattern  # noqa: E402
from steps import decay_groups, grad_norm, write_steps  # noqa: E402

FIXTURES = PEERS.parent / "fixtures" / "grafit"
STEPS, BATCH, LANES, STEPS_PER_EPOCH, VIEWS = 20, 16, 4, 2, 2
SAMPLES, CLASSES = BATCH * STEPS_PER_EPOCH, 4
MODEL = {"image_size": 16, "patch": 4, "width": 8, "depth": 2, "heads": 2}
S = {"views": VIEWS, "temperature": 0.2, "memory_momentum": 0.5, "momentum": 0.9, "hidden": 12, "outputs": 6, "predictor_hidden": 10,
     "lr": 0.02, "sgd_momentum": 0.9, "weight_decay": 0.01}
CASES = {
    "grafit": {"instance_weight": 1.5, "linear": False, "memory_renormalised": False},
    "linear": {"instance_weight": 1.0, "linear": True, "memory_renormalised": False},
    "neighbours": {"instance_weight": 0.0, "linear": True, "memory_renormalised": True},
}


class LaneNorm(torch.nn.BatchNorm1d):
    """Batch norm that moves no running statistic, and remembers what those of passes were."""

    def forward(self, x):
        self.seen.append((x.detach().mean(0), x.detach().var(0)))
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


def two_layers(before, hidden, after):
    return torch.nn.Sequential(torch.nn.Linear(before, hidden), LaneNorm(hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, after))


class Network(torch.nn.Module):
    def __init__(self, case):
        super().__init__()
        self.body = VisionTransformer(
            img_size=MODEL["image_size"], patch_size=MODEL["patch"], embed_dim=MODEL["width"], depth=MODEL["depth"],
            num_heads=MODEL["heads"], num_classes=0, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6))
        width, outputs = MODEL["width"], S["outputs"]
        parts = {"projector": torch.nn.Sequential(torch.nn.Linear(width, outputs)) if case["linear"] else two_layers(width, S["hidden"], outputs)}
        if case["instance_weight"] > 0:
            parts["predictor"] = two_layers(outputs, S["predictor_hidden"], outputs)
        self.head = torch.nn.ModuleDict(parts)

    def embed(self, images):
        """g, and q(g), which takes part in batch norm's statistics wherever there is a predictor."""
        embedding = self.head["projector"](self.body(images))
        return embedding, self.head["predictor"](embedding) if "predictor" in self.head else None

    def norms(self):
        return [m for m in self.modules() if isinstance(m, LaneNorm)]

    def tensors(self):
        """By our names: the body's have no prefix."""
        return {n.removeprefix("body."): t.clone() for n, t in self.state_dict().items() if "num_batches" not in n}


def fill(network):
    with torch.no_grad():
        for number, (name, tensor) in enumerate(network.state_dict().items()):
            if "num_batches" in name:
                continue
            noise = pattern(number, tensor.shape)
            gain = tensor.ndim == 1 and name.endswith("weight") or name.endswith("running_var")
            tensor.copy_(1 + 0.25 * noise if gain else 0.25 * noise)


def cosines(a, b):
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T


def instance_loss(predictions, targets):
    losses = [-F.cosine_similarity(predictions[i], targets[j], dim=-1)
              for i in range(VIEWS) for j in range(VIEWS) if i != j]
    return torch.stack(losses).mean()


def neighbour_loss(embeddings, memory, labels, own):
    losses = []
    for x, sample in zip(embeddings, own):
        weights = torch.exp(cosines(x[None], memory)[0] / S["temperature"])
        others = torch.arange(len(memory)) != sample
        alike = others & (labels == labels[sample])
        if alike.any():
            losses.append(-torch.log(weights[alike].sum() / weights[others].sum()))
    return sum(losses) / len(embeddings) if losses else 0.0 * embeddings.sum()


def samples_by_step():
    """Each epoch its own order; its second sample comes up again in the last one's place."""
    draws, steps = torch.Generator().manual_seed(3), []
    for _ in range(STEPS // STEPS_PER_EPOCH):
        order = torch.randperm(SAMPLES, generator=draws)
        order[BATCH - 1] = order[1]
        steps += list(order.chunk(STEPS_PER_EPOCH))
    return torch.stack(steps)


def train(name, case):
    student, teacher = Network(case).double().train(), Network(case).double().train()
    fill(student)
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    initial, trained = student.tensors(), list(student.named_parameters())
    decayed, plain = decay_groups(trained)
    optimizer = torch.optim.SGD([{"params": decayed, "weight_decay": S["weight_decay"]}, {"params": plain}], lr=S["lr"],
                                momentum=S["sgd_momentum"], nesterov=True)
    labels = torch.tensor([3] + [i % (CLASSES - 1) for i in range(1, SAMPLES)])
    memory = pattern(29000, (SAMPLES, S["outputs"]))
    initial_memory, samples, views = memory.clone(), samples_by_step(), VIEWS if case["instance_weight"] > 0 else 0
    losses, grad_norms, memories, rows = [], [], [], BATCH // LANES
    for step in range(STEPS):
        optimizer.zero_grad()
        size, loss, seen, found = MODEL["image_size"], 0.0, [], []
        images = [pattern(30000 + 16 * step + v, (BATCH, 3, size, size)) for v in range(views + 1)]
        for lane in range(LANES):
            part = slice(lane * rows, (lane + 1) * rows)
            for norm in student.norms() + teacher.norms():
                norm.seen = []
            of_lane = 0.0
            if views > 0:
                together = torch.cat([v[part] for v in images[:views]])
                of_lane = case["instance_weight"] * instance_loss(student.embed(together)[1].chunk(views), teacher.embed(together)[0].chunk(views))
            embeddings = student.embed(images[-1][part])[0]
            of_lane = of_lane + neighbour_loss(embeddings, memory, labels, samples[step, part])
            (of_lane / LANES).backward()
            loss += of_lane.item() / LANES
            found.append(F.normalize(embeddings.detach(), dim=-1))
            seen.append([[torch.stack([s[i] for s in m.seen]).mean(0) for i in (0, 1)] for m in student.norms()])
        losses.append(loss)
        grad_norms.append(grad_norm(trained))
        optimizer.step()
        share = 1 + (S["momentum"] - 1) * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        with torch.no_grad():
            memory = memory.clone()
            for sample, embedding in zip(samples[step], torch.cat(found)):
                memory[sample] = S["memory_momentum"] * memory[sample] + (1 - S["memory_momentum"]) * embedding
                if case["memory_renormalised"]:
                    memory[sample] /= memory[sample].norm()
            for i, norm in enumerate(student.norms()):
                norm.running_mean.lerp_(torch.stack([s[i][0] for s in seen]).mean(0), 0.1)
                norm.running_var.lerp_(torch.stack([s[i][1] for s in seen]).mean(0), 0.1)
            ours = student.state_dict()
            for key, value in teacher.state_dict().items():
                if "num_batches" not in key:
                    value.mul_(share).add_((1 - share) * ours[key])
        memories.append(memory)
    settings = {"model": MODEL, "grafit": S | case, "steps": STEPS, "batch": BATCH, "lanes": LANES, "steps_per_epoch": STEPS_PER_EPOCH}
    more = {"initial_memory": initial_memory, "labels": labels, "samples": samples, "memory": torch.stack(memories)}
    if views > 0:
        more |= {f"teacher.{n}": t for n, t in teacher.tensors().items()}
    more |= {f"momentum.{n.removeprefix('body.')}": optimizer.state[p]["momentum_buffer"] for n, p in trained}
    write_steps(FIXTURES / f"{name}.safetensors", settings, initial, student.tensors(), losses, grad_norms, more)


def main():
    torch.set_num_threads(1)
    for name, case in CASES.items():
        train(name, case)


if __name__ == "__main__":
    main()
