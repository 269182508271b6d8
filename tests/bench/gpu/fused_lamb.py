"""timm's Lamb with all parameters in one flat tensor, so that torch.compile makes two kernels of an update: what a user has who
does not leave LAMB to one small kernel after another.

Every parameter begins at a whole row of ROW numbers; norms of parameters are sums over their rows. Same arithmetic as
timm.optim.Lamb with its defaults (You et al. 2020), which the test beside it compares it with.
"""

import torch

ROW = 1024


def direction(weight, gradient, exp_avg, exp_avg_sq, scalars, betas, eps, decay, max_norm):
    """Moves the moments; the update [rows, ROW] and the squares of each row of weights and of it."""
    clip = torch.clamp(gradient.square().sum().sqrt() / max_norm, min=1.0)
    scaled = gradient / clip
    exp_avg.mul_(betas[0]).add_(scaled, alpha=1 - betas[0])
    exp_avg_sq.mul_(betas[1]).add_(scaled.square(), alpha=1 - betas[1])
    update = (exp_avg / scalars[0]) / (exp_avg_sq.sqrt() / scalars[1].sqrt() + eps) + decay * weight
    return update, weight.square().sum(1), update.square().sum(1)


def move(weight, update, weight_squares, update_squares, owner, parameters, lr):
    """By the trust ratio of each parameter."""
    zeros = torch.zeros(parameters, device=weight.device)
    w, u = (zeros.index_add(0, owner, squares).sqrt() for squares in (weight_squares, update_squares))
    trust = torch.where((w > 0) & (u > 0), w / u, torch.ones_like(w))
    weight.sub_(update * (lr * trust)[owner].unsqueeze(1))


class FusedLamb(torch.optim.Optimizer):
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, max_grad_norm=1.0, backend="inductor"):
        super().__init__(parameters, {"lr": lr})
        (group,) = self.param_groups
        self.rule = (betas, eps, weight_decay, max_grad_norm)
        counts = [(p.numel() + ROW - 1) // ROW for p in group["params"]]
        device = group["params"][0].device
        self.owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(device)
        self.weight, self.gradient, self.exp_avg, self.exp_avg_sq = (torch.zeros(sum(counts), ROW, device=device) for _ in range(4))
        self.steps, self.count = 0, len(counts)
        self.direction, self.move = (torch.compile(half, backend=backend) for half in (direction, move))
        first = 0
        for parameter, rows in zip(group["params"], counts):
            own = self.weight[first : first + rows].view(-1)[: parameter.numel()].view_as(parameter)
            own.copy_(parameter.detach())
            parameter.data = own
            parameter.grad = self.gradient[first : first + rows].view(-1)[: parameter.numel()].view_as(parameter)
            first += rows

    def zero_grad(self, set_to_none=True):
        self.gradient.zero_()

    @torch.no_grad()
    def step(self, closure=None):
        self.steps += 1
        betas, eps, decay, max_norm = self.rule
        # A tensor, else each step would be compiled anew.
        scalars = torch.tensor([1 - beta**self.steps for beta in betas]).to(self.weight.device)
        update, *squares = self.direction(
            self.weight, self.gradient, self.exp_avg, self.exp_avg_sq, scalars, betas, eps, decay, max_norm
        )
        self.move(self.weight, update, *squares, self.owner, self.count, self.param_groups[0]["lr"])
