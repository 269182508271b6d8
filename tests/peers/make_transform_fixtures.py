"""Writes tests/fixtures/datasets/{resize,transforms,five_crops,operations,crop_law,laws,policies,mixing}.safetensors: what Pillow, torchvision and timm
make of small images, for tests/unit/datasets. Run with timm 1.0.31, torchvision 0.26.0 and a Pillow before 13:
    python tests/peers/make_transform_fixtures.py OUTPUT_FOLDER
Pillow 13 runs the vertical pass first where that is cheaper, which changes rounding; every release before it, and so
every published recipe, ran the horizontal pass first.
"""
import math
import pathlib
import random
import sys

import numpy as np
import PIL
import torch
import torchvision.transforms.functional as F
from PIL import Image, ImageFilter
from safetensors.numpy import save_file
from timm.data import auto_augment
from timm.data.mixup import Mixup, mixup_target
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import RandomResizedCropAndInterpolation
from timm.data.transforms_factory import transforms_imagenet_eval
from torchvision.transforms import InterpolationMode, TrivialAugmentWide
from torchvision.transforms import autoaugment as torchvision_policies

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(width, height, seed):
    """Smooth colours, hard edges and noise: all that makes a resampler round, ring and clip."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([np.sin(x / 7 + c) * np.cos(y / 5 - c) for c in range(3)], -1) * 100 + 128
    edges = (((x // 9 + y // 6) % 2) * 255)[..., None]
    noise = rng.integers(0, 256, (height, width, 3))
    kind = ((x * 3 // max(width, 1)) % 3)[..., None]
    return np.choose(kind, [smooth, edges, noise]).clip(0, 255).astype(np.uint8)


SOURCES = [picture(61, 47, 1), picture(40, 90, 2), picture(1, 1, 3), picture(3, 130, 4), picture(37, 37, 5)]


def resize():
    # source, box x y w h, size w h
    cases = [
        (0, 0, 0, 61, 47, 24, 24), (0, 0, 0, 61, 47, 61, 47), (0, 0, 0, 61, 47, 90, 31), (0, 7, 5, 33, 29, 32, 32),
        (0, 60, 46, 1, 1, 5, 4), (0, 13, 0, 48, 47, 1, 1), (1, 0, 0, 40, 90, 13, 77), (1, 3, 11, 31, 64, 32, 64),
        (1, 0, 0, 40, 90, 40, 28), (1, 5, 80, 20, 10, 17, 35), (2, 0, 0, 1, 1, 7, 3), (3, 0, 0, 3, 130, 5, 20),
        (3, 1, 2, 2, 125, 32, 3), (4, 0, 0, 37, 37, 38, 36), (4, 0, 0, 37, 37, 3, 2), (4, 18, 1, 19, 2, 19, 9),
    ]
    out = {f"source.{i}": a for i, a in enumerate(SOURCES)}
    out["cases"] = np.array(cases, np.int64)
    for i, (s, x, y, w, h, width, height) in enumerate(cases):
        image = Image.fromarray(SOURCES[s]).crop((x, y, x + w, y + h))
        out[f"result.{i}"] = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return out


def tensor_of(image):
    return F.normalize(F.to_tensor(image), MEAN, STD).numpy()


def transforms():
    out = {}
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 256, 1), 3, 2)
    out["normalise"] = tensor_of(Image.fromarray(ramp))  # [3, 1, 256]
    crops = [(0, 7, 5, 33, 29, 0, 16), (0, 7, 5, 33, 29, 1, 16), (1, 0, 20, 40, 30, 1, 24)]  # source x y w h flip S
    out["crops"] = np.array(crops, np.int64)
    for i, (s, x, y, w, h, flip, size) in enumerate(crops):
        image = F.resized_crop(Image.fromarray(SOURCES[s]), y, x, h, w, [size, size], InterpolationMode.BICUBIC)
        out[f"crop.{i}"] = tensor_of(F.hflip(image) if flip else image)
    evaluations = [(0, 16, 1.0), (0, 28, 0.875), (1, 16, 0.9), (1, 33, 0.95), (2, 5, 1.0), (3, 12, 0.875), (4, 37, 1.0)]
    out["evaluations"] = np.array(evaluations, np.float64)  # source, size, crop ratio
    for i, (s, size, ratio) in enumerate(evaluations):
        transform = transforms_imagenet_eval(size, crop_pct=ratio, interpolation="bicubic", mean=MEAN, std=STD)
        out[f"evaluation.{i}"] = transform(Image.fromarray(SOURCES[s])).numpy()
    # Only the geometry, for sizes that images really have: source w h, S, ratio -> scaled w h, window x y.
    geometry = []
    rng = random.Random(1)
    for _ in range(300):
        w, h, size = rng.randint(1, 900), rng.randint(1, 900), rng.choice([28, 128, 160, 224, 384])
        ratio = rng.choice([1.0, 0.95, 0.9, 0.875])
        scaled = math.floor(size / ratio)
        short, long = min(w, h), max(w, h)
        longer = int(scaled * long / short)
        nw, nh = (scaled, longer) if w <= h else (longer, scaled)
        left, top = int(round((nw - size) / 2.0)), int(round((nh - size) / 2.0))
        geometry.append((w, h, size, ratio, nw, nh, left, top))
    check_geometry(geometry[:40])
    out["geometry"] = np.array(geometry, np.float64)
    return out


FILL = (124, 116, 104)  # what timm fills with: 255 * mean, rounded
AFFINE = dict(fillcolor=FILL, resample=Image.Resampling.BICUBIC)
OPERATIONS = {
    "grey": lambda i, a: F.to_grayscale(i, 3),
    "invert": lambda i, a: auto_augment.invert(i),
    "solarize": lambda i, a: auto_augment.solarize(i, int(a)),
    "solarize_add": lambda i, a: auto_augment.solarize_add(i, int(a)),
    "posterize": lambda i, a: auto_augment.posterize(i, int(a)),
    "auto_contrast": lambda i, a: auto_augment.auto_contrast(i),
    "equalize": lambda i, a: auto_augment.equalize(i),
    "brightness": lambda i, a: F.adjust_brightness(i, a),
    "contrast": lambda i, a: F.adjust_contrast(i, a),
    "saturation": lambda i, a: F.adjust_saturation(i, a),
    "sharpness": lambda i, a: auto_augment.sharpness(i, a),
    "blur": lambda i, a: i.filter(ImageFilter.GaussianBlur(a)),
    "rotate": lambda i, a: auto_augment.rotate(i, a, **AFFINE),
    "shear_x": lambda i, a: auto_augment.shear_x(i, a, **AFFINE),
    "shear_y": lambda i, a: auto_augment.shear_y(i, a, **AFFINE),
    "translate_x": lambda i, a: auto_augment.translate_x_abs(i, a, **AFFINE),
    "translate_y": lambda i, a: auto_augment.translate_y_abs(i, a, **AFFINE),
}


def operations():
    flat = np.full((9, 12, 3), 77, np.uint8)
    dull = (picture(24, 24, 6) // 3 + 60).astype(np.uint8)
    sources = [picture(33, 26, 7), dull, flat, picture(1, 1, 3), picture(2, 19, 8)]
    arguments = {
        "solarize": [0, 1, 128, 200, 256], "solarize_add": [0, 40, 110, 128], "posterize": [-1, 0, 1, 4, 7, 8],
        "brightness": [0, 0.1, 0.7, 1, 1.3, 1.9], "contrast": [0, 0.1, 0.713, 1, 1.3, 1.9],
        "saturation": [0, 0.1, 0.7, 1, 1.2999, 1.9], "sharpness": [0, 0.1, 0.7, 1, 1.3, 1.9],
        "blur": [0.1, 0.3, 0.8165, 1.0, 1.5, 1.99, 2.0, 4.5], "shear_x": [-0.3, 0.011, 0.27], "shear_y": [-0.3, 0.2],
        "rotate": [-30, -7.3, 0, 0.01, 26.9, 90, 180, 270, 45], "translate_x": [-10.8, 0.5, 3, 7.77],
        "translate_y": [-10.8, 0.5, 3, 7.77],
    }
    out = {f"source.{i}": a for i, a in enumerate(sources)}
    cases = []
    for kind, name in enumerate(OPERATIONS):
        for source, pixels in enumerate(sources):
            for argument in arguments.get(name, [0]):
                result = np.asarray(OPERATIONS[name](Image.fromarray(pixels), argument))
                out[f"result.{len(cases)}"] = result
                cases.append((kind, source, argument))
    out["cases"] = np.array(cases, np.float64)
    # DeiT's simple random crop: resize, pad by 4 reflected pixels, crop at (y, x) of the padded image.
    crops = [(0, 16, 0, 0), (0, 16, 8, 12), (0, 16, 3, 5), (1, 24, 8, 8), (4, 9, 75, 0)]  # source size y x
    out["crops"] = np.array(crops, np.int64)
    for i, (source, size, y, x) in enumerate(crops):
        resized = F.resize(Image.fromarray(sources[source]), size, InterpolationMode.BICUBIC)
        padded = F.pad(resized, 4, padding_mode="reflect")
        out[f"crop.{i}"] = np.asarray(F.crop(padded, y, x, size, size))
    return out


def check_geometry(rows):
    """The formulas above are torchvision's: compare with what its functions do to an image."""
    for w, h, size, ratio, nw, nh, left, top in rows:
        image = Image.fromarray(np.arange(w * h, dtype=np.uint32).astype(np.uint8).reshape(h, w))
        resized = F.resize(image, math.floor(size / ratio), InterpolationMode.BICUBIC)
        assert resized.size == (nw, nh)
        expected = np.asarray(resized)[top:top + size, left:left + size]
        assert np.array_equal(np.asarray(F.center_crop(resized, size)), expected)


