"""Writes tests/fixtures/models/positions.safetensors: position embeddings of other grids (see README.md).

CASE.from [1,T,D] and CASE.to [1,T',D], fp64: by PyTorch's interpolate as DeiT's fine-tuning calls it (names that begin
with `bicubic`), and by timm's resample_abs_pos_embed (`antialias`). The cases are grids that grow and shrink, with no, one
and two leading tokens.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "models" / "positions.safetensors"
WIDTH = 5
CASES = ((14, 24, 0), (14, 9, 0), (9, 16, 1), (16, 11, 2), (7, 7, 1))


def as_deit(positions, grid, leading):
    own, patches = positions[:, :leading], positions[:, leading:]
    side = int(patches.shape[1] ** 0.5)
    square = patches.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    square = F.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat((own, square.permute(0, 2, 3, 1).flatten(1, 2)), dim=1)


def main():
    torch.manual_seed(7)
    tensors = {}
    for old, new, leading in CASES:
        positions = torch.randn(1, old * old + leading, WIDTH)
        for name, resized in (
            ("bicubic", as_deit(positions, new, leading)),
            ("antialias", resample_abs_pos_embed(positions, [new, new], num_prefix_tokens=leading)),
        ):
            case = f"{name}_{old}_{new}_{leading}"
            tensors[f"{case}.from"] = positions.double()
            tensors[f"{case}.to"] = resized.double().contiguous()
    save_file(tensors, FIXTURE)
    print(f"{FIXTURE}: {len(tensors)} tensors, {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
