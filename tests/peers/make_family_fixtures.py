"""Writes tests/fixtures/models/FAMILY.safetensors and families.json: what the families beside ViT, CaiT and RegNet are and
compute, from timm's networks, or re-derived where timm has none (derived.py).

FAMILY.safetensors: of a small network whose weights, images and probes follow make_model_fixtures.py's `pattern`, in fp64:
logits and gradients in evaluation, and in training with the images of `kept` left out of branches; running statistics after
three steps of SGD on three batches; what its head reads and its last two blocks give.
families.json: parameters and MACs (PyTorch's counter) of the named sizes, names and shapes of tensors, initial values, what autograd
keeps of one more image, which tensors decay.

    make_family_fixtures.py [FAMILY...]    (no name: all, and families.json)
"""

import json
import sys

import torch
from safetensors.torch import save_file
from timm.layers import set_fused_attn
from timm.models.convit import ConVit
from timm.models.levit import LevitDistilled
from timm.models.mlp_mixer import Affine, MlpMixer, ResBlock
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.xcit import Xcit
from timm.optim import param_groups_weight_decay
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import derived
from patterns import (
    CLASSES, FIXTURES, IMAGES, IMAGES_PATTERN, PROBE_PATTERN, RATE, SECOND_PROBE_PATTERN, GivenDropPath, compute, fill,
    one_row_a_line, pattern, stored,
)  # fmt: skip

STEPS, STEP_RATE = 3, 1e-3


def resmlp(image_size, patch, width, depth, classes, layer_scale=0.1):
    block = lambda *args, **kwargs: ResBlock(*args, init_values=layer_scale, **kwargs)  # noqa: E731
    model = MlpMixer(
        num_classes=classes, img_size=image_size, patch_size=patch, num_blocks=depth, embed_dim=width, mlp_ratio=4,
        block_layer=block, norm_layer=Affine,
    )  # fmt: skip
    return derived.start_as_deit(model)


def with_narrow_stem(model, width):
    """timm's ResNet has a stem of 64 channels, whatever its other widths."""
    first = model.layer1[0]
    model.conv1, model.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
    first.conv1 = nn.Conv2d(width, *first.conv1.weight.shape[:1], first.conv1.kernel_size, padding=first.conv1.padding, bias=False)
    out = first.downsample[0].out_channels
    first.downsample[0] = nn.Conv2d(width, out, 1, bias=False)
    if out == width:
        first.downsample = None
    return model


def levit(image_size, widths, heads, depths, key, classes):
    return LevitDistilled(
        img_size=image_size, num_classes=classes, embed_dim=widths, num_heads=heads, depth=depths, key_dim=key,
        attn_ratio=2, mlp_ratio=2,
    )  # fmt: skip


class Small:
    """A small network: layers in order with the attributes of their branches' stochastic depth, the blocks whose outputs
    are features, and how an output is pooled."""

    def __init__(self, model, image_size, layers, pooled, blocks=None, law="constant", classifier=("head",)):
        fill(model)
        self.model, self.image_size, self.layers, self.pooled, self.law = model.double(), image_size, layers, pooled, law
        self.blocks = blocks if blocks is not None else [layer for layer, _ in layers]
        self.classifiers = [self.model.get_submodule(name) for name in classifier]
        self.branches = max(len(attributes) for _, attributes in layers)


def mean_of_map(x):
    return x.mean((2, 3))


def small_resnet(block, layers, channels, pooling=False):
    if pooling:
        model = derived.PooledResNet(layers, CLASSES, channels=channels)
    else:
        model = ResNet(block, layers, num_classes=CLASSES, channels=channels)
    with_narrow_stem(model, 8)
    blocks = [block for i in range(1, 5) for block in getattr(model, f"layer{i}")]
    return Small(model, 37, [(block, ["drop_path"]) for block in blocks], mean_of_map, law="linear", classifier=["fc"])


def small_resmlp():
    model = resmlp(14 - 14 % 4, 4, 16, 2, CLASSES)
    return Small(model, 14, [(block, ["drop_path", "drop_path"]) for block in model.blocks], lambda x: model.norm(x).mean(1))


def small_xcit(patch, tokens_norm, image_size):
    model = Xcit(
        img_size=image_size, patch_size=patch, embed_dim=16, depth=2, num_heads=2, num_classes=CLASSES, eta=1.0,
        tokens_norm=tokens_norm,
    )  # fmt: skip
    layers = [(block, ["drop_path1", "drop_path3", "drop_path2"]) for block in model.blocks]
    return Small(model, image_size, layers, lambda x: model.norm(x)[:, 0], blocks=list(model.cls_attn_blocks))