def five_crops():
    """Where torchvision's FiveCrop cuts resized images of many sizes: source w h, S, ratio -> x y of each of its five."""
    rng = random.Random(2)
    rows = []
    for _ in range(60):
        w, h, size = rng.randint(1, 200), rng.randint(1, 200), rng.choice([5, 16, 28])
        ratio = rng.choice([1.0, 0.95, 0.875, 0.8])
        scaled = math.floor(size / ratio)
        longer = int(scaled * max(w, h) / min(w, h))
        nw, nh = (scaled, longer) if w <= h else (longer, scaled)
        places = torch.stack(torch.meshgrid(torch.arange(nw), torch.arange(nh), indexing="xy"))  # of each pixel
        crops = F.five_crop(places, [size, size])
        assert all(crop.shape == (2, size, size) for crop in crops)
        rows.append((w, h, size, ratio, *(int(v) for crop in crops for v in crop[:, 0, 0])))
    return {"boxes": np.array(rows, np.float64)}


def crop_law():
    """The law of x, y, w, h over many draws of timm's sampler, for images of several shapes."""
    random.seed(20240607)
    draws = 200_000
    images = [(500, 375, 0.08), (224, 300, 0.08), (400, 60, 0.3), (28, 28, 0.25)]
    out = {"images": np.array(images, np.float64), "draws": np.array([draws])}
    for i, (width, height, area) in enumerate(images):
        image = Image.new("L", (width, height))
        boxes = np.array([RandomResizedCropAndInterpolation.get_params(image, (area, 1.0), (3 / 4, 4 / 3))
                          for _ in range(draws)])[:, [1, 0, 3, 2]]  # x y w h
        out[f"cumulative.{i}"] = cumulative(boxes, width, height)
        out[f"mean.{i}"] = boxes.mean(0)
        out[f"deviation.{i}"] = boxes.std(0)
    return out


