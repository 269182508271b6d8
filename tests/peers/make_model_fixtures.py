"""Writes tests/fixtures/models: what timm's networks are and compute (see README.md for versions).

vit_dropout.safetensors: the same in training with given elements dropped, and weights by the formula of `pattern`.
vit.safetensors: a small network's weights, images and a probe [B,K] in fp32, and in fp64 its logits and the gradients
of sum(logits * probe): in evaluation, and in training with given images dropped per layer and branch.
<kind>.safetensors: the same of the other kinds, whose weights, images and probes follow the formula of `pattern`.
models.json: parameters, MACs (fvcore) and kept activations of the named sizes.
"""

import json

import torch
from fvcore.nn import FlopCountAnalysis
from safetensors.torch import save_file
from timm.layers import set_fused_attn
from timm.models.cait import LayerScaleBlock
from timm.models.regnet import RegNetCfg
from timm.models.vision_transformer import Attention, ParallelThingsBlock

import networks
from patterns import (
    CLASSES, FIXTURES, IMAGES, IMAGES_PATTERN, PROBE_PATTERN, RATE, SECOND_PROBE_PATTERN, GivenDropout, GivenDropPath, compute, fill,
    one_row_a_line, pattern, stored,
)  # fmt: skip

IMAGE_SIZE, PATCH = 14, 4  # 14 leaves 2 pixels over
DROPOUT = 0.25


def branches_of(model):
    return 2 * getattr(model.blocks[0], "num_parallel", 1)


def drop_given(model, kept, rates):
    """kept[branches * layer + branch, image]; layers whose rate is 0 drop nothing."""
    branches = branches_of(model)
    for layer, block in enumerate(model.blocks):
        rows = kept[branches * layer : branches * (layer + 1)]
        rate = rates[layer]
        if rate == 0:
            continue
        if isinstance(block, ParallelThingsBlock):
            for row, part in zip(rows, [*block.attns, *block.ffns], strict=True):
                part.drop_path = GivenDropPath(row, rate=rate)
        elif isinstance(block, LayerScaleBlock):
            block.drop_path = GivenDropPath(*rows, rate=rate)
        else:
            block.drop_path1, block.drop_path2 = (GivenDropPath(row, rate=rate) for row in rows)


def save(kind, tensors):
    path = FIXTURES / f"{kind}.safetensors"
    save_file(tensors, path, metadata={"drop_path": str(RATE)})
    path.chmod(0o644)


def small_vit():
    depth = 2
    torch.manual_seed(0)
    model = networks.vit(IMAGE_SIZE, PATCH, 24, depth, 3, CLASSES)
    networks.randomise(model, seed=1, scale=0.15)
    tensors = {f"weights.{name}": p.detach().clone() for name, p in model.named_parameters()}
    images = torch.randn(IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE)
    probe = torch.randn(IMAGES, CLASSES)
    kept = torch.rand(2 * depth, IMAGES) >= RATE  # row 2 * layer + branch
    kept[1] = True
    kept[2] = False
    tensors |= {"images": images, "probe": probe, "kept": kept.to(torch.uint8)}

    model.double()
    for mode in ("eval", "train"):
        model.train(mode == "train")
        if mode == "train":
            drop_given(model, kept, depth * [RATE])
        logits, gradients = compute(model, images.double(), [probe.double()])
        tensors[f"{mode}.logits"] = logits[0]
        tensors |= {f"{mode}.gradient.{name}": g for name, g in gradients.items()}
    save("vit", tensors)


def small_vit_dropout():
    """timm's places of proj_drop and pos_drop: behind the positions, then three in each block."""
    model = networks.vit(IMAGE_SIZE, PATCH, 24, 2, 3, CLASSES)
    fill(model)
    model.double().train()
    model.pos_drop = GivenDropout(0, DROPOUT)
    for layer, block in enumerate(model.blocks):
        block.attn.proj_drop, block.mlp.drop1, block.mlp.drop2 = (
            GivenDropout(1 + 3 * layer + place, DROPOUT) for place in range(3)
        )
    images = 2 * pattern(IMAGES_PATTERN, (IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE))
    logits, gradients = compute(model, images, [pattern(PROBE_PATTERN, (IMAGES, CLASSES))])
    save("vit_dropout", {"train.logits": logits[0]} | {f"train.gradient.{name}": g for name, g in gradients.items()})


def small_network(kind, model, law="constant"):
    fill(model)
    model.double()
    depth, branches = len(model.blocks), branches_of(model)
    images = 2 * pattern(IMAGES_PATTERN, (IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE))
    probes = [pattern(number, (IMAGES, CLASSES)) for number in (PROBE_PATTERN, SECOND_PROBE_PATTERN)]
    kept = torch.rand(branches * depth, IMAGES, generator=torch.Generator().manual_seed(3)) >= RATE
    if depth > 1:
        kept[-1] = True
        kept[-2] = False
    rates = [RATE if law == "constant" else RATE * layer / (depth - 1) for layer in range(depth)]
    tensors = {"kept": kept.to(torch.uint8)}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        if mode == "train":
            drop_given(model, kept, rates)
            getattr(model, "set_distilled_training", lambda: None)()
        logits, gradients = compute(model, images, probes)
        tensors[f"{mode}.logits"] = logits  # [heads, B, K]
        tensors |= {f"{mode}.gradient.{name}": g for name, g in gradients.items()}
    save(kind, tensors)


