"""Writes tests/fixtures/linear: 20 steps of a linear classifier on a body that does not learn, in PyTorch, fp64 (see README.md).

CASE.safetensors: `initial.NAME`; `labels` [steps, images]; `loss` and `grad_norm` by step; after step 20 `student.NAME`, and
`momentum.NAME` of what is trained. Settings are in the metadata. Images are patterns (patterns.py): of step t number 40000 + t.

`blocks`: the class token of the last two of three blocks through the last norm, side by side. `beside`: that of the last
block and the mean of its patches, in turn element by element. Both are DINO's linear evaluation.
"""

import pathlib
import sys
from functools import partial

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer

PEERS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PEERS))
from patterns import pattern  # noqa: E402
from steps import grad_norm, write_steps  # noqa: E402

FIXTURES = PEERS.parent / "fixtures" / "linear"
STEPS, BATCH, LANES, STEPS_PER_EPOCH, CLASSES = 20, 8, 4, 2, 4
MODEL = {"image_size": 16, "patch": 4, "width": 8, "depth": 3, "heads": 2}
S = {"lr": 0.1, "sgd_momentum": 0.9}


def features_of(body, images, features):
    x = torch.cat([body.cls_token.expand(len(images), -1, -1), body.patch_embed.proj(images).flatten(2).transpose(1, 2)], 1)
    x, outputs = x + body.pos_embed, []
    for block in body.blocks:
        x = block(x)
        outputs.append(body.norm(x))
    if features == "last:2":
        return torch.cat([y[:, 0] for y in outputs[-2:]], 1)
    return torch.stack([outputs[-1][:, 0], outputs[-1][:, 1:].mean(1)], 2).flatten(1)


def train(name, features):
    body = VisionTransformer(
        img_size=MODEL["image_size"], patch_size=MODEL["patch"], embed_dim=MODEL["width"], depth=MODEL["depth"],
        num_heads=MODEL["heads"], num_classes=0, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6)).double().eval()
    head = torch.nn.Linear(2 * MODEL["width"], CLASSES).double()
    with torch.no_grad():
        for number, tensor in enumerate([*body.state_dict().values(), *head.state_dict().values()]):
            tensor.copy_(0.25 * pattern(number, tensor.shape))

    def tensors():
        return {n: t.clone() for n, t in body.state_dict().items()} | {f"head.{n}": t.clone() for n, t in head.state_dict().items()}

    initial, trained = tensors(), [(f"head.{n}", p) for n, p in head.named_parameters()]
    optimizer = torch.optim.SGD(head.parameters(), lr=S["lr"], momentum=S["sgd_momentum"])
    labels = torch.randint(CLASSES, (STEPS, BATCH), generator=torch.Generator().manual_seed(11))
    losses, grad_norms, rows = [], [], BATCH // LANES
    for step in range(STEPS):
        optimizer.zero_grad()
        images, loss = pattern(40000 + step, (BATCH, 3, MODEL["image_size"], MODEL["image_size"])), 0.0
        for lane in range(LANES):
            part = slice(lane * rows, (lane + 1) * rows)
            with torch.no_grad():
                read = features_of(body, images[part], features)
            of_lane = F.cross_entropy(head(read), labels[step, part])
            (of_lane / LANES).backward()
            loss += of_lane.item() / LANES
        losses.append(loss)
        grad_norms.append(grad_norm(trained))
        optimizer.step()
    more = {"labels": labels} | {f"momentum.{n}": optimizer.state[p]["momentum_buffer"] for n, p in trained}
    settings = {"model": MODEL, "linear": S | {"features": features}, "classes": CLASSES, "steps": STEPS, "batch": BATCH,
                "lanes": LANES, "steps_per_epoch": STEPS_PER_EPOCH}
    write_steps(FIXTURES / f"{name}.safetensors", settings, initial, tensors(), losses, grad_norms, more)


def main():
    torch.set_num_threads(1)
    train("blocks", "last:2")
    train("beside", "head+mean")


if __name__ == "__main__":
    main()
