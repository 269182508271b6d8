"""timm's VisionTransformer in the DeiT III form, as the scripts of this folder compare with it."""

from functools import partial

import torch
from timm.models.vision_transformer import VisionTransformer

SIZES = {  # name: patch, width, depth, heads
    "vit_ti16": (16, 192, 12, 3),
    "vit_s16": (16, 384, 12, 6),
    "vit_b16": (16, 768, 12, 12),
    "vit_l16": (16, 1024, 24, 16),
    "vit_h14": (14, 1280, 32, 16),
}


def build(image_size, patch, width, depth, heads, classes, layer_scale=1e-4):
    return VisionTransformer(
        img_size=image_size,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        num_classes=classes,
        no_embed_class=True,  # the class token joins after the position embedding
        init_values=layer_scale or None,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )


def randomise(model, seed, scale):
    """Weights for which no term of the network is trivial, exact in fp32: norms near 1, LayerScale near 1/2."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("gamma"):
                value = 0.5 + 0.1 * noise
            elif "norm" in name and name.endswith("weight"):
                value = 1 + 0.1 * noise
            else:
                value = scale * noise
            parameter.copy_(value)