def small_patchconvnet(**form):
    model = derived.PatchConvNet(16, 2, CLASSES, **form)
    classifier = [f"head.{k}" for k in range(CLASSES)] if form.get("multi") else ["head"]
    return Small(
        model, 48, [(block, ["drop_path"]) for block in model.blocks], lambda x: model.aggregate(x).mean(1),
        classifier=classifier,
    )  # fmt: skip


def small_convit():
    model = ConVit(img_size=12, patch_size=4, embed_dim=4, depth=4, num_heads=4, num_classes=CLASSES, local_up_to_layer=2)
    layers = [(block, ["drop_path", "drop_path"]) for block in model.blocks]
    return Small(model, 12, layers, lambda x: model.norm(x)[:, 0], law="linear")


def small_levit():
    model = levit(64, (8, 12, 16), (2, 3, 2), (2, 1, 1), 4, CLASSES)
    layers, blocks = [], []
    for stage in model.stages:
        if not isinstance(stage.downsample, nn.Identity):
            layers.append((stage.downsample, [None, "drop_path"]))
        layers += [(block, ["drop_path1", "drop_path2"]) for block in stage.blocks]
    return Small(model, 64, layers, lambda x: x.mean(1), blocks=[layer for layer, _ in layers], classifier=["head.linear"])


def small_hmlp():
    model = derived.hmlp_vit(48, 16, 2, 2, CLASSES)
    layers = [(block, ["drop_path1", "drop_path2"]) for block in model.blocks]
    return Small(model, 48, layers, lambda x: model.norm(x)[:, 0])


SMALL = {
    "resnet_basic": lambda: small_resnet(BasicBlock, (2, 1, 1, 1), (8, 8, 12, 16)),
    "resnet_bottleneck": lambda: small_resnet(Bottleneck, (1, 2, 1, 1), (4, 4, 4, 8)),
    "resmlp": small_resmlp,
    "vit_hmlp": small_hmlp,
    "xcit_p16": lambda: small_xcit(16, True, 48),
    "xcit_p8": lambda: small_xcit(8, False, 24),
    "patchconvnet": small_patchconvnet,
    "patchconvnet_multi": lambda: small_patchconvnet(multi=True),
    "patchconvnet_bn": lambda: small_patchconvnet(batch_norm=True),
    "resnet_attn": lambda: small_resnet(Bottleneck, (1, 1, 1, 1), (4, 4, 4, 4), pooling=True),
    "convit": small_convit,
    "levit": small_levit,
}  # fmt: skip


def drop_given(small, kept):
    """kept[branches * layer + branch, image]."""
    last = len(small.layers) - 1
    for layer, (block, attributes) in enumerate(small.layers):
        rate = RATE if small.law == "constant" else RATE * layer / last
        rows = kept[small.branches * layer : small.branches * (layer + 1)]
        if rate == 0:
            continue
        for attribute in set(attributes) - {None}:
            own = [row for row, name in zip(rows, attributes) if name == attribute]
            setattr(block, attribute, GivenDropPath(*own, rate=rate))


def batch(small, step):
    images = 2 * pattern(IMAGES_PATTERN + 10 * step, (IMAGES, 3, small.image_size, small.image_size))
    whole = small.model.stem.img_size[0] if hasattr(getattr(small.model, "stem", None), "img_size") else small.image_size
    return images[:, :, :whole, :whole]


def features_of(small, images):
    read, outputs = [], []
    hooks = [c.register_forward_pre_hook(lambda _module, inputs: read.append(inputs[0])) for c in small.classifiers]
    hooks += [b.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for b in small.blocks[-2:]]
    with torch.no_grad():
        small.model(images)
        outputs = [small.pooled(out) for out in list(outputs)]
    for hook in hooks:
        hook.remove()
    return {"features.head": torch.cat(read[: len(small.classifiers)], 1), "features.last": torch.cat(outputs, 1)}


def three_steps(small, probes):
    optimizer = torch.optim.SGD(small.model.parameters(), lr=STEP_RATE)
    for step in range(STEPS):
        optimizer.zero_grad()
        outputs = small.model(batch(small, step))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum((out * probe).sum() for out, probe in zip(outputs, probes)).backward()
        optimizer.step()
    return {f"steps.statistic.{n}": b.clone() for n, b in small.model.named_buffers() if n.endswith(("_mean", "_var"))}


