"""How many images a second this machine's cores make, of JPEGs of ImageNet's size (500 x 375, quality 96) read as they lie, for
ViT-H/14 at 126 px and for 224 px; and what a GPU wants of it.

The pictures are noise of several sizes on top of each other, which takes a file of 90 to 110 kB as photographs do. Needs Pillow.

    python3 tests/bench/gpu/data_rate.py build/cuda [--json FILE]
"""

import json
import os
import pathlib
import random

import row as rows

WANTED = {126: 1300, 224: 600}  # images/s of an H100: ViT-H/14, CaiT-M48
SIZE, QUALITY = (500, 375), 96


def write_pictures(folder, count):
    """Mean bytes of a file."""
    from PIL import Image, ImageChops

    random.seed(1)
    for number in range(count):
        picture = Image.new("RGB", SIZE, (128, 128, 128))
        for cell, share in ((100, 0.5), (25, 0.4), (6, 0.3), (2, 0.2)):
            small = (SIZE[0] // cell + 1, SIZE[1] // cell + 1)
            noise = Image.frombytes("RGB", small, random.randbytes(3 * small[0] * small[1])).resize(SIZE, Image.Resampling.BICUBIC)
            picture = Image.blend(picture, ImageChops.overlay(picture, noise), share)
        path = folder / str(number % 10) / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        picture.save(path, "JPEG", quality=QUALITY)
    return sum(path.stat().st_size for path in folder.rglob("*.jpg")) / count


def main():
    row = rows.Row(__doc__)
    if row.starts("vitrail"):
        return
    cores = len(os.sched_getaffinity(0))
    with rows.scratch() as folder:
        pictures = pathlib.Path(folder)
        row.tell(cores=cores, bytes_an_image=write_pictures(pictures, 200 if row.on_gpu else 20))
        for pixels, wanted in WANTED.items():
            seconds = 4 if row.on_gpu else 0.3
            words = ("--data", f"folder:{pictures}", "--model.image_size", pixels, "--data.workers", cores, "--images-per-s", wanted)
            found = json.loads(row.vitrail("bench", "data", "--seconds", seconds, "--format", "json", *words))
            row.tell(**{f"{pixels} px": found})


if __name__ == "__main__":
    main()
