"""Recomputes with Pillow and NumPy, from nothing but the numbers that `vitrail preview --format json` prints, the
pixels that it writes: crops of every kind, 3-Augment, colour jitter, RandAugment, erasing, mixup and CutMix.

    python tests/peers/preview_interop.py build/dev/vitrail [FOLDER_OF_IMAGES]

Without a folder it draws its own pictures: sizes from 5 to 700 pixels, JPEG in every subsampling, grey, CMYK, PNG.

Tolerance: one level of 255 anywhere and 0.05 on average, before operations that may magnify it; what random noise
painted over is left out. Resizing horizontally first, as every Pillow before 13 does, the difference is 0.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from safetensors.numpy import load_file

MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
AFFINE = dict(fillcolor=(124, 116, 104), resample=Image.Resampling.BICUBIC)


def affine(*matrix):
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix, **AFFINE)


def operation(image, name, argument):
    """One printed operation, by Pillow."""
    return {
        "grey": lambda i: i.convert("L").convert("RGB"),
        "invert": ImageOps.invert,
        "solarize": lambda i: ImageOps.solarize(i, argument),
        "solarize_add": lambda i: i.point([min(255, v + int(argument)) if v < 128 else v for v in range(256)] * 3),
        "posterize": lambda i: ImageOps.posterize(i, int(argument)),
        "auto_contrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
        "brightness": lambda i: ImageEnhance.Brightness(i).enhance(argument),
        "contrast": lambda i: ImageEnhance.Contrast(i).enhance(argument),
        "saturation": lambda i: ImageEnhance.Color(i).enhance(argument),
        "sharpness": lambda i: ImageEnhance.Sharpness(i).enhance(argument),
        "blur": lambda i: i.filter(ImageFilter.GaussianBlur(argument)),
        "rotate": lambda i: i.rotate(argument, **AFFINE),
        "shear_x": affine(1, argument, 0, 0, 1, 0),
        "shear_y": affine(1, 0, 0, argument, 1, 0),
        "translate_x": affine(1, 0, argument, 0, 1, 0),
        "translate_y": affine(1, 0, 0, 0, 1, argument),
    }[name](image)


def view(image, drawn):
    """Crop, resize, window with reflected edges, flip."""
    x, y, width, height = drawn["source"]
    to_width, to_height = drawn["scaled"]
    image = image.crop((x, y, x + width, y + height))
    image = image.resize((to_width, height), Image.Resampling.BICUBIC)
    image = image.resize((to_width, to_height), Image.Resampling.BICUBIC)
    x, y, width, height = drawn["window"]
    before = (max(0, -y), max(0, -x))
    after = (max(0, y + height - to_height), max(0, x + width - to_width))
    pixels = np.pad(np.asarray(image), ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="reflect")
    x, y = x + before[1], y + before[0]
    pixels = pixels[y:y + height, x:x + width]
    return Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if drawn["mirrored"] else pixels))


def rows(box):
    x, y, width, height = box
    return slice(None), slice(y, y + height), slice(x, x + width)


def recompute(image, drawn):
    """Normalised floats, and which of them are known."""
    image = view(image, drawn)
    for step in drawn["operations"]:
        image = operation(image, step["name"], step["argument"])
    picture = (np.asarray(image).transpose(2, 0, 1).astype(np.float32) / 255 - MEAN) / STD
    known = np.ones(picture.shape, bool)
    for erasure in drawn["erased"]:
        picture[rows(erasure["box"])] = np.array(erasure["colour"], np.float32)[:, None, None]
        known[rows(erasure["box"])] = not erasure["noise"]
    return picture, known


def mix(pictures, drawn):
    before = [(picture.copy(), known.copy()) for picture, known in pictures]
    for i, mixed in enumerate(d.get("mix") for d in drawn):
        if mixed is None:
            continue
        other, other_known = before[mixed["partner"]]
        picture, known = pictures[i]
        if mixed["box"]:
            picture[rows(mixed["box"])] = other[rows(mixed["box"])]
            known[rows(mixed["box"])] = other_known[rows(mixed["box"])]
        elif mixed["weight"] != 1:
            picture[:] = picture * np.float32(mixed["weight"]) + other * np.float32(1 - mixed["weight"])
            known &= other_known


CASES = {
    "plain": [],
    "three": ["--augment.three_augment", "true", "--augment.color_jitter", "0.3", "--augment.crop", "src"],
    "randaugment": ["--augment.randaugment", "rand-m9-mstd0.5-inc1", "--augment.random_erasing", "0.5"],
    "sets": ["--augment.randaugment", "rand-m9-n4-p0.9-t3aw", "--augment.random_erasing", "0.5",
             "--augment.random_erasing_mode", "rand", "--augment.random_erasing_count", "3"],
    "mixed": ["--augment.mixup", "0.8", "--augment.cutmix", "1", "--augment.mix_mode", "elem",
              "--augment.mix_probability", "0.8"],
    "pairs": ["--augment.mixup", "0.8", "--augment.cutmix", "1", "--augment.mix_mode", "pair", "--augment.crop", "none"],
}


def check(vitrail, folder, name, settings, work):
    output = work / f"{name}.safetensors"
    shown = json.loads(subprocess.run(
        [vitrail, "preview", "--data", f"folder:{folder}", "--output", output, "--format", "json", "--samples", "12",
         "--draws", "6", "--model.image_size", "96", *settings], check=True, capture_output=True, text=True).stdout)
    images = load_file(output)["images"]
    sources = [Image.open(folder / sample["name"]).convert("RGB") for sample in shown["samples"]]
    worst, total, values = 0.0, 0.0, 0
    for epoch, draw in enumerate(shown["draws"]):
        pictures = [recompute(source, drawn) for source, drawn in zip(sources, draw["pictures"])]
        mix(pictures, draw["pictures"])
        for (picture, known), found in zip(pictures, images[epoch]):
            levels = np.abs(picture - found)[known] * 255 * STD.min()
            worst = max(worst, float(levels.max(initial=0)))
            total, values = total + float(levels.sum()), values + levels.size
    print(f"{name}: {values} values, largest difference {worst:.4f} levels, mean {total / values:.6f}")
    assert worst <= 1.0 and total / values < 0.05, name


def draw_pictures(folder):
    rng = np.random.default_rng(1)
    sizes = [(500, 375), (375, 500), (700, 130), (5, 9), (64, 64), (333, 251), (97, 600), (224, 224), (301, 300),
             (16, 200), (450, 451), (640, 480)]
    for i, (width, height) in enumerate(sizes):
        y, x = np.mgrid[0:height, 0:width]
        waves = [np.sin(x / (5 + i) + c) * np.cos(y / 9 - c * i) * 90 + 128 for c in range(3)]
        pixels = np.stack(waves, -1) + rng.normal(0, 20, (height, width, 3)) + ((x // 31 + y // 17) % 2 * 40)[..., None]
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        if i == 6:
            image.save(folder / f"{i:02}.png")
        elif i == 7:
            image.convert("CMYK").save(folder / f"{i:02}.jpg")
        elif i == 8:
            image.convert("L").save(folder / f"{i:02}.jpg")
        else:
            image.save(folder / f"{i:02}.jpg", quality=90, subsampling=i % 3, progressive=i == 9)


def main():
    vitrail = sys.argv[1]
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(work) / "pictures"
        if not folder.exists():
            folder.mkdir()
            draw_pictures(folder)
        for name, settings in CASES.items():
            check(vitrail, folder, name, settings, pathlib.Path(work))


if __name__ == "__main__":
    main()