def cumulative(boxes, width, height):
    """P(value <= t) at 33 thresholds over each range: exact for discrete values, unlike quantiles."""
    ranges = [width, height, width, height]
    return np.array([[(boxes[:, c] <= ranges[c] * k // 32).mean() for k in range(33)] for c in range(4)])


def shares(values, thresholds):
    return [(np.asarray(values) <= t).mean() for t in thresholds]


class Recorder:
    """Stands in for an operation of timm's and keeps its argument."""

    def __init__(self):
        self.calls = []

    def of(self, name):
        def record(image, *arguments, **_):
            self.calls.append((name, float(arguments[0]) if arguments else 0.0))
            return image
        return record


RAND_NAMES = {"AutoContrast": "auto_contrast", "Equalize": "equalize", "Invert": "invert", "Rotate": "rotate",
              "Posterize": "posterize", "PosterizeIncreasing": "posterize", "PosterizeOriginal": "posterize",
              "Solarize": "solarize",
              "SolarizeIncreasing": "solarize", "SolarizeAdd": "solarize_add", "Color": "saturation",
              "ColorIncreasing": "saturation", "Contrast": "contrast", "ContrastIncreasing": "contrast",
              "Brightness": "brightness", "BrightnessIncreasing": "brightness", "Sharpness": "sharpness",
              "SharpnessIncreasing": "sharpness", "ShearX": "shear_x", "ShearY": "shear_y",
              "TranslateXRel": "translate_x", "TranslateYRel": "translate_y", "Desaturate": "saturation",
              "GaussianBlur": "blur"}
RAND_CONFIGS = ["rand-m9-mstd0.5-inc1", "rand-m7-n3-p0.8", "rand-m9-mstd101-mmax7", "rand-n4-p0.7-tweights",
                "rand-m6-mstd1.5-t3a", "rand-m8-n5-t3aw-mstd0.5", "rand-m14-mmax20-inc1-p1"]


def record_law(out, name, transform, recorder, draws):
    """How many operations an image gets, how often each, and the law of its argument."""
    counts, at, kinds = [], 0, list(OPERATIONS)
    for _ in range(draws):
        transform()
        counts.append(len(recorder.calls) - at)
        at = len(recorder.calls)
    out[f"{name}.count"] = np.bincount(counts, minlength=8)[:8] / draws
    names = np.array([kinds.index(n) for n, _ in recorder.calls])
    values = np.array([v for _, v in recorder.calls])
    out[f"{name}.kind"] = np.bincount(names, minlength=len(kinds)) / draws
    law = np.zeros((len(kinds), 23))  # minimum, maximum, and the shares at 21 thresholds between them
    for k in np.unique(names):
        v = values[names == k]
        low, high = v.min(), v.max()
        law[k] = [low, high, *shares(v, low + (high - low) * (np.arange(21) + 0.5) / 21)]
    out[f"{name}.law"] = law


def randaugment(out, draws=60_000, side=100):
    for case, text in enumerate(RAND_CONFIGS):
        random.seed(case)
        np.random.seed(case)
        recorder = Recorder()
        transform = auto_augment.rand_augment_transform(text, dict(img_mean=FILL, translate_const=int(side * 0.45)))
        for op in transform.ops:
            op.aug_fn = recorder.of(RAND_NAMES[op.name])
            if op.name == "Desaturate":  # the factor is worked out by the operation itself
                keep = op.aug_fn
                op.aug_fn = lambda image, factor, keep=keep, **_: keep(image, min(1.0, max(0.0, 1.0 - factor)))
            if op.name.startswith("Translate"):  # a share of the side, as pixels
                keep = op.aug_fn
                op.aug_fn = lambda image, share, keep=keep, **_: keep(image, share * side)
        record_law(out, f"rand.{case}", lambda: transform(None), recorder, draws)


AUTO_CONFIGS = ["original", "originalr-mstd0.5", "original-mstd101"]


def autoaugment(out, draws=60_000):
    for case, text in enumerate(AUTO_CONFIGS):
        random.seed(case)
        np.random.seed(case)
        recorder = Recorder()
        transform = auto_augment.auto_augment_transform(text, dict(img_mean=FILL))
        for op in (op for pair in transform.policy for op in pair):
            op.aug_fn = recorder.of(RAND_NAMES[op.name])
        record_law(out, f"auto.{case}", lambda: transform(None), recorder, draws)


# Of torchvision's operations with a magnitude: ours, and the argument that it takes there.
TRIVIAL = {
    "ShearX": ("shear_x", lambda m: m), "ShearY": ("shear_y", lambda m: m),
    "TranslateX": ("translate_x", lambda m: -int(m)), "TranslateY": ("translate_y", lambda m: -int(m)),
    "Rotate": ("rotate", lambda m: m), "Brightness": ("brightness", lambda m: 1 + m),
    "Color": ("saturation", lambda m: 1 + m), "Contrast": ("contrast", lambda m: 1 + m),
    "Sharpness": ("sharpness", lambda m: 1 + m), "Posterize": ("posterize", lambda m: int(m)),
    "Solarize": ("solarize", math.ceil), "AutoContrast": ("auto_contrast", lambda m: 0),
    "Equalize": ("equalize", lambda m: 0),
}


def trivialaugment(out):
    """All that it can do, each with its probability: [kind, argument, share], kind -1 nothing; and of each operation at
    some strengths what torchvision makes of a picture."""
    space = TrivialAugmentWide()._augmentation_space(31)
    shares_of, pixels = {}, picture(33, 26, 7)
    out["source"] = pixels
    cases = []
    for name, (magnitudes, has_sign) in space.items():
        values = [0.0] if magnitudes.ndim == 0 else [float(m) for m in magnitudes]
        signed = [m * sign for m in values for sign in ([1, -1] if has_sign else [1])]
        ours, argument = TRIVIAL.get(name, ("", lambda m: 0))
        kind = list(OPERATIONS).index(ours) if ours else -1
        for magnitude in signed:
            key = (kind, float(argument(magnitude)))
            shares_of[key] = shares_of.get(key, 0) + 1 / len(space) / len(signed)
        for magnitude in signed[:: max(1, len(signed) // 6)] if ours else []:
            result = torchvision_policies._apply_op(
                Image.fromarray(pixels), name, magnitude, InterpolationMode.BICUBIC, FILL
            )
            out[f"result.{len(cases)}"] = np.asarray(result)
            cases.append((kind, argument(magnitude)))
    out["cases"] = np.array(cases, np.float64)
    out["trivial"] = np.array([(*key, share) for key, share in sorted(shares_of.items())], np.float64)


def policies():
    out = {}
    autoaugment(out)
    trivialaugment(out)
    return {k: np.asarray(v) for k, v in out.items()}


def erasing(out, draws=100_000):
    for case, (size, probability, count) in enumerate([(64, 0.25, 1), (64, 0.6, 3), (12, 1.0, 1)]):
        random.seed(case)
        eraser = RandomErasing(probability, mode="const", max_count=count, device="cpu")
        boxes, per_image = [], []

        class Canvas:
            def size(self):
                return (3, size, size)
            dtype = torch.float32

            def __setitem__(self, key, value):
                _, rows, columns = key
                boxes.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start))

        for _ in range(draws):
            before = len(boxes)
            eraser(Canvas())
            per_image.append(len(boxes) - before)
        out[f"erase.{case}.count"] = np.bincount(per_image, minlength=4)[:4] / draws
        boxes = np.array(boxes, np.float64)
        out[f"erase.{case}.law"] = np.array([shares(boxes[:, c], size * (np.arange(21) + 0.5) / 21) for c in range(4)])


def jitter(out, draws=60_000):
    torch.manual_seed(3)
    from torchvision.transforms import ColorJitter
    for case, strength in enumerate([0.3, 1.5]):
        probe = ColorJitter(strength, strength, strength)
        orders, factors = np.zeros(6), []
        for _ in range(draws):
            order, b, c, s, _ = ColorJitter.get_params(probe.brightness, probe.contrast, probe.saturation, probe.hue)
            first, second, _ = [int(i) for i in order if i < 3]
            orders[first * 2 + second - (second > first)] += 1
            factors.append((b, c, s))
        factors = np.array(factors)
        out[f"jitter.{case}.order"] = orders / draws
        thresholds = max(0.0, 1 - strength) + (1 + strength - max(0.0, 1 - strength)) * np.arange(21) / 20
        out[f"jitter.{case}.law"] = np.array([shares(factors[:, i], thresholds) for i in range(3)])


def laws():
    out = {}
    randaugment(out)
    erasing(out)
    jitter(out)
    return {k: np.asarray(v, np.float64) for k, v in out.items()}


def mixing():
    rng = np.random.default_rng(7)
    size, labels, classes = 9, np.array([3, 0, 2, 1], np.int64), 5
    images = rng.standard_normal((4, 3, size, size)).astype(np.float32)
    cases = []  # lambda drawn, cutmix, centre y, centre x, lambda used
    out = {"images": images, "labels": labels}
    for i, (lam, cut, seed) in enumerate([(0.3, 0, 0), (0.71828, 0, 0), (0.5, 1, 1), (0.02, 1, 2), (0.97, 1, 3),
                                          (0.9999, 1, 4), (0.66, 1, 5)]):
        mix = Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=classes)
        mix._params_per_batch = lambda lam=lam, cut=cut: (lam, bool(cut))
        np.random.seed(seed)
        centre = [np.random.randint(0, size), np.random.randint(0, size)]
        np.random.seed(seed)
        x, target = mix(torch.tensor(images.copy()), torch.tensor(labels))
        np.random.seed(seed)
        used = mix._mix_batch(torch.tensor(images.copy()))
        assert torch.equal(target, mixup_target(torch.tensor(labels), classes, used))
        cases.append((lam, cut, *centre, used))
        out[f"mixed.{i}"] = x.numpy()
        out[f"target.{i}"] = target.numpy()
    out["cases"] = np.array(cases, np.float64)

    modes = []
    for i, (mode, lams, cuts) in enumerate([
            ("elem", [0.3, 0.9, 0.5, 0.25], [0, 0, 0, 0]), ("elem", [0.4, 0.1, 0.8, 0.6], [1, 1, 1, 1]),
            ("elem", [0.7, 0.2, 1.0, 0.35], [0, 1, 1, 0]), ("pair", [0.3, 0.81], [0, 0]), ("pair", [0.6, 0.2], [1, 1]),
            ("pair", [1.0, 0.45], [1, 0])]):
        mix = Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=classes, mode=mode)
        lams = np.array(lams, np.float32)
        mix._params_per_elem = lambda n, lams=lams, cuts=cuts: (lams.copy(), np.array(cuts, bool))
        np.random.seed(20 + i)
        centres = [[np.random.randint(0, size), np.random.randint(0, size)] if cut and lam != 1 else [0, 0]
                   for lam, cut in zip(lams, cuts)]
        np.random.seed(20 + i)
        used = (mix._mix_elem if mode == "elem" else mix._mix_pair)(torch.tensor(images.copy())).flatten().numpy()
        np.random.seed(20 + i)
        x, target = mix(torch.tensor(images.copy()), torch.tensor(labels))
        rows = [(lams[k], cuts[k], *centres[k], used[k]) for k in range(len(lams))]
        rows += rows[::-1] if mode == "pair" else []
        modes.append([mode == "pair", *np.array(rows, np.float64).flatten()])
        out[f"mode.{i}.mixed"] = x.numpy()
        out[f"mode.{i}.target"] = target.numpy()
    out["modes"] = np.array(modes, np.float64)

    np.random.seed(11)
    draws = 100_000
    for name, alphas, side in (("mixup", (0.8, 0.0), 32), ("cutmix", (0.0, 1.0), 32), ("both", (0.8, 1.0), 14)):
        mix = Mixup(mixup_alpha=alphas[0], cutmix_alpha=alphas[1])
        x = torch.zeros(2, 3, side, side)
        used = np.array([mix._mix_batch(x) for _ in range(draws)])
        out[f"law.{name}"] = np.array([(used <= k / 20).mean() for k in range(21)])
    return out


def main():
    assert int(PIL.__version__.split(".")[0]) < 13, "see the top of this file"
    folder = pathlib.Path(sys.argv[1])
    for make in (resize, transforms, five_crops, operations, crop_law, laws, policies, mixing):
        tensors = {k: np.ascontiguousarray(v) for k, v in make().items()}
        save_file(tensors, folder / f"{make.__name__}.safetensors")


if __name__ == "__main__":
    main()
