"""Writes tests/fixtures/models/features.safetensors: what timm's bodies make of images, in fp64, with the networks, weights
and images of make_model_fixtures.py. For each kind: KIND.head (what its head reads), KIND.mean (over patches or pixels),
KIND.last (of the last two blocks, past the last norm, side by side).

And attention.safetensors, of these and of the networks of make_family_fixtures.py: with what weights class tokens attend to
patches, KIND [images, heads or classes, side, side]. They are what timm's modules multiply their values with (the input of
`attn_drop`), without the columns of other tokens; where timm has no such network, what derived.py does.
"""

import torch
from safetensors.torch import save_file
from timm.layers import set_fused_attn
from timm.models.regnet import RegNetCfg

import networks
from make_family_fixtures import SMALL, batch
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


def weights_of(modules, model, images):
    """What each of the attentions multiplies its values with, side by side: [B,H,Q,T]."""
    seen = []
    hooks = [m.attn_drop.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0])) for m in modules]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    assert len(seen) == len(modules)
    return torch.cat([w if w.ndim == 4 else w.unsqueeze(1) for w in seen], 1)


def maps(weights, patches):
    """Of the class token, the first one; or of each of the tokens where all that ask are class tokens."""
    rows = weights[:, 0] if weights.shape[1] == 1 and 1 < weights.shape[2] < weights.shape[3] else weights[:, :, 0]
    side = round(patches**0.5)
    return rows[..., rows.shape[-1] - patches :].unflatten(-1, (side, side))


def attention_of_transformer(model, modules):
    model = model.double().eval()
    fill(model)
    images = 2 * pattern(IMAGES_PATTERN, (IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE))
    return maps(weights_of(modules(model), model, images), (IMAGE_SIZE // PATCH) ** 2)


def attention_of_family(name, modules, patches=9):
    small = SMALL[name]()
    small.model.eval()
    return maps(weights_of(modules(small.model), small.model, batch(small, 0)), patches)


def attentions():
    set_fused_attn(False)
    last = lambda model: [model.blocks[-1].attn]  # noqa: E731
    first_look = lambda model: [model.blocks_token_only[0].attn]  # noqa: E731
    return {
        "deit": attention_of_transformer(networks.deit(*SIZES, 16, 3, 2, CLASSES), last),
        "deit_distilled": attention_of_transformer(networks.deit(*SIZES, 16, 2, 2, CLASSES, distilled=True), last),
        "vit_parallel": attention_of_transformer(
            networks.vit(*SIZES, 16, 2, 2, CLASSES, parallel=2), lambda m: [a.attn for a in m.blocks[-1].attns]
        ),
        "cait_xxs": attention_of_transformer(networks.cait(*SIZES, 16, 2, 4, CLASSES), first_look),
        "vit_hmlp": attention_of_family("vit_hmlp", last),
        "xcit_p16": attention_of_family("xcit_p16", lambda model: [model.cls_attn_blocks[0].attn]),
        "xcit_p8": attention_of_family("xcit_p8", lambda model: [model.cls_attn_blocks[0].attn]),
        "patchconvnet": attention_of_family("patchconvnet", first_look),
        "patchconvnet_multi": attention_of_family("patchconvnet_multi", first_look),
        "patchconvnet_bn": attention_of_family("patchconvnet_bn", first_look),
        "resnet_attn": attention_of_family("resnet_attn", first_look, 4),
        "convit": attention_of_family("convit", last),
    }  # fmt: skip


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
    for path, content in ((FIXTURES / "features.safetensors", tensors), (FIXTURES / "attention.safetensors", attentions())):
        save_file({name: tensor.contiguous() for name, tensor in content.items()}, path)
        path.chmod(0o644)
        for name, tensor in content.items():
            print(name, list(tensor.shape), tensor.std().item())


if __name__ == "__main__":
    main()
