"""timm's networks by the names and sizes that the scripts of this folder compare with."""

from functools import partial

import torch
from timm.models.cait import Cait
from timm.models.deit import VisionTransformerDistilled
from timm.models.regnet import RegNet, RegNetCfg
from timm.models.vision_transformer import ParallelThingsBlock, VisionTransformer

LAYER_NORM = partial(torch.nn.LayerNorm, eps=1e-6)

VIT = {  # name: patch, width, depth, heads, parallel branches; DeiT III form
    "vit_ti16": (16, 192, 12, 3, 1),
    "vit_s16": (16, 384, 12, 6, 1),
    "vit_b16": (16, 768, 12, 12, 1),
    "vit_l16": (16, 1024, 24, 16, 1),
    "vit_h14": (14, 1280, 32, 16, 1),
    "vit_h14_52": (14, 1280, 52, 16, 1),
    "vit_h14_26x2": (14, 1280, 26, 16, 2),
    "vit_s16_36": (16, 384, 36, 6, 1),
    "vit_s16_18x2": (16, 384, 18, 6, 2),
    "vit_b16_36": (16, 768, 36, 12, 1),
    "vit_b16_18x2": (16, 768, 18, 12, 2),
}
DEIT = {  # name: patch, width, depth, heads; each also with a distillation token
    "deit_ti16": (16, 192, 12, 3),
    "deit_s16": (16, 384, 12, 6),
    "deit_b16": (16, 768, 12, 12),
}
CAIT = {  # name: patch, width, depth, heads
    "cait_xxs24": (16, 192, 24, 4),
    "cait_xxs36": (16, 192, 36, 4),
    "cait_xs24": (16, 288, 24, 6),
    "cait_xs36": (16, 288, 36, 6),
    "cait_s24": (16, 384, 24, 8),
    "cait_s36": (16, 384, 36, 8),
    "cait_s48": (16, 384, 48, 8),
    "cait_b12": (16, 768, 12, 16),
    "cait_m24": (16, 768, 24, 16),
    "cait_m36": (16, 768, 36, 16),
    "cait_m48": (16, 768, 48, 16),
}
REGNET = {
    "regnety_002": RegNetCfg(w0=24, wa=36.44, wm=2.49, group_size=8, depth=13, se_ratio=0.25),
    "regnety_160": RegNetCfg(w0=200, wa=106.23, wm=2.48, group_size=112, depth=18, se_ratio=0.25),
}


def vit(image_size, patch, width, depth, heads, classes, parallel=1, layer_scale=1e-4):
    """DeiT III: the class token joins after the position embedding."""
    blocks = {} if parallel == 1 else {"block_fn": partial(ParallelThingsBlock, num_parallel=parallel)}
    return VisionTransformer(
        img_size=image_size, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, num_classes=classes,
        no_embed_class=True, init_values=layer_scale or None, norm_layer=LAYER_NORM, **blocks,
    )


def deit(image_size, patch, width, depth, heads, classes, distilled=False):
    """ViT and DeiT: no LayerScale, the tokens have positions of their own."""
    network = VisionTransformerDistilled if distilled else VisionTransformer
    return network(
        img_size=image_size, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, num_classes=classes,
        norm_layer=LAYER_NORM,
    )


def cait(image_size, patch, width, depth, heads, classes, **changes):
    return Cait(
        img_size=image_size, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, num_classes=classes,
        init_values=1e-5, **changes,
    )


def regnet(config, classes):
    return RegNet(config, num_classes=classes)


def named(name, image_size, classes=1000, **changes):
    """The network of one of our names; the image size is cut to whole patches. Changes: of a CaiT."""
    plain = name.removesuffix("_distilled")
    if name in REGNET:
        return regnet(REGNET[name], classes)
    patch, *size = (VIT | DEIT | CAIT)[plain]
    whole = image_size - image_size % patch
    if name in VIT:
        *size, parallel = size
        return vit(whole, patch, *size, classes, parallel)
    if name in CAIT:
        return cait(whole, patch, *size, classes, **changes)
    return deit(whole, patch, *size, classes, name != plain)


def randomise(model, seed, scale):
    """Weights for which no term of the network is trivial, exact in fp32: norms near 1, LayerScale near 1/2."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("gamma"):
                value = 0.5 + 0.1 * noise
            elif (parameter.ndim == 1 and name.endswith("weight")) or name.endswith("alpha"):
                value = 1 + 0.1 * noise
            else:
                value = scale * noise
            parameter.copy_(value)
