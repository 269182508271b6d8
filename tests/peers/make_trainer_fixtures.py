"""Writes tests/fixtures/trainer: learning rates, losses and decay groups as timm and PyTorch have them (see README.md).

schedule.safetensors   CASE [N]: the learning rates of timm's schedulers over a whole run and two epochs more; the cases
                       are in the metadata, as JSON under `cases`
loss.safetensors       logits [B,K] and labels [B], fp64; for each case its weights [B] (target = weight * label +
                       (1 - weight) * label of the reversed batch), loss and gradient; smoothing in the metadata
distillation.safetensors  logits of a student's class head and distillation head and of a teacher [B,K], labels [B], fp64; for
                       each case its loss and the gradients of both heads; type, alpha and tau in the metadata
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
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import create_scheduler_v2

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "trainer"
# Cases of create_scheduler_v2: what every case has, then what is its own. `per_epoch` off: stepped after every update;
# timm: after every epoch e with e + 1, as timm's train.py; deit: with e, as DeiT's main.py. Of long runs every
# `stride`-th step is kept, of those stepped per epoch one of each epoch.
USUAL = {
    "name": "cosine", "epochs": 10, "steps_per_epoch": 13, "warmup": 3, "prefix": False, "per_epoch": "off",
    "lr": 3e-3, "warmup_lr": 1e-6, "min_lr": 1e-5, "decay_every": 3, "decay_rate": 0.1, "stride": 1,
}  # fmt: skip
RUNS = {  # published lengths and rates, batches of 1281167 or 14197122 images
    "deit_300": {"epochs": 300, "steps_per_epoch": 1251, "warmup": 5, "lr": 1e-3},
    "deit3_400": {"epochs": 400, "steps_per_epoch": 625, "warmup": 5},
    "deit3_s_800": {"epochs": 800, "steps_per_epoch": 625, "warmup": 5, "lr": 4e-3},
    "vit_h_21k": {"epochs": 90, "steps_per_epoch": 6932, "warmup": 5, "lr": 1e-3},
    "21k_to_1k": {"epochs": 50, "steps_per_epoch": 625, "warmup": 5, "lr": 3e-4},
    "fixres": {"epochs": 20, "steps_per_epoch": 2502, "warmup": 5, "lr": 1e-5},  # flat: min_lr is the peak
    "cait_384": {"epochs": 60, "steps_per_epoch": 5004, "warmup": 5, "lr": 5e-6},  # rises to min_lr
    "vit_paper": {"epochs": 300, "steps_per_epoch": 312, "warmup": 3, "name": "linear", "min_lr": 0.0},
}
EDGES = {
    "no_warmup": {"warmup": 0},
    "to_zero": {"warmup_lr": 0.0, "min_lr": 0.0},
    "nearly_all_warmup": {"warmup": 9, "lr": 0.1, "warmup_lr": 1e-3},
    "from_above": {"lr": 1e-3, "warmup_lr": 1e-2},
    "rising": {"lr": 1e-4, "min_lr": 1e-3},
    "one_step_an_epoch": {"steps_per_epoch": 1, "epochs": 97},
    "one_epoch": {"epochs": 1, "warmup": 0, "steps_per_epoch": 50},
    "often_decayed": {"decay_every": 1, "decay_rate": 0.97, "epochs": 40, "steps_per_epoch": 5},
    "growing": {"decay_every": 2, "decay_rate": 1.5},
}


def schedules():
    """Every run stepped in each way; every edge with every schedule, stepped in each way, with and without prefix."""
    cases = {}
    for run, own in RUNS.items():
        for per_epoch in ("off", "timm", "deit"):
            steps = own["epochs"] * own["steps_per_epoch"]
            stride = steps // 250 | 1 if per_epoch == "off" else own["steps_per_epoch"]
            cases[f"{run}.{per_epoch}"] = USUAL | own | {"per_epoch": per_epoch, "stride": stride}
    for edge, own in EDGES.items():
        for name in ("cosine", "linear", "step", "constant"):
            for per_epoch in ("off", "timm", "deit"):
                for prefix in (False, True):
                    case = USUAL | own | {"name": name, "per_epoch": per_epoch, "prefix": prefix}
                    case["stride"] = 1 if per_epoch == "off" else case["steps_per_epoch"]
                    cases[f"{edge}.{name}.{per_epoch}{'.prefix' if prefix else ''}"] = case
    return cases


BATCH, CLASSES = 6, 7
PAIRS = torch.tensor([0.3, 1.0, 0.5, 0.9, 0.0, 0.7], dtype=torch.float64)
LOSSES = {  # name, weights, smoothing
    "ce_plain": (torch.ones(BATCH, dtype=torch.float64), 0.0),
    "ce_smooth": (torch.ones(BATCH, dtype=torch.float64), 0.1),
    "ce_mixed": (torch.full((BATCH,), 0.3, dtype=torch.float64), 0.1),
    "ce_mixed_pairs": (PAIRS, 0.0),
    "bce_plain": (torch.ones(BATCH, dtype=torch.float64), 0.0),
    "bce_mixed_pairs": (PAIRS, 0.0),
    "bce_mixed_threshold": (PAIRS, 0.1),
}


DISTILLATIONS = {  # type, alpha, tau, whether the student has a head for it
    "hard_token": ("hard", 0.5, 1.0, True),
    "hard_head": ("hard", 0.5, 1.0, False),
    "soft_token": ("soft", 0.1, 3.0, True),
    "soft_head": ("soft", 0.7, 2.0, False),
    "teacher_only": ("hard", 1.0, 1.0, True),
}


def save(name, tensors, metadata):
    path = FIXTURES / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    path.chmod(0o644)


def rates(s):
    """The rates of the kept steps of a run, and of two epochs more."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=s["lr"])
    scheduler, epochs = create_scheduler_v2(
        optimizer, sched="poly" if s["name"] == "linear" else s["name"], num_epochs=s["epochs"],
        warmup_epochs=s["warmup"], warmup_prefix=s["prefix"], warmup_lr=s["warmup_lr"], min_lr=s["min_lr"],
        decay_epochs=s["decay_every"], decay_rate=1.0 if s["name"] == "linear" else s["decay_rate"],
        step_on_epochs=s["per_epoch"] != "off", updates_per_epoch=s["steps_per_epoch"],
    )  # fmt: skip
    s["epochs"] = epochs  # with the warm-up where that comes before
    values = []
    for epoch in range(epochs + 2):
        for update in range(epoch * s["steps_per_epoch"], (epoch + 1) * s["steps_per_epoch"]):
            if update % s["stride"] == 0:
                values.append(optimizer.param_groups[0]["lr"])
            scheduler.step_update(update + 1)
        scheduler.step(epoch if s["per_epoch"] == "deit" else epoch + 1)
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
    if name.endswith("threshold"):
        return BinaryCrossEntropy(target_threshold=0.2)(logits, targets)
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


