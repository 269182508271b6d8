"""From JPEG bytes to a normalised picture of 224 x 224 on one core: ours against torchvision on Pillow, and FFCV 1.0.2
where it is installed.

    python tests/bench/decode.py build/dev/bench_decode [--rounds 3] [--seconds 2] [--ffcv PYTHON] [--shrink 2] [--least-kb 80]

Images: 500 x 375 tiles of Debian's plasma-workspace-wallpapers, cut at 1000 x 750 and halved (--shrink), JPEG quality 96,
4:2:0. Of these the ones of 80 KB and more (--least-kb): foliage, stones, water, cities; the others are sky and gradients,
which no photograph of ImageNet is all of. So the mean is that of ImageNet's files, 110 KB. The sides take turns; the table
shows medians over rounds of images per second of CPU time, which other programs on the machine change less than time. --ffcv names a Python that imports ffcv and torch; the data set for it is
written beside the tiles.
"""
import argparse
import io
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TILE, SIDE, CORE = (500, 375), 224, 0


def make_tiles(folder, shrink, least_bytes):
    from PIL import Image

    paths = sorted({p.resolve() for p in pathlib.Path("/usr/share/wallpapers").glob("*/contents/images/*")
                    if p.suffix in (".jpg", ".png")})
    width, height = TILE[0] * shrink, TILE[1] * shrink
    count = 0
    for path in paths:
        image = Image.open(path).convert("RGB")
        if image.width < 2 * width or image.height < 2 * height:
            continue
        for k in range(16):
            x, y = (k % 4) * (image.width - width) // 3, (k // 4) * (image.height - height) // 3
            tile = image.crop((x, y, x + width, y + height)).resize(TILE, Image.Resampling.LANCZOS)
            encoded = io.BytesIO()
            tile.save(encoded, "JPEG", quality=96)
            if encoded.tell() >= least_bytes:
                (folder / f"{count:04}.jpg").write_bytes(encoded.getvalue())
                count += 1
    if count == 0:
        sys.exit("no wallpapers: apt-get install plasma-workspace-wallpapers")
    size = sum(p.stat().st_size for p in folder.iterdir()) / count
    print(f"{count} tiles of {TILE[0]}x{TILE[1]}, {size / 1e3:.0f} KB on average")


def peer_side(folder, stage, seconds):
    """torchvision's transforms on Pillow images, as timm and DeiT build them."""
    import random

    import torch
    from PIL import Image, ImageFilter, ImageOps
    from torchvision import transforms as T

    torch.set_num_threads(1)
    steps = [T.RandomResizedCrop(SIDE, interpolation=T.InterpolationMode.BICUBIC), T.RandomHorizontalFlip()]
    if stage == "three":
        blur = T.Lambda(lambda i: i.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0))))
        steps += [T.RandomChoice([T.Grayscale(3), T.Lambda(ImageOps.solarize), blur]), T.ColorJitter(0.3, 0.3, 0.3)]
    if stage == "randaugment":
        from timm.data.auto_augment import rand_augment_transform
        steps += [rand_augment_transform("rand-m9-mstd0.5-inc1", dict(img_mean=(124, 116, 104),
                                                                     interpolation=Image.Resampling.BICUBIC))]
    transform = T.Compose([*steps, T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    files = [p.read_bytes() for p in sorted(pathlib.Path(folder).glob("*.jpg"))]
    batch = torch.empty(64, 3, SIDE, SIDE)
    start, images = time.process_time(), 0
    while (spent := time.process_time() - start) < seconds:
        for file in files[images % len(files):][:16]:
            batch[images % 64] = transform(Image.open(io.BytesIO(file)).convert("RGB"))
            images += 1
    print(images / spent)


def ffcv_side(folder, seconds):
    """FFCV's own recipe for the same view; it resizes with INTER_AREA and normalises to halves or floats."""
    import numpy as np
    from ffcv.fields import BytesField, IntField, RGBImageField  # noqa: F401
    from ffcv.fields.rgb_image import RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage
    from ffcv.writer import DatasetWriter

    path = pathlib.Path(folder).parent / "tiles.beton"
    if not path.exists():
        from PIL import Image
        files = sorted(pathlib.Path(folder).glob("*.jpg"))

        class Tiles:
            def __len__(self):
                return len(files)

            def __getitem__(self, i):
                return (np.asarray(Image.open(files[i])),)

        # FFCV stores JPEGs of its own making from pixels: quality 96 again.
        DatasetWriter(str(path), {"image": RGBImageField(write_mode="jpg", jpeg_quality=96)},
                      num_workers=0).from_indexed_dataset(Tiles())
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    loader = Loader(str(path), batch_size=64, num_workers=1, order=OrderOption.RANDOM, os_cache=True, drop_last=True,
                    # On a CPU it normalises arrays: after ToTensor() FFCV would arrange the pipeline for ever.
                    pipelines={"image": [RandomResizedCropRGBImageDecoder((SIDE, SIDE)), RandomHorizontalFlip(),
                                         NormalizeImage(mean, std, np.float32), ToTensor(), ToTorchImage()]})
    for _ in loader:  # compiles
        pass
    start, images = time.process_time(), 0
    while (spent := time.process_time() - start) < seconds:
        for batch in loader:
            images += len(batch[0])
    print(images / (time.process_time() - start), flush=True)
    os._exit(0)  # its threads would be waited for, and with some versions of its libraries for ever


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300,
                          preexec_fn=lambda: os.sched_setaffinity(0, {CORE}))
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def compare(options, folder):
    ours = {stage: [options.program, folder, stage, SIDE, options.seconds]
            for stage in ("full", "region", "resized", "rrc", "three", "randaugment")}
    peers = {f"torchvision {stage}": [sys.executable, __file__, "--peer", stage, folder, options.seconds]
             for stage in ("rrc", "three", "randaugment")}
    if options.ffcv:
        peers["ffcv rrc"] = [options.ffcv, __file__, "--peer", "ffcv", folder, options.seconds]
    speeds = {name: [] for name in (*ours, *peers)}
    for _ in range(options.rounds):
        for name, command in (*ours.items(), *peers.items()):
            speeds[name].append(run(command))
    median = {name: statistics.median(values) for name, values in speeds.items()}
    print("side                     images/s")
    for name, value in median.items():
        print(f"{name:24} {value:8.0f}")
    print(f"rrc / region decode alone       {median['rrc'] / median['region']:.2f}")
    outside = 1 - median["rrc"] / median["resized"]
    print(f"outside decode and resize       {100 * outside:.1f} %")
    for name in peers:
        print(f"ours / {name:24} {median[name.split()[1]] / median[name]:.2f}")


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--peer":
        stage, folder, seconds = sys.argv[2], sys.argv[3], float(sys.argv[4])
        return ffcv_side(folder, seconds) if stage == "ffcv" else peer_side(folder, stage, seconds)
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--ffcv", help="a Python that imports ffcv")
    parser.add_argument("--shrink", type=int, default=2)
    parser.add_argument("--least-kb", type=float, default=80)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / "tiles"
        folder.mkdir()
        make_tiles(folder, options.shrink, 1e3 * options.least_kb)
        compare(options, folder)


if __name__ == "__main__":
    main()
