"""Writes tests/fixtures/models/pretrained.{json,safetensors} and datasets/normalisation.safetensors: how timm normalises
images for its pretrained networks.

pretrained.json: of every name of timm's that is an alias of ours, the tags of its pretrained weights, timm's default among
them, and their mean and standard deviation.
pretrained.safetensors: a network of timm's vit_tiny_patch16_224, cut down, with its weights; pixels, and the logits that it
gives for them behind timm's own evaluation transform by the network's default_cfg.
normalisation.safetensors: every byte under torchvision's ToTensor and Normalize, [3, 1, 256], for several means and standard
deviations. Run with timm 1.0.31 and torchvision 0.26.0.
"""

import json
import pathlib

import numpy as np
import timm
import torch
import torchvision.transforms.functional as F
from networks import randomise
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures"
NAMES = (
    *(f"vit_{size}_patch16_{pixels}" for size in ("tiny", "small", "base", "large") for pixels in (224, 384)),
    "vit_huge_patch14_224",
    *(f"deit_{size}_patch16_224" for size in ("tiny", "small", "base")),
    *(f"deit_{size}_distilled_patch16_224" for size in ("tiny", "small", "base")),
    "deit_base_patch16_384", "deit_base_distilled_patch16_384",
    *(f"deit3_{size}_patch16_{pixels}" for size in ("small", "base", "large") for pixels in (224, 384)),
    "deit3_huge_patch14_224",
    "cait_xxs24_224", "cait_xxs24_384", "cait_xxs36_224", "cait_xxs36_384", "cait_xs24_384", "cait_s24_224", "cait_s24_384",
    "cait_s36_384", "cait_m36_384", "cait_m48_448", "regnety_160",
    "resmlp_12_224", "resmlp_24_224", "resmlp_36_224", "resmlp_big_24_224",
    *(f"xcit_{size}_p{patch}_{pixels}" for size in ("nano_12", "tiny_12", "tiny_24", "small_12", "small_24", "medium_24", "large_24")
      for patch in (16, 8) for pixels in (224, 384)),
    "convit_tiny", "convit_small", "convit_base",
    *(f"levit_{size}" for size in ("128s", "128", "192", "256", "384")),
)  # fmt: skip
TINY, PIXELS, IMAGES = {"embed_dim": 24, "depth": 2, "num_heads": 3, "num_classes": 5}, 32, 4


def tags_of(name):
    """The default tag is the first."""
    full = [x for x in timm.list_models(f"{name}.*", pretrained=True) + timm.list_models(f"{name}*", pretrained=True)]
    tags = sorted({x.partition(".")[2] for x in full if x.partition(".")[0] == name})
    default = timm.get_pretrained_cfg(name)
    told = {tag: timm.get_pretrained_cfg(f"{name}.{tag}" if tag else name) for tag in tags}
    return {
        "default": default.tag,
        "normalisation": {tag: {"mean": list(cfg.mean), "std": list(cfg.std)} for tag, cfg in told.items()},
    }


def logits_behind_timms_transform():
    name = "vit_tiny_patch16_224"
    network = timm.create_model(name, pretrained=False, img_size=PIXELS, **TINY).eval()
    randomise(network, seed=7, scale=0.3)
    config = resolve_data_config({"input_size": (3, PIXELS, PIXELS), "crop_pct": 1.0}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    transform = create_transform(**config)
    pixels = np.random.default_rng(11).integers(0, 256, (IMAGES, PIXELS, PIXELS, 3), dtype=np.uint8)
    with torch.no_grad():
        logits = network(torch.stack([transform(Image.fromarray(image)) for image in pixels]))
    out = {f"weights.{key}": value.contiguous() for key, value in network.state_dict().items()}
    return out | {"pixels": torch.from_numpy(pixels), "logits": logits}


def ramps():
    """The last ones are chosen at random: not all divisors are as kind to arithmetic as the first."""
    rng = np.random.default_rng(5)
    values = [([0.5] * 3, [0.5] * 3), (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD), (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)]
    values += [(rng.uniform(0, 1, 3).round(6), rng.uniform(0.01, 1, 3).round(6)) for _ in range(20)]
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 256, 1), 3, 2))
    out = {"values": torch.tensor(np.array([[*mean, *std] for mean, std in values], np.float64))}
    for i, (mean, std) in enumerate(values):
        out[f"ramp.{i}"] = F.normalize(F.to_tensor(ramp), list(mean), list(std)).contiguous()
    return out


def main():
    table = {name: tags_of(name) for name in NAMES}
    (FIXTURES / "models/pretrained.json").write_text(json.dumps(table, indent=1) + "\n")
    save_file(logits_behind_timms_transform(), FIXTURES / "models/pretrained.safetensors")
    save_file(ramps(), FIXTURES / "datasets/normalisation.safetensors")


if __name__ == "__main__":
    main()
