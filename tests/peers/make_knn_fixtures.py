"""Writes tests/fixtures/trainer/knn.safetensors: weighted k-NN classification, as DINO defines it, in PyTorch.

known [300,16], known_labels; asked [90,16], asked_labels; for each case (metadata, JSON): top-1 and top-5 in percent, and
CASE.votes [90,7], each class's sum of exp(cosine / temperature) over the k nearest. Metadata `retrieval`: mean average
precisions in percent, of all known images by cosine, by cosine + log(p / (1 - p)) with p of votes or of an oracle, for coarse
classes COARSE_OF. Metadata `cross_validated`: which k classifies most known images, each left out, and its top-1.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "trainer" / "knn.safetensors"
CLASSES, WIDTH = 7, 16
COARSE_OF = [0, 0, 1, 1, 2, 2, 2]
CANDIDATES = (10, 15, 20, 25, 30)
CASES = {"nearest": (1, 0.07), "few": (5, 0.07), "usual": (20, 0.07), "flat": (20, 1.0), "all": (300, 0.07)}


def images(count, centres):
    labels = torch.randint(CLASSES, (count,))
    return centres[labels] + 1.2 * torch.randn(count, WIDTH), labels


def votes_of(cosines, labels, k, temperature):
    nearest, indices = cosines.topk(k)
    votes = torch.zeros(len(cosines), CLASSES, dtype=torch.float64)
    return votes.scatter_add_(1, labels[indices], (nearest / temperature).exp())


def mean_average_precision(scores, known_labels, asked_labels):
    total = 0.0
    for row, label in zip(scores, asked_labels):
        hits = (known_labels[row.argsort(descending=True, stable=True)] == label).double()
        precisions = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
        total += (precisions * hits).sum().item() / hits.sum().item()
    return 100 * total / len(scores)


def retrieval(cosines, known_labels, asked_labels):
    coarse_of = torch.tensor(COARSE_OF)
    votes = votes_of(cosines, known_labels, 20, 0.07)
    shares = torch.zeros(len(votes), 3, dtype=torch.float64).index_add_(1, coarse_of, votes / votes.sum(1, keepdim=True))
    oracle = F.one_hot(coarse_of[asked_labels]).double()

    def given(probabilities):
        p = probabilities.clamp(1e-6, 1 - 1e-6)
        return mean_average_precision(cosines + (p / (1 - p)).log()[:, coarse_of[known_labels]], known_labels, asked_labels)
    return {"coarse_of": COARSE_OF, "map": mean_average_precision(cosines, known_labels, asked_labels),
            "map_conditional": given(shares), "map_oracle": given(oracle)}


def cross_validated(known, known_labels, cosines, asked_labels):
    among = F.normalize(known.double()) @ F.normalize(known.double()).T
    among.fill_diagonal_(-2)
    right = [(votes_of(among, known_labels, k, 0.07).argmax(1) == known_labels).sum().item() for k in CANDIDATES]
    k = CANDIDATES[right.index(max(right))]
    hits = votes_of(cosines, known_labels, k, 0.07).argmax(1) == asked_labels
    return {"k": k, "right": right, "top1": 100 * hits.double().mean().item()}


def main():
    torch.manual_seed(5)
    centres = torch.randn(CLASSES, WIDTH)
    known, known_labels = images(300, centres)
    asked, asked_labels = images(90, centres)
    cosines = F.normalize(asked.double()) @ F.normalize(known.double()).T
    tensors = {"known": known, "known_labels": known_labels, "asked": asked, "asked_labels": asked_labels}
    cases = {}
    for name, (k, temperature) in CASES.items():
        votes = votes_of(cosines, known_labels, k, temperature)
        ranked = votes.argsort(dim=1, descending=True, stable=True)  # of equal votes the lower class first
        hits = ranked == asked_labels[:, None]
        cases[name] = {
            "k": k, "temperature": temperature,
            "top1": 100 * hits[:, :1].any(1).double().mean().item(), "top5": 100 * hits[:, :5].any(1).double().mean().item(),
        }
        tensors[f"{name}.votes"] = votes
    more = {"retrieval": retrieval(cosines, known_labels, asked_labels),
            "cross_validated": cross_validated(known, known_labels, cosines, asked_labels)}
    save_file(tensors, FIXTURE, metadata={key: json.dumps(value) for key, value in (more | {"cases": cases}).items()})
    FIXTURE.chmod(0o644)
    print(cases, more)


if __name__ == "__main__":
    main()