def distillations():
    """By PyTorch's functions, put together as DeiT does: the mean of its KL divergence is over images and classes."""
    generator = torch.Generator().manual_seed(4)
    heads = {name: 3 * torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64) for name in ("classes", "token", "teacher")}
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    tensors = {**heads, "labels": labels}
    for name, (kind, alpha, tau, has_token) in DISTILLATIONS.items():
        classes, token = (heads[head].clone().requires_grad_() for head in ("classes", "token"))
        taught = token if has_token else classes
        if kind == "hard":
            of_teacher = F.cross_entropy(taught, heads["teacher"].argmax(1))
        else:
            ours, theirs = (F.log_softmax(logits / tau, 1) for logits in (taught, heads["teacher"]))
            of_teacher = F.kl_div(ours, theirs, reduction="sum", log_target=True) * tau**2 / taught.numel()
        loss = (1 - alpha) * LabelSmoothingCrossEntropy(0.1)(classes, labels) + alpha * of_teacher
        loss.backward()
        tensors |= {f"{name}.loss": loss.detach(), f"{name}.classes": classes.grad}
        if has_token:
            tensors[f"{name}.token"] = token.grad
    cases = {name: {"type": k, "alpha": a, "tau": t, "token": h} for name, (k, a, t, h) in DISTILLATIONS.items()}
    save("distillation", tensors, {"cases": json.dumps(cases)})


def decay():
    found = {}
    for name in ("deit3_small_patch16_224", "deit_tiny_distilled_patch16_224", "cait_xxs24_224", "regnety_002"):
        model = timm.create_model(name, **({} if name.startswith("regnet") else {"depth": 1}))
        groups = param_groups_weight_decay(model, 0.05, no_weight_decay_list=getattr(model, "no_weight_decay", set)())
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
    cases = schedules()
    tensors = {name: rates(settings) for name, settings in cases.items()}
    save("schedule", tensors, {"cases": json.dumps(cases)})
    losses()
    distillations()
    decay()
    layer_decay()


if __name__ == "__main__":
    main()