def small_network(name):
    small = SMALL[name]()
    model = small.model
    probes = [pattern(number, (IMAGES, CLASSES)) for number in (PROBE_PATTERN, SECOND_PROBE_PATTERN)]
    kept = torch.rand(small.branches * len(small.layers), IMAGES, generator=torch.Generator().manual_seed(3)) >= RATE
    model.eval()
    tensors = {"kept": kept.to(torch.uint8)} | features_of(small, batch(small, 0))
    model.train()  # LeViT forgets the biases that it gathered without gradients
    model.eval()
    logits, gradients = compute(model, batch(small, 0), probes)
    tensors["eval.logits"] = logits  # [heads, B, K]; the mean in evaluation
    tensors |= {f"eval.gradient.{n}": g for n, g in gradients.items()}
    model.train()
    drop_given(small, kept)
    getattr(model, "set_distilled_training", lambda: None)()
    state = {n: t.clone() for n, t in model.state_dict().items()}
    logits, gradients = compute(model, batch(small, 0), probes)
    tensors["train.logits"] = logits
    tensors |= {f"train.gradient.{n}": g for n, g in gradients.items()}
    model.load_state_dict(state)
    tensors |= three_steps(small, probes)
    path = FIXTURES / f"{name}.safetensors"
    save_file({n: t.contiguous() for n, t in tensors.items()}, path, metadata={"drop_path": str(RATE)})
    path.chmod(0o644)
    print(name, f"{path.stat().st_size // 1024} KiB", "logits up to", tensors["eval.logits"].abs().max().item(),
          tensors["train.logits"].abs().max().item())  # fmt: skip


RESMLP = {  # patch, width, depth, LayerScale
    "resmlp_s12": (16, 384, 12, 0.1), "resmlp_s12_14": (14, 384, 12, 0.1), "resmlp_s12_8": (8, 384, 12, 0.1),
    "resmlp_s24": (16, 384, 24, 1e-5), "resmlp_s36": (16, 384, 36, 1e-6), "resmlp_b24": (16, 768, 24, 1e-6),
    "resmlp_b24_8": (8, 768, 24, 1e-6),
}  # fmt: skip
XCIT = {  # width, depth, heads, LayerScale
    "xcit_n12": (128, 12, 4, 1.0), "xcit_t12": (192, 12, 4, 1.0), "xcit_t24": (192, 24, 4, 1e-5),
    "xcit_s12": (384, 12, 8, 1.0), "xcit_s24": (384, 24, 8, 1e-5), "xcit_m24": (512, 24, 8, 1e-5),
    "xcit_l24": (768, 24, 16, 1e-5),
}  # fmt: skip
PATCHCONVNET = {  # width, depth, LayerScale
    "patchconvnet_s20": (384, 20, 1e-4), "patchconvnet_s36": (384, 36, 1e-4), "patchconvnet_s60": (384, 60, 1e-4),
    "patchconvnet_s120": (384, 120, 1e-6), "patchconvnet_b36": (768, 36, 1e-6), "patchconvnet_b60": (768, 60, 1e-6),
    "patchconvnet_b120": (768, 120, 1e-6), "patchconvnet_l60": (1024, 60, 1e-6), "patchconvnet_l120": (1024, 120, 1e-6),
}  # fmt: skip
LEVIT = {  # widths, heads, depths, key
    "levit_128s": ((128, 256, 384), (4, 6, 8), (2, 3, 4), 16), "levit_128": ((128, 256, 384), (4, 8, 12), (4, 4, 4), 16),
    "levit_192": ((192, 288, 384), (3, 5, 6), (4, 4, 4), 32), "levit_256": ((256, 384, 512), (4, 6, 8), (4, 4, 4), 32),
    "levit_384": ((384, 512, 768), (6, 9, 12), (4, 4, 4), 32),
}  # fmt: skip
RESNET = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
CONVIT = {"convit_ti": 4, "convit_s": 9, "convit_b": 16}  # heads
HMLP = {"vit_ti16_hmlp": (192, 12, 3), "vit_s16_hmlp": (384, 12, 6), "vit_b16_hmlp": (768, 12, 12), "vit_l16_hmlp": (1024, 24, 16)}
REGNET = ("regnety_040", "regnety_080", "regnety_120", "regnety_320")


