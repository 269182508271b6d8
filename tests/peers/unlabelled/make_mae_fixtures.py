"""Writes tests/fixtures/mae: 20 steps of masked autoencoding in PyTorch, fp64, on a small vision transformer (see README.md).

CASE.safetensors: `initial.NAME`; `seen` [steps, images, V], the patches that the network sees; `loss` and `grad_norm` by step;
after step 20 `student.NAME`, `exp_avg.NAME` and `exp_avg_sq.NAME`. Settings are in the metadata. Images are patterns
(patterns.py): of step t number 20000 + t.

`normalised`: patches' pixels less their mean, over their deviation. `plain`: pixels as they are.

Written after facebookresearch/mae (models_mae.py, main_pretrain.py, util/lr_sched.py), from its formulas.
"""

import math
import pathlib
import sys
from functools import partial

import numpy
import torch
from timm.models.vision_transformer import Block, VisionTransformer

PEERS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PEERS))
from patterns import pattern  # noqa: E402
from steps import decay_groups, grad_norm, save_steps  # noqa: E402

FIXTURES = PEERS.parent / "fixtures" / "mae"
STEPS, BATCH, LANES, STEPS_PER_EPOCH, WARMUP_EPOCHS = 20, 8, 4, 2, 2
MODEL = {"image_size": 16, "patch": 4, "width": 8, "depth": 2, "heads": 2}
DECODER = {"masked": 0.75, "width": 12, "depth": 2, "heads": 3}
S = {"lr": 0.01, "weight_decay": 0.05, "beta2": 0.95, "eps": 1e-4}
GRID = MODEL["image_size"] // MODEL["patch"]
NORM = partial(torch.nn.LayerNorm, eps=1e-6)


def waves(width):
    """Sines and cosines of the column, then of the row; a row of zeros for the class token."""
    frequency = 1 / 10000 ** (numpy.arange(width // 4) / (width / 4))
    row, column = numpy.divmod(numpy.arange(GRID * GRID), GRID)
    parts = []
    for place in (column, row):
        angle = numpy.outer(place, frequency)
        parts += [numpy.sin(angle), numpy.cos(angle)]
    table = numpy.concatenate([numpy.zeros((1, width)), numpy.concatenate(parts, 1)])
    return torch.from_numpy(table)[None]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = VisionTransformer(
            img_size=MODEL["image_size"], patch_size=MODEL["patch"], embed_dim=MODEL["width"], depth=MODEL["depth"],
            num_heads=MODEL["heads"], num_classes=0, norm_layer=NORM)
        width = DECODER["width"]
        self.decoder_embed = torch.nn.Linear(MODEL["width"], width)
        self.mask_token = torch.nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed = torch.nn.Parameter(torch.zeros(1, 1 + GRID * GRID, width), requires_grad=False)
        self.decoder_blocks = torch.nn.Sequential(
            *[Block(width, DECODER["heads"], 4, qkv_bias=True, norm_layer=NORM) for _ in range(DECODER["depth"])])
        self.decoder_norm = NORM(width)
        self.decoder_pred = torch.nn.Linear(width, 3 * MODEL["patch"] ** 2)
        self.body.pos_embed.requires_grad = False

    def forward(self, images, seen):
        body, count = self.body, len(images)
        patches = body.patch_embed.proj(images).flatten(2).transpose(1, 2) + body.pos_embed[:, 1:]
        rows = torch.arange(count)[:, None]
        token = (body.cls_token + body.pos_embed[:, :1]).expand(count, -1, -1)
        tokens = body.norm(body.blocks(torch.cat([token, patches[rows, seen]], 1)))
        tokens = self.decoder_embed(tokens)
        all_patches = self.mask_token.repeat(count, GRID * GRID, 1)
        all_patches[rows, seen] = tokens[:, 1:]
        x = self.decoder_blocks(torch.cat([tokens[:, :1], all_patches], 1) + self.decoder_pos_embed)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:]

    def tensors(self):
        """By our names: the body's have no prefix."""
        return {n.removeprefix("body."): t.clone() for n, t in self.state_dict().items()}


def fill(network):
    with torch.no_grad():
        for number, (name, tensor) in enumerate(network.state_dict().items()):
            if name.endswith("pos_embed"):
                tensor.copy_(waves(tensor.shape[-1]))
                continue
            noise = pattern(number, tensor.shape)
            tensor.copy_(1 + 0.25 * noise if tensor.ndim == 1 and name.endswith("weight") else 0.25 * noise)


def loss_of(network, images, seen, normalised):
    patch = MODEL["patch"]
    wanted = images.reshape(len(images), 3, GRID, patch, GRID, patch)
    wanted = torch.einsum("nchpwq->nhwpqc", wanted).reshape(len(images), GRID * GRID, patch * patch * 3)
    if normalised:
        mean, variance = wanted.mean(-1, keepdim=True), wanted.var(-1, keepdim=True)
        wanted = (wanted - mean) / (variance + 1e-6) ** 0.5
    hidden = torch.ones(len(images), GRID * GRID).double().scatter(1, seen, 0.0)
    squares = ((network(images, seen) - wanted) ** 2).mean(-1)
    return (squares * hidden).sum() / hidden.sum()


def rate(step):
    epoch, epochs = step / STEPS_PER_EPOCH, STEPS / STEPS_PER_EPOCH
    if epoch < WARMUP_EPOCHS:
        return S["lr"] * epoch / WARMUP_EPOCHS
    return S["lr"] * 0.5 * (1 + math.cos(math.pi * (epoch - WARMUP_EPOCHS) / (epochs - WARMUP_EPOCHS)))


def train(name, normalised):
    network = Network().double().train()
    fill(network)
    initial = network.tensors()
    trained = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    decayed, plain = decay_groups(trained)
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": S["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
                                  betas=(0.9, S["beta2"]), eps=S["eps"])
    count, rows = int(GRID * GRID * (1 - DECODER["masked"])), BATCH // LANES
    draws = torch.Generator().manual_seed(7)
    seen = torch.stack([torch.rand(BATCH, GRID * GRID, generator=draws).argsort(1)[:, :count].sort(1).values for _ in range(STEPS)])
    losses, grad_norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        images, loss = pattern(20000 + step, (BATCH, 3, MODEL["image_size"], MODEL["image_size"])), 0.0
        for lane in range(LANES):
            part = slice(lane * rows, (lane + 1) * rows)
            of_lane = loss_of(network, images[part], seen[step, part], normalised)
            (of_lane / LANES).backward()
            loss += of_lane.item() / LANES
        losses.append(loss)
        grad_norms.append(grad_norm(trained))
        optimizer.step()
    settings = {"model": MODEL, "decoder": DECODER, "normalised": normalised, "optimizer": S, "warmup_epochs": WARMUP_EPOCHS,
                "steps": STEPS, "batch": BATCH, "lanes": LANES, "steps_per_epoch": STEPS_PER_EPOCH}
    save_steps(FIXTURES / f"{name}.safetensors", settings, initial, network.tensors(), trained, optimizer, losses, grad_norms,
               {"seen": seen})


def main():
    torch.set_num_threads(1)
    train("normalised", normalised=True)
    train("plain", normalised=False)


if __name__ == "__main__":
    main()