def small_regnet():
    """Stages of 8, 16, 24, 24 and 40 channels: one block is without projection."""
    config = RegNetCfg(w0=8, wa=8, wm=1.5, group_size=8, depth=5, se_ratio=0.25, stem_width=16)
    model = networks.regnet(config, CLASSES).double()
    fill(model)
    images = 2 * pattern(IMAGES_PATTERN, (IMAGES, 3, 37, 37))
    with torch.no_grad():
        tensors = {"eval.logits": model.eval()(images).unsqueeze(0)}
    blocks = [block for stage in (model.s1, model.s2, model.s3, model.s4) for block in stage.children()]
    kept = torch.rand(len(blocks), IMAGES, generator=torch.Generator().manual_seed(3)) >= RATE
    for layer, block in enumerate(blocks[1:], 1):  # the rate of the first is 0
        block.drop_path = GivenDropPath(kept[layer], rate=RATE * layer / (len(blocks) - 1))
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the running statistics become those of this batch
    logits, gradients = compute(model.train(), images, [pattern(PROBE_PATTERN, (IMAGES, CLASSES))])
    tensors |= {"kept": kept.to(torch.uint8), "train.logits": logits}
    tensors |= {f"train.gradient.{name}": g for name, g in gradients.items()}
    tensors |= {f"train.statistic.{n}": b.clone() for n, b in model.named_buffers() if "running" in n}
    save("regnet", tensors)


def kept_bytes(name, images=1):
    """What autograd keeps for images of 64 pixels beside the parameters and the images, each storage counted
    once. CaiT's blocks with plain fused attention: no maps are kept, whatever mixes the heads."""
    set_fused_attn(True)
    plain = {"attn_block": Attention} if name in networks.CAIT else {}
    model = networks.named(name, 64, 10, **plain)
    image = torch.randn(images, 3, 64, 64)
    own = {t.untyped_storage().data_ptr() for t in (image, *model.parameters())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(image)
    assert logits.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


COUNTED = ("conv", "linear", "matmul", "layer_norm")


def network_row(name, image_size):
    set_fused_attn(False)  # fvcore counts matrix products, not the fused operator
    with torch.device("meta"):
        model = networks.named(name, image_size).eval()
    model.to_empty(device="cpu")  # counted by tracing: the values do not matter
    pixels = model.patch_embed.img_size[0] if hasattr(model, "patch_embed") else image_size
    counts = FlopCountAnalysis(model, torch.zeros(1, 3, pixels, pixels)).unsupported_ops_warnings(False)
    by_operator = counts.by_operator()
    return {
        "name": name,
        "image_size": image_size,
        "params": sum(p.numel() for p in model.parameters()),
        "macs": int(sum(by_operator[operator] for operator in COUNTED)),
    }


def parameters(name):
    with torch.device("meta"):
        model = networks.named(name, 224)
    return [[n, list(t.shape)] for n, t in stored(model).items()]


def initial_moments(name):
    """[tensor, mean, deviation] of a fresh network, of the first block and of what is not in a block. cls_token is
    left out where timm does not start it as DeiT's authors do."""
    torch.manual_seed(5)
    model = networks.named(name, 224)
    other = {} if name in networks.CAIT else {"cls_token"}
    return [
        [n, p.mean().item(), p.std(unbiased=False).item()]
        for n, p in model.named_parameters()
        if n not in other and (not n.startswith("blocks") or n.split(".")[1] == "0") and not n.startswith(("s2", "s3"))
    ]


def resolutions():
    yield from ((name, 224) for name in networks.VIT)
    yield from (("vit_b16", 384), ("vit_l16", 384), ("vit_h14", 160))
    yield from ((name, 224) for name in networks.DEIT)
    yield from ((f"{name}_distilled", 224) for name in networks.DEIT)
    yield ("deit_b16", 384)
    yield from ((name, size) for name in networks.CAIT for size in (224, 384) if (name, size) != ("cait_b12", 384))
    yield from (("cait_m36", 448), ("cait_m48", 448))
    yield ("regnety_002", 224)
    yield ("regnety_160", 224)


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    set_fused_attn(True)
    small_vit()
    small_vit_dropout()
    small_network("deit", networks.deit(IMAGE_SIZE, PATCH, 16, 3, 2, CLASSES), law="linear")
    small_network("deit_distilled", networks.deit(IMAGE_SIZE, PATCH, 16, 2, 2, CLASSES, distilled=True), law="linear")
    small_network("vit_parallel", networks.vit(IMAGE_SIZE, PATCH, 16, 2, 2, CLASSES, parallel=2))
    small_network("cait_xxs", networks.cait(IMAGE_SIZE, PATCH, 16, 2, 4, CLASSES))
    small_network("cait_m", networks.cait(IMAGE_SIZE, PATCH, 32, 1, 16, CLASSES))
    small_regnet()
    kinds = ("vit_s16", "vit_s16_18x2", "deit_s16", "deit_s16_distilled", "cait_xxs24", "regnety_160")
    content = {
        "networks": [network_row(name, size) for name, size in resolutions()],
        "parameters": {name: parameters(name) for name in kinds},
        "initial_moments": {
            name: initial_moments(name)
            for name in ("vit_s16", "vit_s16_18x2", "deit_s16_distilled", "cait_xxs24", "regnety_002")
        },
        "activation_bytes_64_pixels_10_classes": {
            name: kept_bytes(name) for name in ("vit_ti16", "vit_s16", "vit_s16_18x2", "deit_s16", "cait_xxs24")
        },
        "activation_bytes_of_a_second_image": {  # batch norms keep some of the first for all
            name: kept_bytes(name, 2) - kept_bytes(name, 1) for name in ("regnety_002", "regnety_160")
        },
    }
    (FIXTURES / "models.json").write_text(one_row_a_line(content) + "\n")


if __name__ == "__main__":
    main()
