"""Writes tests/fixtures/trajectory/{grid,fp16}: 50 steps of other people's optimizers on a very small ViT.

grid.safetensors  fp64: for every case of CASES the weights after step 50, CASE.NAME, and CASE.loss [50]. The cases are
                  PyTorch's AdamW and SGD and timm's Lamb, with and without clipping (also timm's adaptive one), with timm's groups of weight decay
                  alone or with its layer decay
fp16.safetensors  the same network under torch.autocast(float16) with torch.amp.GradScaler, every lane's mean loss scaled and
                  the lanes' gradients averaged, as DistributedDataParallel does: CASE.loss [50], CASE.scale [50]
                  in force during each step. `quiet` never overflows; `loud` begins with a scale so high that some steps
                  are skipped, and doubles every 8 good steps, so that others are
start.safetensors, batches.safetensors  the weights before step 1 and the images and labels of all steps
Settings are in each file's metadata, as JSON under `settings`, under the names of the program's own keys.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.optim import Lamb
from timm.optim._param_groups import param_groups_layer_decay, param_groups_weight_decay
from timm.utils.agc import adaptive_clip_grad

import networks

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "trajectory"
MODEL = {"image_size": 8, "patch": 4, "width": 16, "depth": 3, "heads": 2, "classes": 5, "layer_scale": 0.1}
STEPS, BATCH, LANES = 50, 16, 8
LR, DECAY = 3e-3, 0.05
CLIPPING = {  # each active in some steps and not in all
    "plain": {},
    "norm": {"optimizer.clip_norm": 1.5},
    "value": {"optimizer.clip_value": 0.02},
    "adaptive": {"optimizer.clip_adaptive": 0.02, "optimizer.clip_adaptive_head": 0},
    "adaptive_norm": {"optimizer.clip_adaptive": 0.05, "optimizer.clip_norm": 0.2},
}
RULES = {
    "adamw": {"optimizer.name": "adamw"},
    "lamb": {"optimizer.name": "lamb", "optimizer.lamb_max_grad_norm": 2.0},
    "lamb_options": {
        "optimizer.name": "lamb",
        "optimizer.lamb_max_grad_norm": 0,
        "optimizer.lamb_trust_clip": 1,
        "optimizer.lamb_always_adapt": 1,
        "optimizer.lamb_decoupled_decay": 1,
    },
    "sgd": {"optimizer.name": "sgd", "optimizer.lr": 0.05, "optimizer.momentum": 0.9},
    "sgd_heavy": {"optimizer.name": "sgd", "optimizer.lr": 0.05, "optimizer.momentum": 0.8, "optimizer.nesterov": 0},
}


def cases():
    for rule, settings in RULES.items():
        for clipping, clip in CLIPPING.items():
            for layer_decay in (1.0, 0.65):
                if rule in ("lamb_options", "sgd_heavy") and (clipping not in ("plain", "norm") or layer_decay == 1.0):
                    continue
                if clipping.startswith("adaptive") and layer_decay < 1:
                    continue
                name = f"{rule}-{clipping}-{layer_decay}"
                yield name, {"optimizer.lr": LR, "optimizer.weight_decay": DECAY} | settings | clip | {
                    "optimizer.layer_decay": layer_decay
                }


def make_model(weights, dtype):
    model = networks.vit(**MODEL).train().to(dtype)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in weights.items()})
    return model


def make_optimizer(model, s):
    """timm's groups; a group's learning rate is the base rate times its lr_scale, as timm's scheduler applies it."""
    decay, layer_decay = s["optimizer.weight_decay"], s["optimizer.layer_decay"]
    excluded = tuple(model.no_weight_decay())
    if layer_decay < 1:
        groups = param_groups_layer_decay(
            model, decay, no_weight_decay_list=excluded, layer_decay=layer_decay
        )
    else:
        groups = param_groups_weight_decay(model, decay, no_weight_decay_list=excluded)
    for group in groups:
        group["lr"] = s["optimizer.lr"] * group.pop("lr_scale", 1.0)
    if s["optimizer.name"] == "adamw":
        return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    if s["optimizer.name"] == "sgd":
        nesterov = bool(s.get("optimizer.nesterov", 1))
        return torch.optim.SGD(groups, momentum=s["optimizer.momentum"], nesterov=nesterov)
    return Lamb(
        groups,
        eps=1e-8,
        max_grad_norm=s["optimizer.lamb_max_grad_norm"] or None,
        trust_clip=bool(s.get("optimizer.lamb_trust_clip")),
        always_adapt=bool(s.get("optimizer.lamb_always_adapt")),
        decoupled_decay=bool(s.get("optimizer.lamb_decoupled_decay")),
    )


