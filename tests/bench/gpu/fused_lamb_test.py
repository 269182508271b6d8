"""fused_lamb.py takes timm's steps, or ci/gpu.sh compares with something else. Needs torch and timm.

    python tests/bench/gpu/fused_lamb_test.py
"""

import unittest

import torch
from fused_lamb import FusedLamb
from timm.optim import Lamb

STEPS, TOLERANCE = 5, 1e-6


def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(40, 60), torch.nn.LayerNorm(60), torch.nn.Linear(60, 5, bias=False))


def trained(make):
    model = network()
    with torch.no_grad():
        model[2].weight[0].zero_()
    optimizer = make(model.parameters())
    torch.manual_seed(5)
    for step in range(STEPS):
        optimizer.zero_grad()
        size = 30 if step == 2 else 1  # of a gradient that is clipped
        (size * model(torch.randn(8, 40))).square().sum().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


class FusedLambTest(unittest.TestCase):
    def test_weights_are_those_of_timm(self):
        rule = {"lr": 0.05, "weight_decay": 0.02}
        ours = trained(lambda parameters: FusedLamb(parameters, **rule, backend="eager"))
        theirs = trained(lambda parameters: Lamb(parameters, **rule))
        for mine, expected in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, expected, rtol=0, atol=TOLERANCE)
        before = [parameter.detach() for parameter in network().parameters()]
        self.assertTrue(all((mine - start).abs().max() > 1e-3 for mine, start in zip(ours, before)))


if __name__ == "__main__":
    unittest.main()
