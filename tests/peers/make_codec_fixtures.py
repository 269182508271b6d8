"""Writes tests/fixtures/datasets/codec.safetensors: small encoded images and Pillow's pixels for them.

Each case NAME is two tensors: "NAME.file", the bytes of an image file, and "NAME.rgb", what
Image.open(file).convert("RGB") gives, [height, width, 3]. Needs numpy, Pillow and safetensors.
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

OUTPUT = pathlib.Path(__file__).parents[1] / "fixtures" / "datasets" / "codec.safetensors"


def picture(width, height, channels, seed=0):
    """Smooth waves, one sharp diagonal and some noise: every DCT coefficient has something to do."""
    y, x = np.mgrid[0:height, 0:width]
    c = np.arange(channels)
    waves = 127 + 100 * np.sin(x[..., None] / (5 + c) + y[..., None] / (9 - c) + c)
    waves[x + y > (width + height) // 2] *= 0.6
    noise = np.random.default_rng(seed).normal(0, 8, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def encode(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def png(width, height, depth, colour, samples, extra=()):
    """A PNG written by hand, for the kinds Pillow does not write. `samples`: rows of packed bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in samples)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*e) for e in extra) + body + chunk(b"IEND", b"")


def cases():
    width, height = 45, 35
    rgb = Image.fromarray(picture(width, height, 3))
    grey = Image.fromarray(picture(width, height, 1)[..., 0])
    rgba = Image.fromarray(picture(width, height, 4), "RGBA")
    cmyk = Image.fromarray(picture(width, height, 4, 1), "CMYK")
    for name, subsampling in {"420": "4:2:0", "422": "4:2:2", "444": "4:4:4"}.items():
        yield f"jpeg_{name}", encode(rgb, "JPEG", quality=85, subsampling=subsampling)
        yield f"jpeg_{name}_progressive", encode(rgb, "JPEG", quality=60, subsampling=subsampling, progressive=True)
    yield "jpeg_restart", encode(rgb, "JPEG", quality=90, restart_marker_blocks=2)
    yield "jpeg_keep_rgb", encode(rgb, "JPEG", quality=90, keep_rgb=True)
    yield "jpeg_grey", encode(grey, "JPEG", quality=85)
    yield "jpeg_grey_progressive", encode(grey, "JPEG", quality=85, progressive=True)
    yield "jpeg_cmyk", encode(cmyk, "JPEG", quality=85)
    yield "jpeg_cmyk_progressive", encode(cmyk, "JPEG", quality=85, progressive=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees": ignored, as Image.open does
    yield "jpeg_exif", encode(rgb, "JPEG", quality=85, exif=exif)
    yield "jpeg_1x1", encode(rgb.crop((3, 3, 4, 4)), "JPEG")
    plain = encode(rgb, "JPEG", quality=85)
    yield "jpeg_extraneous", plain[:-2] + b"\x55\x66" + plain[-2:]

    yield "png_rgb", encode(rgb, "PNG")
    yield "png_grey", encode(grey, "PNG")
    yield "png_rgba", encode(rgba, "PNG")
    yield "png_grey_alpha", encode(rgba.convert("LA"), "PNG")
    yield "png_bilevel", encode(grey.convert("1"), "PNG")
    yield "png_palette", encode(rgb.quantize(200), "PNG")
    yield "png_palette_4bit", encode(rgb.quantize(13), "PNG", bits=4)
    yield "png_palette_transparent", encode(rgb.quantize(50), "PNG", transparency=7)
    yield "png_1x1", encode(rgb.crop((3, 3, 4, 4)), "PNG")
    deep = picture(width, height, 4).astype(np.uint16) * 257 + 100 * picture(width, height, 4, 2)
    deep[:5] = np.arange(width)[None, :, None] * 7  # Pillow clips 16-bit grey at 255: have values on both sides
    deep = deep.astype(">u2")
    yield "png_grey16", png(width, height, 16, 0, [deep[y, :, 0].tobytes() for y in range(height)])
    yield "png_rgb16", png(width, height, 16, 2, [deep[y, :, :3].tobytes() for y in range(height)])
    yield "png_grey16_alpha", png(width, height, 16, 4, [deep[y, :, :2].tobytes() for y in range(height)])
    yield "png_rgba16", png(width, height, 16, 6, [deep[y].tobytes() for y in range(height)])
    nibbles = np.random.default_rng(3).integers(0, 256, (height, (width + 1) // 2), dtype=np.uint8)
    yield "png_grey4", png(width, height, 4, 0, [row.tobytes() for row in nibbles])
    yield "png_grey2", png(width, height, 2, 0, [row[: (width + 3) // 4].tobytes() for row in nibbles])
    pixels = picture(width, height, 3)
    key = struct.pack(">HHH", *(int(v) for v in pixels[4, 4]))
    yield "png_rgb_transparent", png(
        width, height, 8, 2, [row.tobytes() for row in pixels], [(b"tRNS", key), (b"gAMA", struct.pack(">I", 90000))]
    )


def main():
    tensors = {}
    for name, file in cases():
        image = Image.open(io.BytesIO(file)).convert("RGB")
        tensors[f"{name}.file"] = np.frombuffer(file, np.uint8)
        tensors[f"{name}.rgb"] = np.ascontiguousarray(np.asarray(image))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(OUTPUT))
    print(f"{OUTPUT.name}: {len(tensors) // 2} images, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