def clip(model, s):
    if "optimizer.clip_value" in s:
        torch.nn.utils.clip_grad_value_(model.parameters(), s["optimizer.clip_value"])
    if "optimizer.clip_adaptive" in s:
        head = s.get("optimizer.clip_adaptive_head", 1)
        adaptive_clip_grad(list(model.parameters())[: None if head else -2], s["optimizer.clip_adaptive"])
    if "optimizer.clip_norm" not in s:
        return 0.0
    return float(torch.nn.utils.clip_grad_norm_(model.parameters(), s["optimizer.clip_norm"]))


def batches(data, dtype):
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        yield data["images"][rows].to(dtype), data["labels"][rows]


def train_fp64(weights, data, s):
    model = make_model(weights, torch.float64)
    optimizer = make_optimizer(model, s)
    losses, clipped = [], 0
    for images, labels in batches(data, torch.float64):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        clipped += clip(model, s) > s.get("optimizer.clip_norm", 0)
        optimizer.step()
        losses.append(loss.detach())
    print(f"{clipped} steps clipped by norm; loss {losses[0]:.4f} -> {losses[-1]:.4f}")
    return torch.stack(losses), {name: p.detach() for name, p in model.named_parameters()}


def train_fp16(weights, data, s):
    model = make_model(weights, torch.float32)
    optimizer = make_optimizer(model, s)
    window = s["precision.loss_scale_window"]
    scaler = torch.amp.GradScaler("cpu", init_scale=s["precision.loss_scale"], growth_interval=window)
    losses, scales = [], []
    for images, labels in batches(data, torch.float32):
        optimizer.zero_grad()
        scales.append(scaler.get_scale())
        of_lanes = []
        for lane_images, lane_labels in zip(images.chunk(LANES), labels.chunk(LANES)):
            with torch.autocast("cpu", torch.float16):
                loss = F.cross_entropy(model(lane_images).float(), lane_labels)
            scaler.scale(loss).backward()
            of_lanes.append(loss.detach().double())
        loss = torch.stack(of_lanes).mean()
        scaler.unscale_(optimizer)
        for parameter in model.parameters():
            parameter.grad /= LANES
        clip(model, s)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss)
    return torch.stack(losses), torch.tensor(scales, dtype=torch.float64)


def save(name, tensors, settings):
    path = FIXTURES / f"{name}.safetensors"
    metadata = {"settings": json.dumps(settings)}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    path.chmod(0o644)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(17)
    model = networks.vit(**MODEL)
    networks.randomise(model, seed=19, scale=0.1)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    data = {
        "images": torch.randn(STEPS * BATCH, 3, MODEL["image_size"], MODEL["image_size"]),
        "labels": torch.randint(MODEL["classes"], (STEPS * BATCH,)),
    }
    # something to learn: a colour for every class
    colours = torch.randn(MODEL["classes"], 3, 1, 1)
    data["images"] += colours[data["labels"]]
    save("start", weights, {"model": MODEL})
    save("batches", data, {"model": MODEL})

    tensors = {}
    for name, settings in cases():
        print(name, end=": ")
        losses, after = train_fp64(weights, data, settings)
        tensors[f"{name}.loss"] = losses
        tensors |= {f"{name}.{n}": p for n, p in after.items()}
    save("grid", tensors, {"model": MODEL, "cases": dict(cases())})

    base = {"optimizer.name": "adamw", "optimizer.lr": 1e-3, "optimizer.weight_decay": DECAY}
    base |= {"optimizer.layer_decay": 1.0, "optimizer.clip_norm": 1.0}
    half = {
        "quiet": base | {"precision.loss_scale": 1024.0, "precision.loss_scale_window": 2000},
        "loud": base | {"precision.loss_scale": 2.0**24, "precision.loss_scale_window": 8},
    }
    tensors = {}
    for name, settings in half.items():
        tensors[f"{name}.loss"], tensors[f"{name}.scale"] = train_fp16(weights, data, settings)
        print(name, tensors[f"{name}.scale"].log2().int().tolist())
    save("fp16", tensors, {"model": MODEL, "cases": half})


if __name__ == "__main__":
    main()
