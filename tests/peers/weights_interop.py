"""Weights between timm and Vitrail, both ways, for one published network of each kind at its full size.

    weights_interop.py VITRAIL FOLDER

For each kind, with random weights none of which is trivial:
- timm's state dict -> `vitrail import` -> `vitrail export` gives the same tensors to the bit, and timm loads the file with
  strict=True;
- `vitrail predict` gives timm's logits: within 1e-5 of their largest in fp32, within 1e-10 in fp64.
Exits 1 on the first difference. Needs torch, timm and safetensors; FOLDER is for files that may stay.
"""

import argparse
import pathlib
import subprocess
import sys

import networks
import timm
import torch
from safetensors.torch import load_file, save_file

IMAGES = 4
NETWORKS = {  # our name: timm's, changes by which timm's default becomes the published network
    "vit_s16": ("deit3_small_patch16_224", {}),
    "vit_s16_18x2": ("vit_small_patch16_18x2_224", {"no_embed_class": True, "init_values": 1e-4}),
    "deit_ti16": ("deit_tiny_patch16_224", {}),
    "deit_ti16_distilled": ("deit_tiny_distilled_patch16_224", {}),
    "cait_xxs24": ("cait_xxs24_224", {}),
    "regnety_160": ("regnety_160", {}),
    "regnety_040": ("regnety_040", {}),
    "resnet18": ("resnet18", {}),
    "resnet50": ("resnet50", {}),
    "resmlp_s12": ("resmlp_12_224", {}),
    "xcit_t12_p16": ("xcit_tiny_12_p16_224", {}),
    "convit_ti": ("convit_tiny", {}),
    "levit_128s": ("levit_128s", {}),
}


def demand(holds, what):
    if not holds:
        sys.exit(f"weights_interop: {what}")


def run(vitrail, *words):
    done = subprocess.run([vitrail, *map(str, words)], capture_output=True, text=True, check=False)
    demand(done.returncode == 0, f"{' '.join(done.args)}: {done.stderr}")


@torch.no_grad()
def randomise(network):
    networks.randomise(network, seed=3, scale=0.05)
    generator = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # a convolution's outputs as large as its inputs: sums in another order stay within the bound
            parameter.copy_(parameter / (0.05 * parameter[0].numel() ** 0.5))
    for name, buffer in network.named_buffers():  # running statistics of batch norms
        if name.endswith("running_mean"):
            buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
        if name.endswith("running_var"):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))


def check(vitrail, folder, name, alias, changes):
    network = timm.create_model(alias, pretrained=False, **changes).eval()
    randomise(network)
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    given, again, folder_of_checkpoint = (folder / f"{name}{end}" for end in (".safetensors", ".again.safetensors", ".imported"))
    save_file(state, given)
    run(vitrail, "import", "--model.name", name, "--model.weights", given, "--output", folder_of_checkpoint)
    run(vitrail, "export", "--checkpoint", folder_of_checkpoint, "--output", again)
    exported = load_file(again)
    counters = {key for key in state if key.endswith("num_batches_tracked")}
    demand(set(exported) == set(state) - counters, f"{name}: other tensors: {set(exported) ^ set(state)}")
    for key, value in exported.items():
        demand(torch.equal(value, state[key]), f"{name}: {key} came back with other bits")
    network.load_state_dict(exported | {key: state[key] for key in counters}, strict=True)

    images = torch.randn(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(9))
    save_file({"images": images}, folder / "images.safetensors")
    worst, answers = {}, {}
    for compute, dtype, bound in (("fp64", torch.float64, 1e-10), ("fp32", torch.float32, 1e-5)):
        logits_file = folder / f"{name}.{compute}.safetensors"
        run(
            vitrail, "predict", "--model.name", name, "--model.weights", again, "--precision.compute", compute,
            "--data", f"tensor:{folder / 'images.safetensors'}", "--output", logits_file,
        )
        ours = load_file(logits_file)["logits"]
        with torch.no_grad():
            theirs = network.to(dtype)(images.to(dtype))
        demand(ours.dtype == dtype, f"{name}: logits are {ours.dtype} in {compute}")
        scale = max(1.0, theirs.abs().max().item())
        answers[compute] = theirs.double()
        # A deep network of large values: no closer to timm's fp32 than that is to the truth.
        bound = max(bound, 2 * (answers["fp64"] - answers[compute]).abs().max().item() / scale)
        worst[compute] = (ours - theirs).abs().max().item() / scale
        demand(worst[compute] <= bound, f"{name}: logits differ by {worst[compute]:.2e} of {scale:.1f} in {compute}")
        demand(theirs.std(0).max() > 1e-3, f"{name}: timm finds all images alike: nothing was compared")
    print(f"{name}: {len(exported)} tensors equal; logits differ by {worst['fp32']:.1e} (fp32), {worst['fp64']:.1e} (fp64)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vitrail")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, (alias, changes) in NETWORKS.items():
        check(arguments.vitrail, arguments.folder, name, alias, changes)


if __name__ == "__main__":
    main()
