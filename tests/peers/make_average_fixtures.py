"""Writes tests/fixtures/trainer/average.safetensors: moving averages of weights by timm's ModelEmaV3 (see README.md).

weights [T+1, N] fp32: how a parameter starts, and what it is after each of T steps. CASE [T, N]: the average after each
step; the cases' decay and warm-up are in the metadata, as JSON under `cases`.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from timm.utils import ModelEmaV3

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "trainer" / "average.safetensors"
STEPS, SIZE = 12, 64
CASES = {
    "plain": {"decay": 0.9, "warmup": False},
    "short": {"decay": 0.3, "warmup": False},  # lerp from the other end
    "warm": {"decay": 0.6, "warmup": True},  # reaches its decay on the way
    "slow": {"decay": 0.9999, "warmup": True},
}


def main():
    torch.manual_seed(11)
    weights = torch.cumsum(torch.randn(STEPS + 1, SIZE), dim=0)
    tensors = {"weights": weights}
    for name, case in CASES.items():
        model = torch.nn.Linear(SIZE, 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(weights[0])
            average = ModelEmaV3(model, decay=case["decay"], use_warmup=case["warmup"])
            rows = []
            for step in range(1, STEPS + 1):
                model.weight.copy_(weights[step])
                average.update(model, step=step)
                rows.append(average.module.weight[0].clone())
        tensors[name] = torch.stack(rows)
    save_file(tensors, FIXTURE, metadata={"cases": json.dumps(CASES)})
    print(f"{FIXTURE}: {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
