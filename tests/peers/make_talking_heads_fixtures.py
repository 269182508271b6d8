"""Writes tests/fixtures/models/talking_heads.safetensors: timm's talking-heads attention between its two projections.

Per number of heads, in fp64: qkv [B,T,3D] as the projection in front gives it, the weights and biases of both linear
maps over heads, a probe [B,T,D], the output [B,T,D] in front of the projection behind, and the gradients of
sum(output * probe).
"""

import pathlib

import torch
from safetensors.torch import save_file
from timm.models.cait import TalkingHeadAttn

PATH = pathlib.Path(__file__).parent.parent / "fixtures" / "models" / "talking_heads.safetensors"
CASES = ((4, 2, 19, 6), (16, 1, 35, 3))  # heads, images, tokens, numbers of a head


class Given(torch.nn.Module):
    """In place of a projection: a tensor that is given."""

    def __init__(self, value):
        super().__init__()
        self.value = torch.nn.Parameter(value)

    def forward(self, _):
        return self.value


def case(heads, images, tokens, head_width):
    width = heads * head_width
    attention = TalkingHeadAttn(width, heads)
    attention.qkv = Given(torch.randn(images, tokens, 3 * width) * 2)
    attention.proj = torch.nn.Identity()
    for map_over_heads in (attention.proj_l, attention.proj_w):
        torch.nn.init.normal_(map_over_heads.weight, std=0.7)
        torch.nn.init.normal_(map_over_heads.bias, std=0.7)
    attention.double()
    probe = torch.randn(images, tokens, width, dtype=torch.double)
    output = attention(torch.empty(images, tokens, width))
    (output * probe).sum().backward()
    named = {
        "qkv": attention.qkv.value,
        "logits_weight": attention.proj_l.weight,
        "logits_bias": attention.proj_l.bias,
        "weights_weight": attention.proj_w.weight,
        "weights_bias": attention.proj_w.bias,
    }
    tensors = {f"{heads}.{name}": p.detach() for name, p in named.items()}
    tensors |= {f"{heads}.gradient.{name}": p.grad for name, p in named.items()}
    return tensors | {f"{heads}.probe": probe, f"{heads}.out": output.detach()}


def main():
    torch.manual_seed(0)
    tensors = {}
    for sizes in CASES:
        tensors |= case(*sizes)
    save_file(tensors, PATH)
    PATH.chmod(0o644)


if __name__ == "__main__":
    main()