def named(name, image_size, classes=1000):
    if name in RESNET:
        return ResNet(BasicBlock if name == "resnet18" else Bottleneck, RESNET[name], num_classes=classes)
    if name == "resnet50_attn":
        return derived.PooledResNet(RESNET["resnet50"], classes)
    if name in REGNET:
        import timm

        return timm.create_model(name, num_classes=classes)
    if name in RESMLP:
        patch, width, depth, layer_scale = RESMLP[name]
        return resmlp(image_size, patch, width, depth, classes, layer_scale)
    if name.startswith("xcit"):
        size, patch = name.rsplit("_p", 1)
        width, depth, heads, layer_scale = XCIT[size]
        return Xcit(
            img_size=image_size, patch_size=int(patch), embed_dim=width, depth=depth, num_heads=heads, num_classes=classes,
            eta=layer_scale, tokens_norm=size != "xcit_n12",
        )  # fmt: skip
    if name.startswith("patchconvnet"):
        size = name.removesuffix("_multi").removesuffix("_bn")
        width, depth, layer_scale = PATCHCONVNET[size]
        return derived.PatchConvNet(
            width, depth, classes, layer_scale, multi=name.endswith("_multi"), batch_norm=name.endswith("_bn"))  # fmt: skip
    if name in CONVIT:
        return ConVit(img_size=image_size, embed_dim=48, num_heads=CONVIT[name], num_classes=classes, local_up_to_layer=10)
    if name in HMLP:
        return derived.hmlp_vit(image_size, *HMLP[name], classes)
    return levit(image_size, *LEVIT[name], classes)


def network_row(name, image_size):
    """MACs: of convolutions and matrix products; 5 an element of LayerNorm apart, as fvcore counts them."""
    set_fused_attn(False)
    elements = []
    with torch.device("meta"):
        model = named(name, image_size).eval()
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.register_forward_hook(lambda _module, _inputs, out: elements.append(out.numel()))
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 3, image_size, image_size))
    return {
        "name": name,
        "image_size": image_size,
        "params": sum(p.numel() for p in model.parameters()),
        "products": counter.get_total_flops() // 2,
        "norms": 5 * sum(elements),
    }


def parameters(name):
    with torch.device("meta"):
        return [[n, list(t.shape)] for n, t in stored(named(name, 224)).items()]


def initial_moments(name):
    """[tensor, mean, deviation] of a fresh network; of its blocks the first ones."""
    torch.manual_seed(5)
    model = named(name, 224)
    later = ("layer2", "layer3", "layer4", "s2", "s3", "s4", "stages.2", "cls_attn_blocks.1")
    return [
        [n, p.mean().item(), p.std(unbiased=False).item()]
        for n, p in model.named_parameters()
        if not n.startswith(later) and not (n.startswith("blocks.") and 0 < int(n.split(".")[1]) < 11)
        and not (n.startswith("head.") and n.split(".")[1].isdigit() and int(n.split(".")[1]) > 1)
    ]  # fmt: skip


def kept_bytes(name, images):
    """What autograd keeps for images of 64 pixels beside parameters and images, each storage once."""
    set_fused_attn(True)
    model = named(name, 64, 10)
    image = torch.randn(images, 3, 64, 64)
    own = {t.untyped_storage().data_ptr() for t in (image, *model.parameters(), *model.buffers())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(image)
    return sum(storage.nbytes() for storage in kept.values())


def decay(name):
    """The parameters that decay by timm's rule of shapes and names."""
    with torch.device("meta"):
        model = named(name, 224)
    groups = param_groups_weight_decay(model, 0.05, no_weight_decay_list=getattr(model, "no_weight_decay", set)())
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    return [n for n, p in model.named_parameters() if id(p) in decayed]


def names():
    yield from (*RESNET, *REGNET, *RESMLP, *HMLP)
    yield from (f"{size}_p{patch}" for size in XCIT for patch in (16, 8))
    yield from PATCHCONVNET
    yield from ("patchconvnet_s60_multi", "patchconvnet_s60_bn", "resnet50_attn", *CONVIT, *LEVIT)


ONE_OF_EACH = (
    "resnet18", "resnet50", "resmlp_s12", "vit_ti16_hmlp", "xcit_n12_p16", "xcit_t12_p8", "patchconvnet_s20",
    "patchconvnet_s60_multi", "patchconvnet_s60_bn", "resnet50_attn", "convit_ti", "levit_128s",
)  # fmt: skip


def table():
    rows = [(name, 224) for name in names()]
    rows += [(f"patchconvnet_{size}", 384) for size in ("s60", "b60", "b120", "l60", "l120")]
    few = [name for name in ONE_OF_EACH if name not in ("patchconvnet_s60_multi", "patchconvnet_s60_bn")]
    return {
        "networks": [network_row(*row) for row in rows],
        "parameters": {name: parameters(name) for name in ONE_OF_EACH},
        "initial_moments": {name: initial_moments(name) for name in few},
        "activation_bytes_of_one_more_image": {name: kept_bytes(name, 3) - kept_bytes(name, 2) for name in few},
        "decay": {name: decay(name) for name in few},
    }


def main():
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or list(SMALL)
    for name in chosen:
        if name in SMALL:
            set_fused_attn(True)
            small_network(name)
    if not sys.argv[1:] or "table" in chosen:
        (FIXTURES / "families.json").write_text(one_row_a_line(table()) + "\n")


if __name__ == "__main__":
    main()
