"""Networks that no package has, re-derived from timm's parts and from what was published of them: PatchConvNet, ResNet with
attention pooling, the hMLP stem. Tensor names of PatchConvNet and hMLP are those of DeiT's repository."""

from functools import partial

import torch
from timm.layers import Mlp
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models.cait import ClassAttn
from timm.models.resnet import Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


def start_as_deit(model):
    """What DeiT's codes do to linear layers, tokens and norms; convolutions keep PyTorch's law."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    if hasattr(model, "cls_token"):
        nn.init.trunc_normal_(model.cls_token, std=0.02)
    return model


class PatchesAnswer(ClassAttn):
    """Queries of the first `count` tokens, keys and values of the others; of one head."""

    def __init__(self, width, count):
        super().__init__(width, num_heads=1, qkv_bias=True)
        self.count = count

    def forward(self, x):
        tokens, patches = x[:, : self.count], x[:, self.count :]
        logits = (self.q(tokens) * x.shape[2] ** -0.5) @ self.k(patches).transpose(1, 2)
        return self.proj(self.attn_drop(logits.softmax(-1)) @ self.v(patches))


class Aggregation(nn.Module):
    """Class attention of one head and an MLP of ratio 3, on class tokens."""

    def __init__(self, width, layer_scale, attention=None):
        super().__init__()
        self.gamma_1 = nn.Parameter(layer_scale * torch.ones(width))
        self.gamma_2 = nn.Parameter(layer_scale * torch.ones(width))
        self.norm1 = LAYER_NORM(width)
        self.attn = attention or ClassAttn(width, num_heads=1, qkv_bias=True)
        self.norm2 = LAYER_NORM(width)
        self.mlp = Mlp(width, 3 * width)

    def forward(self, x, tokens):
        tokens = tokens + self.gamma_1 * self.attn(self.norm1(torch.cat([tokens, x], 1)))
        return tokens + self.gamma_2 * self.mlp(self.norm2(tokens))


class TokenBatchNorm(nn.BatchNorm1d):
    def forward(self, x):
        return super().forward(x.flatten(0, 1)).view(x.shape)


class Columns(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv_pos = nn.Sequential(
            nn.Conv2d(width, width, 1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1, groups=width), nn.GELU(),
            SqueezeExcite(width, rd_ratio=0.25), nn.Conv2d(width, width, 1),
        )

    def forward(self, x):
        side = round(x.shape[1] ** 0.5)
        return self.qkv_pos(x.transpose(1, 2).unflatten(2, (side, side))).flatten(2).transpose(1, 2)


class ColumnBlock(nn.Module):
    def __init__(self, width, layer_scale, norm):
        super().__init__()
        self.gamma_1 = nn.Parameter(layer_scale * torch.ones(width))
        self.norm1 = norm(width)
        self.attn = Columns(width)
        self.drop_path = nn.Identity()

    def forward(self, x):
        return x + self.drop_path(self.gamma_1 * self.attn(self.norm1(x)))


class Stem(nn.Module):
    def __init__(self, width):
        super().__init__()
        widths = [3, width // 8, width // 4, width // 2, width]
        layers = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False)), nn.GELU()]
        self.proj = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class PatchConvNet(nn.Module):
    def __init__(self, width, depth, classes, layer_scale=1e-4, multi=False, batch_norm=False):
        super().__init__()
        tokens = classes if multi else 1
        self.multi = multi
        self.cls_token = nn.Parameter(torch.zeros(1, tokens, width))
        self.patch_embed = Stem(width)
        norm = TokenBatchNorm if batch_norm else LAYER_NORM
        self.blocks = nn.ModuleList([ColumnBlock(width, layer_scale, norm) for _ in range(depth)])
        attention = PatchesAnswer(width, tokens) if multi else None
        self.blocks_token_only = nn.ModuleList([Aggregation(width, layer_scale, attention)])
        self.norm = LAYER_NORM(width)
        heads = [nn.Linear(width, 1) for _ in range(classes)]
        self.head = nn.ModuleList(heads) if multi else nn.Linear(width, classes)
        start_as_deit(self)

    def aggregate(self, x):
        tokens = self.blocks_token_only[0](x, self.cls_token.expand(len(x), -1, -1))
        return self.norm(torch.cat([tokens, x], 1))[:, : self.cls_token.shape[1]]

    def forward(self, x):
        x = self.patch_embed(x)
        for block in self.blocks:
            x = block(x)
        x = self.aggregate(x)
        if self.multi:
            return torch.cat([head(x[:, k]) for k, head in enumerate(self.head)], 1)
        return self.head(x[:, 0])


class PooledResNet(ResNet):
    """timm's, with PatchConvNet's aggregation behind its last stage; the classifier stays `fc`."""

    def __init__(self, layers, classes, layer_scale=1e-6, **changes):
        super().__init__(Bottleneck, layers, num_classes=classes, **changes)
        classifier = self.fc
        del self.fc
        width = self.num_features
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks_token_only = nn.ModuleList([Aggregation(width, layer_scale)])
        self.norm = LAYER_NORM(width)
        self.fc = classifier
        for module in (self.blocks_token_only, self.norm):
            start_as_deit(module)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, x):
        x = self.forward_features(x).flatten(2).transpose(1, 2)
        token = self.blocks_token_only[0](x, self.cls_token.expand(len(x), -1, -1))
        return self.fc(self.norm(token[:, 0]))


class HmlpStem(nn.Module):
    def __init__(self, img_size=224, patch_size=16, in_chans=3, embed_dim=768, **_):
        super().__init__()
        inner = embed_dim // 4
        self.num_patches = (img_size // 16) ** 2
        self.proj = nn.Sequential(
            nn.Conv2d(in_chans, inner, 4, 4), nn.BatchNorm2d(inner), nn.GELU(),
            nn.Conv2d(inner, inner, 2, 2), nn.BatchNorm2d(inner), nn.GELU(),
            nn.Conv2d(inner, embed_dim, 2, 2), nn.BatchNorm2d(embed_dim),
        )  # fmt: skip

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def hmlp_vit(image_size, width, depth, heads, classes, layer_scale=1e-4):
    """DeiT III with this stem."""
    model = VisionTransformer(
        img_size=image_size, patch_size=16, embed_dim=width, depth=depth, num_heads=heads, num_classes=classes,
        no_embed_class=True, init_values=layer_scale, norm_layer=LAYER_NORM,
    )  # fmt: skip
    nn.init.trunc_normal_(model.cls_token, std=0.02)
    model.patch_embed = HmlpStem(image_size, 16, 3, width)
    for module in model.patch_embed.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    return model
