"""Writes tests/fixtures/trajectory: 20 steps of PyTorch's AdamW and timm's Lamb on a small ViT (see README.md).

initial.safetensors      the network's weights before step 1, fp32
data.safetensors         images [320,3,16,16], labels [320]: batch t is images 16 t .. 16 t + 15
adamw, lamb.safetensors  loss.fp64 [20], loss.fp32 [20], grad_norm.fp64 [20] before clipping, and the weights after
                         step 20 of the fp64 run as weights.NAME
updates.safetensors      for the update kernels alone, in fp32: gradients.STEP.NAME of steps 1..4, before clipping;
                         after feeding them to each optimizer from initial.safetensors: OPT.weights.STEP.NAME after
                         steps 1 and 4, OPT.exp_avg.NAME and OPT.exp_avg_sq.NAME after step 4
Settings are in each file's metadata, as JSON under `settings`.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.optim import Lamb

import networks

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "trajectory"
MODEL = {"image_size": 16, "patch": 4, "width": 32, "depth": 2, "heads": 2, "classes": 10}
STEPS, BATCH = 20, 16
RECORDED_STEPS = 4
COMMON = {"lr": 3e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "label_smoothing": 0.1, "batch": BATCH}
# Chosen so that clipping is active in most steps and not in all; Lamb clips what is left once more, to its own 1.0.
OPTIMIZERS = {
    "adamw": COMMON | {"weight_decay": 0.05, "clip_norm": 1.0},
    "lamb": COMMON | {"weight_decay": 0.02, "clip_norm": 1.5, "lamb_max_grad_norm": 1.0},
}


def make_model(weights, dtype):
    model = networks.vit(**MODEL).train().to(dtype)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in weights.items()})
    return model


def decay_groups(model, weight_decay):
    """timm's rule: no decay for vectors, biases and what the network excludes by name."""
    excluded = model.no_weight_decay()
    groups = {0.0: [], weight_decay: []}
    for name, parameter in model.named_parameters():
        plain = parameter.ndim <= 1 or name.endswith(".bias") or name in excluded
        groups[0.0 if plain else weight_decay].append(parameter)
    return [{"params": params, "weight_decay": decay} for decay, params in groups.items()]


def make_optimizer(kind, model):
    s = OPTIMIZERS[kind]
    settings = {"lr": s["lr"], "betas": (s["beta1"], s["beta2"]), "eps": s["eps"]}
    groups = decay_groups(model, s["weight_decay"])
    if kind == "adamw":
        return torch.optim.AdamW(groups, **settings)
    return Lamb(groups, max_grad_norm=s["lamb_max_grad_norm"], **settings)


def update(kind, model, optimizer):
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIMIZERS[kind]["clip_norm"])
    optimizer.step()
    return norm


def train(kind, weights, data, dtype, record=None):
    model = make_model(weights, dtype)
    optimizer = make_optimizer(kind, model)
    losses, norms = [], []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        logits = model(data["images"][rows].to(dtype))
        loss = F.cross_entropy(logits, data["labels"][rows], label_smoothing=COMMON["label_smoothing"])
        optimizer.zero_grad()
        loss.backward()
        if record is not None and step < RECORDED_STEPS:
            record[step] = {name: p.grad.clone() for name, p in model.named_parameters()}
        losses.append(loss.detach())
        norms.append(update(kind, model, optimizer))
    return model, torch.stack(losses), torch.stack(norms)


def replay(kind, weights, gradients):
    """The optimizer alone, fed recorded gradients."""
    model = make_model(weights, torch.float32)
    optimizer = make_optimizer(kind, model)
    tensors = {}
    for step in range(RECORDED_STEPS):
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[step][name].clone()
        update(kind, model, optimizer)
        if step in (0, RECORDED_STEPS - 1):
            tensors |= {f"{kind}.weights.{step + 1}.{n}": p.detach().clone() for n, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            tensors[f"{kind}.{moment}.{name}"] = optimizer.state[parameter][moment]
    return tensors


def save(name, tensors, settings):
    path = FIXTURES / f"{name}.safetensors"
    metadata = {"settings": json.dumps(settings)}  # one entry: the writer does not keep the order of several
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    path.chmod(0o644)


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(7)
    model = networks.vit(**MODEL)
    networks.randomise(model, seed=11, scale=0.1)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    data = {
        "images": torch.randn(STEPS * BATCH, 3, MODEL["image_size"], MODEL["image_size"]),
        "labels": torch.randint(MODEL["classes"], (STEPS * BATCH,)),
    }
    save("initial", weights, {"model": MODEL})
    save("data", data, {"model": MODEL})

    recorded = {}
    for kind, settings in OPTIMIZERS.items():
        exact, losses, norms = train(kind, weights, data, torch.float64)
        gradients = recorded if kind == "adamw" else None
        _, single_losses, _ = train(kind, weights, data, torch.float32, gradients)
        tensors = {"loss.fp64": losses, "loss.fp32": single_losses, "grad_norm.fp64": norms}
        tensors |= {f"weights.{name}": p.detach() for name, p in exact.named_parameters()}
        save(kind, tensors, {"model": MODEL, "optimizer": settings})
        clipped = int((norms > settings["clip_norm"]).sum())
        print(f"{kind}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, {clipped} of {STEPS} steps clipped")

    updates = {f"gradients.{step + 1}.{n}": g for step, named in recorded.items() for n, g in named.items()}
    for kind in OPTIMIZERS:
        updates |= replay(kind, weights, recorded)
    save("updates", updates, {"model": MODEL, **OPTIMIZERS})


if __name__ == "__main__":
    main()
