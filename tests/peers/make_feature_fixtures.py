"""Writes tests/fixtures/models/features.safetensors: what timm's bodies make of images, in fp64, with the networks, weights
and images of make_model_fixtures.py. For each kind: KIND.head (what its head reads), KIND.mean (over patches or pixels),
KIND.last (of the last two blocks, past the last norm, side by side).
"""

import torch
from safetensors.torch import save_file
from timm.models.regnet import RegNetCfg

import networks
from make_model_fixtures import CLASSES, FIXTURES, IMAGE_SIZE, IMAGES, IMAGES_PATTERN, PATCH, fill, pattern

SIZES = (IMAGE_SIZE, PATCH)
KEPT = 2


def outputs_of(blocks, model, images):
    """Of each of the blocks, in a forward pass of the body; and what the body gives."""
    outputs = []
    hooks = [block.register_forward_hook(lambda _module, _inputs, out: outputs.append(out)) for block in blocks]
    with torch.no_grad():
        body = model.forward_features(images)
    for hook in hooks:
        hook.remove()
    return outputs, body


def transformer(model, blocks, prefix):
    model = model.double().eval()
    fill(model)
    images = 2 * pattern(IMAGES_PATTERN, (IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE))
    outputs, tokens = outputs_of(blocks(model)[-KEPT:], model, images)
    with torch.no_grad():
        last = torch.cat([model.norm(out)[:, 0] for out in outputs], 1)
    return tokens[:, 0], tokens[:, prefix:].mean(1), last


def regnet():
    config = RegNetCfg(w0=8, wa=8, wm=1.5, group_size=8, depth=5, se_ratio=0.25, stem_width=16)
    model = networks.regnet(config, CLASSES).double().eval()
    fill(model)
    images = 2 * pattern(IMAGES_PATTERN, (IMAGES, 3, 37, 37))
    blocks = [block for stage in (model.s1, model.s2, model.s3, model.s4) for block in stage.children()]
    outputs, body = outputs_of(blocks[-KEPT:], model, images)
    pooled = body.mean((2, 3))
    return pooled, pooled, torch.cat([out.mean((2, 3)) for out in outputs], 1)


def main():
    plain = lambda model: list(model.blocks)  # noqa: E731
    kinds = {
        "deit": transformer(networks.deit(*SIZES, 16, 3, 2, CLASSES), plain, 1),
        "deit_distilled": transformer(networks.deit(*SIZES, 16, 2, 2, CLASSES, distilled=True), plain, 2),
        "vit_parallel": transformer(networks.vit(*SIZES, 16, 2, 2, CLASSES, parallel=2), plain, 1),
        "cait_xxs": transformer(networks.cait(*SIZES, 16, 2, 4, CLASSES), lambda m: list(m.blocks_token_only), 1),
        "regnet": regnet(),
    }
    tensors = {
        f"{kind}.{name}": tensor.clone(memory_format=torch.contiguous_format)
        for kind, features in kinds.items()
        for name, tensor in zip(("head", "mean", "last"), features, strict=True)
    }
    path = FIXTURES / "features.safetensors"
    save_file(tensors, path)
    path.chmod(0o644)
    for name, tensor in tensors.items():
        print(name, list(tensor.shape), tensor.std().item())


if __name__ == "__main__":
    main()
