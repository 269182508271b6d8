"""Writes tests/fixtures/datasets/odd_images.safetensors: odd and damaged JPEG and WebP files, and what Pillow makes of them.

Each case NAME is a tensor "NAME.file", the bytes of a file, and, where Image.open(file).convert("RGB") gives an image,
"NAME.rgb", [height, width, 3]. Needs numpy, Pillow 13, safetensors, and cjpeg and jpegtran of libjpeg-turbo in PATH.
"""

import io
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

OUTPUT = pathlib.Path(__file__).parents[1] / "fixtures" / "datasets" / "odd_images.safetensors"
WIDTH, HEIGHT = 27, 21
SOI, EOI, SOS, DQT, DHT, SOF0, SOF1, SOF2, DRI, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xC0, 0xC1, 0xC2, 0xDD, 0xFE
ADOBE = 0xEE


def picture(channels, seed=0, width=WIDTH, height=HEIGHT):
    y, x = np.mgrid[0:height, 0:width]
    c = np.arange(channels)
    waves = 127 + 90 * np.sin(x[..., None] / (4 + c) + y[..., None] / (7 - c) + c)
    noise = np.random.default_rng(seed).normal(0, 10, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def encode(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def convert(data, *words):
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


def split(jpeg):
    """[(marker, payload, entropy-coded data behind it)]; restart markers stay inside of the data."""
    parts, at = [], 2
    while at < len(jpeg):
        marker = jpeg[at + 1]
        if marker == EOI:
            break
        size = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        payload, at, data = jpeg[at + 4 : at + 2 + size], at + 2 + size, b""
        if marker == SOS:
            end = at
            while jpeg[end] != 0xFF or jpeg[end + 1] == 0 or 0xD0 <= jpeg[end + 1] <= 0xD7:
                end += 1
            data, at = jpeg[at:end], end
        parts.append((marker, payload, data))
    return parts


def segment(marker, payload=b"", data=b""):
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload + data


def join(parts, end=b"\xff\xd9"):
    return b"\xff\xd8" + b"".join(segment(*part) for part in parts) + end


def edited(jpeg, marker, change):
    """change(payload, data) -> (payload, data), or None to leave it out, for each segment of this kind."""
    parts = []
    for part in split(jpeg):
        changed = change(*part[1:]) if part[0] == marker else part[1:]
        if changed is not None:
            parts.append((part[0], *changed))
    return join(parts)


def without(jpeg, *markers):
    return join([part for part in split(jpeg) if part[0] not in markers])


def before(jpeg, marker, junk):
    """Junk in front of the first segment of this kind."""
    out, done = b"\xff\xd8", False
    for part in split(jpeg):
        if part[0] == marker and not done:
            out, done = out + junk, True
        out += segment(*part)
    return out + (junk if marker == EOI else b"") + b"\xff\xd9"


def patched(jpeg, marker, at, values):
    return edited(jpeg, marker, lambda payload, data: (payload[:at] + bytes(values) + payload[at + len(values) :], data))


def in_sos(jpeg, first, last, bits):
    """All scans say that they hold these coefficients, as some telephones write."""
    return edited(jpeg, SOS, lambda payload, data: (payload[:-3] + bytes([first, last, bits]), data))


def in_scan(jpeg, change):
    return edited(jpeg, SOS, lambda payload, data: (payload, change(data)))


def flipped(data, number):
    random = np.random.default_rng(number)
    at = int(random.integers(len(data) // 8, len(data) * 7 // 8))
    return data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :]


def markers():
    rgb = Image.fromarray(picture(3))
    plain = encode(rgb, "JPEG", quality=85)
    for name, marker in {"sof": SOF0, "dht": DHT, "sos": SOS, "eoi": EOI}.items():
        yield f"extraneous_before_{name}", before(plain, marker, b"\x11\x22\x33")
        yield f"fill_before_{name}", before(plain, marker, b"\xff\xff\xff")
    yield "comment", before(plain, DQT, segment(COM, b"made by hand" * 30))
    yield "unknown_app", before(plain, DQT, segment(0xEB, b"HDR_RI ver=11" + bytes(100)))
    yield "dri_zero", before(plain, SOS, segment(DRI, b"\0\0"))
    yield "jfif_2", patched(plain, 0xE0, 5, [2])
    yield "no_jfif", without(plain, 0xE0)
    yield "jfif_thumbnail", edited(plain, 0xE0, lambda payload, data: (payload[:12] + b"\2\2" + bytes(range(12)), data))
    small = encode(rgb.resize((8, 6)), "JPEG")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0" + small
    yield "exif_thumbnail_rotated", before(plain, 0xE0, segment(0xE1, exif))
    yield "exif_broken", before(plain, 0xE0, segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"))
    yield "jfxx_thumbnail", before(plain, DQT, segment(0xE0, b"JFXX\0\x10" + small))
    yield "trailing_zeros", plain + bytes(100)
    yield "trailing_text", plain + b"\r\n<html>"
    yield "trailing_jpeg", plain + small
    yield "trailing_samsung", plain + b"\0\0\x01\x0aImage_UTC_Data1600000000000SEFH\x6b\0\0\0\x01\0\0\0\x18\0\0\0SEFT"
    yield "mpo", encode(rgb, "MPO", save_all=True, append_images=[rgb.rotate(180)])
    yield "two_soi", b"\xff\xd8" + plain
    yield "ids_rgb", patched(patched(without(plain, 0xE0), SOF0, 6, b"R"), SOS, 1, b"R")
    deep = edited(plain, DQT, lambda p, d: (bytes([p[0] | 0x10]) + b"".join(bytes([0, v]) for v in p[1:]), d))
    yield "quantisation_16_bit", deep
    yield "quantisation_missing", without(plain, DQT)


def scans():
    rgb = Image.fromarray(picture(3))
    with tempfile.NamedTemporaryFile("w", suffix=".scans") as script:
        script.write("0; 1; 2;\n")
        script.flush()
        plain = encode(rgb, "JPEG", quality=85)
        kinds = {
            "baseline": plain,
            "restart": encode(rgb, "JPEG", quality=85, restart_marker_blocks=1),
            "grey": encode(rgb.convert("L"), "JPEG", quality=85),
            "three_scans": convert(plain, "jpegtran", "-scans", script.name),
            "arithmetic": convert(plain, "jpegtran", "-arithmetic"),
            "cmyk": encode(Image.fromarray(picture(4), "CMYK"), "JPEG", quality=85),
        }
    for name, jpeg in kinds.items():
        yield f"scan_{name}", jpeg
        for first, last, bits in ((0, 0, 0), (1, 63, 0), (63, 0, 0), (0, 63, 1), (0, 63, 0x10), (255, 255, 255)):
            yield f"sos_{first}_{last}_{bits}_{name}", in_sos(jpeg, first, last, bits)
    for factors in ("4x1", "1x2", "2x2,1x2,1x1", "4x2", "1x1,2x2,2x2", "2x1,1x2,1x1"):
        ppm = b"P6 %d %d 255\n" % (WIDTH, HEIGHT) + picture(3).tobytes()
        yield f"sampling_{factors.replace(',', '_')}", convert(ppm, "cjpeg", "-quality", "85", "-sample", factors)
    progressive = encode(rgb, "JPEG", quality=85, progressive=True)
    yield "progressive", progressive
    yield "progressive_arithmetic", convert(progressive, "jpegtran", "-arithmetic", "-progressive")
    parts = split(progressive)
    places = [i for i, part in enumerate(parts) if part[0] == SOS]
    yield "progressive_first_scan_only", join(parts[: places[0] + 1])
    yield "progressive_without_last_scan", join(parts[: places[-1]])
    yield "progressive_without_a_scan", join(parts[: places[1]] + parts[places[2] :])
    yield "progressive_scan_twice", join(parts[: places[1] + 1] + parts[places[1] :])
    yield "progressive_odd_sos", in_sos(progressive, 0, 63, 0)
    yield "progressive_named_baseline", join([(SOF0 if p[0] == SOF2 else p[0], *p[1:]) for p in parts])
    yield "baseline_named_progressive", join([(SOF2 if p[0] == SOF0 else p[0], *p[1:]) for p in split(plain)])
    yield "baseline_named_extended", join([(SOF1 if p[0] == SOF0 else p[0], *p[1:]) for p in split(plain)])


def colours():
    cmyk = encode(Image.fromarray(picture(4), "CMYK"), "JPEG", quality=85)
    yield "cmyk_adobe", cmyk
    yield "cmyk_without_adobe", without(cmyk, ADOBE)
    yield "ycck", patched(cmyk, ADOBE, 11, [2])
    yield "adobe_transform_7_cmyk", patched(cmyk, ADOBE, 11, [7])
    plain = without(encode(Image.fromarray(picture(3)), "JPEG", quality=85), 0xE0)
    for transform in (0, 1, 2, 9):
        yield f"adobe_{transform}_rgb", before(plain, DQT, segment(ADOBE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])))
    for name, ids in {"012": (0, 1, 2), "rgb": b"RGB", "rgb_small": b"rgb", "odd": (7, 9, 200)}.items():
        jpeg = plain
        for i, number in enumerate(ids):
            jpeg = patched(patched(jpeg, SOF0, 6 + 3 * i, [number]), SOS, 1 + 2 * i, [number])
        yield f"ids_{name}_all", jpeg
    two = edited(plain, SOF0, lambda p, d: (p[:5] + b"\2" + p[6:12], d))
    yield "two_components", edited(two, SOS, lambda p, d: (b"\2" + p[1:5] + p[-3:], d))


def damages():
    rgb = Image.fromarray(picture(3))
    plain = encode(rgb, "JPEG", quality=85)
    restart = encode(rgb, "JPEG", quality=85, restart_marker_blocks=1)
    progressive = encode(rgb, "JPEG", quality=85, progressive=True)
    for name, jpeg in {"baseline": plain, "restart": restart, "progressive": progressive}.items():
        yield f"no_eoi_{name}", jpeg[:-2]
        yield f"cut_1_{name}", jpeg[:-1]
        for eighth in (2, 6, 7):
            yield f"cut_{eighth}_8_{name}", jpeg[: len(jpeg) * eighth // 8]
        for number in range(4):
            yield f"bit_{number}_{name}", in_scan(jpeg, lambda data, number=number: flipped(data, number))
        yield f"zeros_in_{name}", in_scan(jpeg, lambda data: data[: len(data) // 2] + bytes(len(data) // 3))
        yield f"scan_half_{name}", in_scan(jpeg, lambda data: data[: len(data) // 2])
        yield f"header_cut_{name}", jpeg[:80]
    yield "scan_empty", in_scan(plain, lambda data: b"")
    yield "restart_out_of_order", restart.replace(b"\xff\xd1", b"\xff\xd4", 1)
    yield "restart_missing", restart.replace(b"\xff\xd1", b"", 1)
    yield "restart_unexpected", in_scan(plain, lambda data: data[: len(data) // 2] + b"\xff\xd0" + data[len(data) // 2 :])
    yield "huffman_missing", without(plain, DHT)
    swap = {0x00: 0x01, 0x01: 0x00, 0x10: 0x11, 0x11: 0x10}
    yield "huffman_swapped", edited(plain, DHT, lambda p, d: (bytes([swap[p[0]]]) + p[1:], d))
    yield "huffman_counts", edited(plain, DHT, lambda p, d: (p[:1] + bytes([9]) + p[2:], d))
    for name, marker in {"sof": SOF0, "sos": SOS}.items():
        yield f"{name}_missing", without(plain, marker)
    yield "precision_12", patched(plain, SOF0, 0, [12])
    yield "precision_16", patched(plain, SOF0, 0, [16])
    yield "lossless_named", join([(0xC3 if p[0] == SOF0 else p[0], *p[1:]) for p in split(plain)])
    yield "height_zero", patched(plain, SOF0, 1, [0, 0])
    yield "height_larger", patched(plain, SOF0, 1, [0, HEIGHT + 40])
    yield "width_larger", patched(plain, SOF0, 3, [0, WIDTH + 40])
    yield "sampling_zero", patched(plain, SOF0, 7, [0])


def webps():
    rgb, rgba = Image.fromarray(picture(3)), picture(4)
    rgba[:9, :9, 3] = 0
    alpha = Image.fromarray(rgba, "RGBA")
    kinds = {
        "lossy": encode(rgb, "WEBP", quality=70),
        "lossless": encode(rgb, "WEBP", lossless=True),
        "grey": encode(rgb.convert("L"), "WEBP", quality=70),
        "lossy_alpha": encode(alpha, "WEBP", quality=70),
        "lossless_alpha": encode(alpha, "WEBP", lossless=True, exact=True),
        "one_pixel": encode(rgb.crop((3, 3, 4, 4)), "WEBP"),
        "odd_size": encode(Image.fromarray(picture(3, 1, 33, 17)), "WEBP", quality=50),
        "metadata": encode(rgb, "WEBP", quality=70, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", icc_profile=bytes(200)),
        "animated": encode(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90), rgb.rotate(180)], duration=40),
        "animated_alpha": encode(alpha, "WEBP", save_all=True, append_images=[alpha.rotate(180)], lossless=True),
    }
    for name, file in kinds.items():
        yield f"webp_{name}", file
    # The first frame begins at (4, 6) of a canvas and does not fill it.
    frame = encode(alpha.crop((0, 0, 9, 7)), "WEBP", lossless=True, exact=True)[12:]
    place = b"".join(int(v).to_bytes(3, "little") for v in (2, 3, 8, 6, 40)) + b"\0"
    body = b"VP8X" + (10).to_bytes(4, "little") + b"\x12\0\0\0" + (26).to_bytes(3, "little") + (20).to_bytes(3, "little")
    body += b"ANIM" + (6).to_bytes(4, "little") + b"\xff\x80\x40\xff\0\0"
    body += b"ANMF" + (16 + len(frame)).to_bytes(4, "little") + place + frame
    yield "webp_animated_offset", b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body
    for name in ("lossy", "lossless", "metadata", "animated", "lossy_alpha"):
        file = kinds[name]
        for cut in (1, len(file) // 3, len(file) - 14):
            yield f"webp_{name}_cut_{cut}", file[:-cut]
    yield "webp_trailing", kinds["lossy"] + b"<html>"
    yield "webp_size_too_large", kinds["lossy"][:4] + (len(kinds["lossy"]) + 100).to_bytes(4, "little") + kinds["lossy"][8:]
    yield "webp_zeros_behind_header", kinds["lossless"][:25] + bytes(len(kinds["lossless"]) - 25)
    yield "webp_no_image", b"RIFF\x04\0\0\0WEBP"
    yield "webp_other_riff", b"RIFF\x04\0\0\0AVI "


def main():
    tensors, refused = {}, []
    for make in (markers, scans, colours, damages, webps):
        for name, file in make():
            assert f"{name}.file" not in tensors, name
            tensors[f"{name}.file"] = np.frombuffer(file, np.uint8)
            try:
                with Image.open(io.BytesIO(file)) as image:
                    tensors[f"{name}.rgb"] = np.ascontiguousarray(np.asarray(image.convert("RGB")))
            except Exception as error:
                refused.append(f"{name}: {error}")
    save_file(tensors, str(OUTPUT))
    print("\n".join(refused))
    print(f"{OUTPUT.name}: {len(tensors)} tensors, {len(refused)} refused, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
