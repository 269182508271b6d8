"""Writes tests/fixtures/models: what timm's networks are and compute (see README.md for versions).

vit.safetensors: a small network's weights, images and a probe [B,K] in fp32, and in fp64 its logits and the gradients
of sum(logits * probe): in evaluation, and in training with given images dropped per layer and branch.
models.json: parameters, MACs (fvcore) and kept activations of the named sizes.
"""

import json
import pathlib

import torch
from fvcore.nn import FlopCountAnalysis
from safetensors.torch import save_file
from timm.layers import set_fused_attn

import deit3

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "models"
IMAGE_SIZE, PATCH, WIDTH, DEPTH, HEADS, CLASSES = 14, 4, 24, 2, 3, 5  # 14 leaves 2 pixels over
IMAGES = 6
RATE = 0.4


class GivenDropPath(torch.nn.Module):
    """Stochastic depth as timm computes it, of a mask [B] that is given."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def forward(self, x):
        return x * (self.kept.to(x.dtype) / (1 - RATE)).view(-1, 1, 1)


def compute(model, images, probe):
    model.zero_grad()
    logits = model(images)
    (logits * probe).sum().backward()
    return logits.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


def small_network():
    torch.manual_seed(0)
    model = deit3.build(IMAGE_SIZE, PATCH, WIDTH, DEPTH, HEADS, CLASSES)
    deit3.randomise(model, seed=1, scale=0.15)
    tensors = {f"weights.{name}": p.detach().clone() for name, p in model.named_parameters()}
    images = torch.randn(IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE)
    probe = torch.randn(IMAGES, CLASSES)
    kept = torch.rand(2 * DEPTH, IMAGES) >= RATE  # row 2 * layer + branch
    kept[1] = True
    kept[2] = False
    tensors |= {"images": images, "probe": probe, "kept": kept.to(torch.uint8)}

    model.double()
    for mode in ("eval", "train"):
        model.train(mode == "train")
        for layer, block in enumerate(model.blocks):
            for branch, name in enumerate(("drop_path1", "drop_path2")):
                given = GivenDropPath(kept[2 * layer + branch])
                setattr(block, name, given if mode == "train" else torch.nn.Identity())
        logits, gradients = compute(model, images.double(), probe.double())
        tensors[f"{mode}.logits"] = logits
        tensors |= {f"{mode}.gradient.{name}": g for name, g in gradients.items()}
    path = FIXTURES / "vit.safetensors"
    save_file(tensors, path, metadata={"drop_path": str(RATE)})
    path.chmod(0o644)


def kept_bytes(size):
    """What autograd keeps for one image beside the parameters and the image itself, each storage counted once."""
    model = deit3.build(64, *size, 10)
    image = torch.randn(1, 3, 64, 64)
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


def network_row(name, image_size):
    patch, width, depth, heads = deit3.SIZES[name]
    set_fused_attn(False)  # fvcore counts matrix products, not the fused operator
    pixels = image_size - image_size % patch
    with torch.device("meta"):
        model = deit3.build(pixels, patch, width, depth, heads, 1000).eval()
    model.to_empty(device="cpu")  # counted by tracing: the values do not matter
    counts = FlopCountAnalysis(model, torch.zeros(1, 3, pixels, pixels)).unsupported_ops_warnings(False)
    return {
        "name": name,
        "image_size": image_size,
        "params": sum(p.numel() for p in model.parameters()),
        "macs": int(counts.total()),
    }


def parameters(name):
    with torch.device("meta"):
        model = deit3.build(224, *deit3.SIZES[name], 1000)
    return [[n, list(p.shape)] for n, p in model.named_parameters()]


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    small_network()
    activations = {"vit_ti16": kept_bytes(deit3.SIZES["vit_ti16"]), "vit_s16": kept_bytes(deit3.SIZES["vit_s16"])}
    resolutions = [(name, 224) for name in deit3.SIZES] + [("vit_b16", 384), ("vit_l16", 384), ("vit_h14", 160)]
    content = {
        "networks": [network_row(name, size) for name, size in resolutions],
        "parameters": {"vit_s16": parameters("vit_s16")},
        "activation_bytes_64_pixels_10_classes": activations,
    }
    (FIXTURES / "models.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
