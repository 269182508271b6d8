"""What fixtures of some steps of a task have in common: which parameters decay, and how the end is written."""

import json

import torch
from safetensors.torch import save_file


def decay_groups(trained):
    """Parameters with names -> those that decay, and vectors and biases, which do not."""
    plain = [p for n, p in trained if n.endswith(".bias") or p.ndim == 1]
    decayed = [p for n, p in trained if not (n.endswith(".bias") or p.ndim == 1)]
    return decayed, plain


def grad_norm(trained):
    return torch.stack([p.grad.norm() for _, p in trained]).norm().item()


def save_steps(path, settings, initial, student, trained, optimizer, losses, grad_norms, more):
    """write_steps with AdamW's moments."""
    moments = {f"{moment}.{n.removeprefix('body.')}": optimizer.state[p][moment]
               for n, p in trained for moment in ("exp_avg", "exp_avg_sq")}
    write_steps(path, settings, initial, student, losses, grad_norms, moments | more)


def write_steps(path, settings, initial, student, losses, grad_norms, more):
    """`initial` and `student`: tensors by name, at the first and after the last step. The body's names have no prefix."""
    tensors = {f"initial.{n}": t for n, t in initial.items()} | {f"student.{n}": t for n, t in student.items()}
    tensors |= {"loss": torch.tensor(losses, dtype=torch.float64), "grad_norm": torch.tensor(grad_norms, dtype=torch.float64)}
    tensors |= more
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: t.detach().contiguous() for k, t in tensors.items()}, path, metadata={"settings": json.dumps(settings)})
    path.chmod(0o644)
    print(f"{path.stem}: loss {losses[0]:.6f} -> {losses[-1]:.6f}, gradient norms {min(grad_norms):.3f} .. {max(grad_norms):.3f}")
