"""What the scripts that compare networks share: numbers that both sides make by one formula, images left out of branches as
given, logits with gradients, and how JSON is written."""

import json
import pathlib

import numpy
import torch

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "models"
CLASSES = 5
IMAGES = 6
RATE = 0.4
IMAGES_PATTERN, PROBE_PATTERN, SECOND_PROBE_PATTERN, DROPOUT_PATTERN = 1000, 1001, 1002, 3000


def pattern(number, shape):
    """Numbers in [-1, 1), multiples of 2^-16, that look random and that any language can make."""
    count = int(numpy.prod(shape))
    mask = numpy.uint64(0xFFFFFFFF)
    v = (numpy.arange(1, count + 1, dtype=numpy.uint64) + numpy.uint64(number * 1000003)) & mask
    v = (v * numpy.uint64(2654435761)) & mask
    v ^= v >> numpy.uint64(15)
    v = (v * numpy.uint64(2246822519)) & mask
    v ^= v >> numpy.uint64(13)
    return torch.from_numpy((v >> numpy.uint64(15)).astype(numpy.float64) / 65536 - 1).reshape(shape)


def stored(model):
    return {name: t for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def weight_value(name, shape, noise):
    """Every term of a network counts: gains near 1, LayerScale near 1/2, heads that talk."""
    if "gamma" in name or name.endswith(("ls1", "ls2")):
        return 0.5 + 0.25 * noise
    if name.endswith("running_var"):
        return 1 + 0.5 * noise
    if (len(shape) == 1 and name.endswith("weight")) or name.endswith(("alpha", "temperature", "gating_param")):
        return 1 + 0.25 * noise
    if "proj_l.weight" in name or "proj_w.weight" in name:
        return 0.5 * noise
    return 0.25 * noise


def fill(model):
    state = {
        name: weight_value(name, t.shape, pattern(number, t.shape))
        for number, (name, t) in enumerate(stored(model).items())
    }
    model.load_state_dict(state, strict=False)


class GivenDropPath(torch.nn.Module):
    """Stochastic depth as timm computes it, of masks [B] that are given, one for each call."""

    def __init__(self, *kept, rate=RATE):
        super().__init__()
        self.kept, self.rate, self.calls = kept, rate, 0

    def forward(self, x):
        kept = self.kept[self.calls % len(self.kept)]
        self.calls += 1
        return x * (kept.to(x.dtype) / (1 - self.rate)).view(-1, *[1] * (x.ndim - 1))


class GivenDropout(torch.nn.Module):
    """Dropout of elements that a pattern chooses, another one in each place of the network."""

    def __init__(self, place, rate):
        super().__init__()
        self.place, self.rate = place, rate

    def forward(self, x):
        kept = pattern(DROPOUT_PATTERN + self.place, x.shape) >= 2 * self.rate - 1
        return x * kept.to(x.dtype) / (1 - self.rate)


def compute(model, images, probes):
    """Logits, and gradients of their sum weighted by the probe; of both heads where the network gives two."""
    model.zero_grad()
    outputs = model(images)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum((out * probe).sum() for out, probe in zip(outputs, probes)).backward()
    return torch.stack([out.detach() for out in outputs]), {n: p.grad.clone() for n, p in model.named_parameters()}


def one_row_a_line(content):
    """JSON whose sections' entries take one line each."""
    sections = []
    for key, entries in content.items():
        is_map = isinstance(entries, dict)
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in entries.items()] if is_map else map(json.dumps, entries)
        opening, closing = "{}" if is_map else "[]"
        sections.append(f"{json.dumps(key)}: {opening}\n" + ",\n".join(lines) + f"\n{closing}")
    return "{\n" + ",\n".join(sections) + "\n}"
