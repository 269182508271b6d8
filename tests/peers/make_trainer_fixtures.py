"""Writes tests/fixtures/trainer: learning rates, losses and decay groups as timm and PyTorch have them (see README.md).

schedule.safetensors   lr.CASE [T + 5]: CosineLRScheduler's rate of every step and a little beyond; the cases are in
                       the metadata, as JSON under `cases`
loss.safetensors       logits [B,K] and labels [B], fp64; for each case its weights [B] (target = weight * label +
                       (1 - weight) * label of the reversed batch), loss and gradient; smoothing in the metadata
layer_decay.json       for some models, cut in depth: name, dimensions and timm's factor of the learning rate at layer decay
                       0.75 of every parameter
decay.json             for some models the parameters that timm's rule gives weight decay, and those it does not: name and
                       number of dimensions
"""

import json
import pathlib

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.data.mixup import mixup_target
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import CosineLRScheduler

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "trainer"
SCHEDULES = {
    "plain": {"steps": 20, "warmup": 0, "lr": 3e-3, "warmup_lr": 1e-6, "min_lr": 1e-5},
    "usual": {"steps": 300, "warmup": 30, "lr": 3e-3, "warmup_lr": 1e-6, "min_lr": 1e-5},
    "to_zero": {"steps": 100, "warmup": 7, "lr": 1e-3, "warmup_lr": 0.0, "min_lr": 0.0},
    "nearly_all_warmup": {"steps": 37, "warmup": 36, "lr": 0.1, "warmup_lr": 1e-3, "min_lr": 1e-4},
    "from_above": {"steps": 50, "warmup": 10, "lr": 1e-3, "warmup_lr": 1e-2, "min_lr": 1e-5},
    "rising": {"steps": 50, "warmup": 5, "lr": 1e-4, "warmup_lr": 1e-6, "min_lr": 1e-3},  # min_lr is not clamped
}
BATCH, CLASSES = 6, 7
PAIRS = torch.tensor([0.3, 1.0, 0.5, 0.9, 0.0, 0.7], dtype=torch.float64)
LOSSES = {  # name, weights, smoothing
    "ce_plain": (torch.ones(BATCH, dtype=torch.float64), 0.0),
    "ce_smooth": (torch.ones(BATCH, dtype=torch.float64), 0.1),
    "ce_mixed": (torch.full((BATCH,), 0.3, dtype=torch.float64), 0.1),
    "ce_mixed_pairs": (PAIRS, 0.0),
    "bce_plain": (torch.ones(BATCH, dtype=torch.float64), 0.0),
    "bce_mixed_pairs": (PAIRS, 0.0),
}


def save(name, tensors, metadata):
    path = FIXTURES / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    path.chmod(0o644)


def rates(s):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=s["lr"])
    scheduler = CosineLRScheduler(
        optimizer, t_initial=s["steps"], lr_min=s["min_lr"], warmup_t=s["warmup"], warmup_lr_init=s["warmup_lr"],
        cycle_limit=1, t_in_epochs=False,
    )  # fmt: skip
    values = []
    for step in range(s["steps"] + 5):
        scheduler.step_update(step)
        values.append(optimizer.param_groups[0]["lr"])
    return torch.tensor(values, dtype=torch.float64)


def loss_of(name, logits, labels, weights, smoothing):
    """Each by the function that is used for it elsewhere."""
    if name == "ce_plain":
        return F.cross_entropy(logits, labels)
    if name == "ce_smooth":
        return LabelSmoothingCrossEntropy(smoothing)(logits, labels)
    targets = mixup_target(labels, CLASSES, weights.unsqueeze(1), smoothing)
    if name.startswith("ce"):
        return SoftTargetCrossEntropy()(logits, targets)
    return torch.nn.BCEWithLogitsLoss()(logits, targets.gt(0.0).type(targets.dtype))  # as in DeiT III's train_one_epoch


def losses():
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    tensors = {"logits": logits, "labels": labels}
    for name, (weights, smoothing) in LOSSES.items():
        leaf = logits.clone().requires_grad_()
        loss = loss_of(name, leaf, labels, weights, smoothing)
        loss.backward()
        tensors |= {f"{name}.weights": weights.clone(), f"{name}.loss": loss.detach(), f"{name}.gradient": leaf.grad}
    save("loss", tensors, {"smoothing": json.dumps({name: s for name, (_, s) in LOSSES.items()})})


def decay():
    found = {}
    for name in ("deit3_small_patch16_224", "deit_tiny_distilled_patch16_224", "vit_small_patch16_dinov3_qkvb"):
        model = timm.create_model(name, depth=1)
        groups = param_groups_weight_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay())
        by_decay = {bool(group["weight_decay"]): {id(p) for p in group["params"]} for group in groups}
        shapes = {n: [p.ndim, id(p)] for n, p in model.named_parameters()}
        found[name] = {
            kind: {n: ndim for n, (ndim, p) in shapes.items() if p in by_decay[decayed]}
            for kind, decayed in (("plain", False), ("decayed", True))
        }
    (FIXTURES / "decay.json").write_text(json.dumps(found, indent=1) + "\n")


def layer_decay():
    found = {}
    for name, depth in (("deit3_small_patch16_224", 4), ("deit_tiny_distilled_patch16_224", 3), ("cait_xxs24_224", 5)):
        model = timm.create_model(name, depth=depth)
        groups = param_groups_layer_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.75)
        scale = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
        found[name] = [[n, p.ndim, scale[id(p)]] for n, p in model.named_parameters()]
    (FIXTURES / "layer_decay.json").write_text(json.dumps(found) + "\n")


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    torch.set_default_dtype(torch.float64)  # timm makes its targets in the default type
    torch.set_num_threads(1)
    tensors = {f"lr.{name}": rates(settings) for name, settings in SCHEDULES.items()}
    save("schedule", tensors, {"cases": json.dumps(SCHEDULES)})
    losses()
    decay()
    layer_decay()


if __name__ == "__main__":
    main()
