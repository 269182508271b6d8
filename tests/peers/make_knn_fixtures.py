"""Writes tests/fixtures/trainer/knn.safetensors: weighted k-NN classification, as DINO defines it, in PyTorch.

known [300,16], known_labels; asked [90,16], asked_labels; for each case (metadata, JSON): top-1 and top-5 in percent, and
CASE.votes [90,7], each class's sum of exp(cosine / temperature) over the k nearest.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "trainer" / "knn.safetensors"
CLASSES, WIDTH = 7, 16
CASES = {"nearest": (1, 0.07), "few": (5, 0.07), "usual": (20, 0.07), "flat": (20, 1.0), "all": (300, 0.07)}


def images(count, centres):
    labels = torch.randint(CLASSES, (count,))
    return centres[labels] + 1.2 * torch.randn(count, WIDTH), labels


def main():
    torch.manual_seed(5)
    centres = torch.randn(CLASSES, WIDTH)
    known, known_labels = images(300, centres)
    asked, asked_labels = images(90, centres)
    cosines = F.normalize(asked.double()) @ F.normalize(known.double()).T
    tensors = {"known": known, "known_labels": known_labels, "asked": asked, "asked_labels": asked_labels}
    cases = {}
    for name, (k, temperature) in CASES.items():
        nearest, indices = cosines.topk(k)
        votes = torch.zeros(len(asked), CLASSES, dtype=torch.float64)
        votes.scatter_add_(1, known_labels[indices], (nearest / temperature).exp())
        ranked = votes.argsort(dim=1, descending=True, stable=True)  # of equal votes the lower class first
        hits = ranked == asked_labels[:, None]
        cases[name] = {
            "k": k, "temperature": temperature,
            "top1": 100 * hits[:, :1].any(1).double().mean().item(), "top5": 100 * hits[:, :5].any(1).double().mean().item(),
        }
        tensors[f"{name}.votes"] = votes
    save_file(tensors, FIXTURE, metadata={"cases": json.dumps(cases)})
    FIXTURE.chmod(0o644)
    print(cases)


if __name__ == "__main__":
    main()
