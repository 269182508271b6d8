"""Writes tests/fixtures/trajectory/regnet.json: four steps of timm's RegNetY-200MF under PyTorch's SGD in fp64, with batch
norm over each of four lanes alone: a module for each lane, gradients averaged, then running statistics averaged.

loss, grad_norm (before clipping) of each step; for every tensor its shape and digest before and after. Weights and images
are those of tests/runs/given_values.py.
"""

import copy
import json
import pathlib
import sys

import torch
import torch.nn.functional as F

import networks

sys.path.append(str(pathlib.Path(__file__).parent.parent / "runs"))
import given_values as given

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "trajectory" / "regnet.json"


def named_tensors(model):
    return {n: t for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")}


def digests(model):
    return {n: given.digest(t.flatten().tolist()) for n, t in named_tensors(model).items()}


def main():
    torch.set_num_threads(1)
    model = networks.named("regnety_002", given.IMAGE_SIZE, given.CLASSES).double().train()
    with torch.no_grad():
        for name, tensor in named_tensors(model).items():
            tensor.copy_(torch.tensor(given.weight(name, list(tensor.shape)), dtype=torch.float64).view(tensor.shape))
    shape, values = given.images()
    images = torch.tensor(values, dtype=torch.float64).view(shape)
    labels = torch.tensor(given.labels()[1])
    s = given.SETTINGS
    plain = [p for p in model.parameters() if p.ndim <= 1]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    optimizer = torch.optim.SGD(
        [{"params": plain, "weight_decay": 0}, {"params": matrices, "weight_decay": s["optimizer.weight_decay"]}],
        lr=s["optimizer.lr"], momentum=s["optimizer.momentum"], nesterov=True,
    )
    content = {"shapes": {n: list(t.shape) for n, t in named_tensors(model).items()}, "before": digests(model)}
    content |= {"loss": [], "grad_norm": []}
    size = given.BATCH // given.LANES
    for step in range(given.STEPS):
        losses, lanes = [], []
        for lane in range(given.LANES):
            lanes.append(copy.deepcopy(model))
            lanes[-1].zero_grad()
            rows = slice(step * given.BATCH + lane * size, step * given.BATCH + (lane + 1) * size)
            losses.append(F.cross_entropy(lanes[-1](images[rows]), labels[rows], label_smoothing=s["loss.smoothing"]))
            losses[-1].backward()
        with torch.no_grad():
            for parameter, *of_lanes in zip(model.parameters(), *(lane.parameters() for lane in lanes)):
                parameter.grad = torch.stack([p.grad for p in of_lanes]).mean(0)
            for (name, buffer), *of_lanes in zip(model.named_buffers(), *(lane.buffers() for lane in lanes)):
                if not name.endswith("num_batches_tracked"):
                    buffer.copy_(torch.stack(of_lanes).mean(0))
        content["loss"].append(sum(loss.item() for loss in losses) / given.LANES)
        content["grad_norm"].append(torch.nn.utils.clip_grad_norm_(model.parameters(), s["optimizer.clip_norm"]).item())
        optimizer.step()
    content["after"] = digests(model)
    FIXTURE.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in content.items()) + "\n}\n")
    print("loss", content["loss"], "norm", content["grad_norm"])


if __name__ == "__main__":
    main()
