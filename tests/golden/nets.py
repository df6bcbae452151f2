"""One tiny net of each family, built from torchvision's own classes wherever it has them.

Each entry of `FAMILIES` is `(constructor, side_px, feature)`: `feature` names the module whose output is the feature map
that Grad-CAM explains.
"""
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models import convnext, efficientnet, inception, mobilenetv3, regnet, resnet, squeezenet, vgg
from torchvision.models.googlenet import BasicConv2d, Inception, InceptionAux  # `models.googlenet` is the function
from torchvision.ops.misc import Conv2dNormActivation

N_CLASSES = 5


class NarrowResNet(models.ResNet):
    """ResNet with a sixteenth of the channels."""

    def __init__(self, block, **kwargs):
        super().__init__(block, [1, 1, 1, 1], **kwargs)
        self.conv1 = nn.Conv2d(3, 8, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(32 * block.expansion, N_CLASSES)

    def _make_layer(self, block, planes, *args, **kwargs):
        if planes == 64:
            self.inplanes = 8
        return super()._make_layer(block, planes // 16, *args, **kwargs)


def resnext():
    # the last stage dilated instead of strided, as segmentation backbones have it
    return NarrowResNet(
        resnet.Bottleneck, groups=4, width_per_group=16, replace_stride_with_dilation=[False, False, True]
    )


def vgg_():
    model = models.VGG(vgg.make_layers([8, "M", 16, 16, "M", 24, "M"]), num_classes=N_CLASSES)
    model.avgpool = nn.AdaptiveAvgPool2d((4, 4))  # the identity at this size, as 7x7 is at 224
    model.classifier = nn.Sequential(
        nn.Linear(24 * 16, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, N_CLASSES)
    )
    return model


class DenseNet(models.DenseNet):
    """torchvision's, with its last ReLU as a module so that the map behind it can be reached."""

    def __init__(self):
        super().__init__(growth_rate=4, block_config=(2, 2, 2), num_init_features=8, bn_size=2, num_classes=N_CLASSES)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.relu(self.features(x)), (1, 1))
        return self.classifier(torch.flatten(x, 1))


def narrow(block, divisor):
    """`block(c_in, c_out, …)` with both numbers of channels divided (the image's 3 excepted)."""

    def make(c_in, c_out, **kwargs):
        return block(c_in if c_in == 3 else c_in // divisor, c_out // divisor, **kwargs)

    return make


def googlenet_():
    conv = narrow(BasicConv2d, 16)
    model = models.GoogLeNet(
        num_classes=N_CLASSES,
        aux_logits=False,
        transform_input=True,
        init_weights=False,
        blocks=[conv, partial(Inception, conv_block=conv), InceptionAux],
    )
    model.fc = nn.Linear(1024 // 16, N_CLASSES)
    return model


def inception_():
    conv = narrow(inception.BasicConv2d, 32)
    names = ("InceptionA", "InceptionB", "InceptionC", "InceptionD", "InceptionE")
    blocks = [partial(getattr(inception, name), conv_block=conv) for name in names]
    model = models.Inception3(
        num_classes=N_CLASSES, aux_logits=False, init_weights=False, inception_blocks=[conv, *blocks, inception.InceptionAux]
    )
    model.fc = nn.Linear(2048 // 32, N_CLASSES)
    return model


def squeezenet_():
    model = models.SqueezeNet("1_1", num_classes=N_CLASSES)
    fire, pool = squeezenet.Fire, partial(nn.MaxPool2d, kernel_size=3, stride=2, ceil_mode=True)
    model.features = nn.Sequential(
        nn.Conv2d(3, 8, kernel_size=3, stride=2), nn.ReLU(True), pool(),
        fire(8, 4, 8, 8), fire(16, 4, 8, 8), pool(),
        fire(16, 6, 12, 12), fire(24, 6, 12, 12), pool(),
        fire(24, 8, 16, 16),
    )  # fmt: skip
    model.classifier[1] = nn.Conv2d(32, N_CLASSES, kernel_size=1)
    return model


def shufflenet_v2():
    return models.ShuffleNetV2([1, 2, 1], [8, 16, 24, 32, 48], num_classes=N_CLASSES)


class MobileNetV1(nn.Module):
    """Howard et al. 2017, arXiv 1704.04861; torchvision has none."""

    def __init__(self):
        super().__init__()
        layers, c_in = [Conv2dNormActivation(3, 8, stride=2)], 8
        for c_out, stride in ((16, 1), (24, 2), (24, 1), (32, 2)):
            layers += [Conv2dNormActivation(c_in, c_in, stride=stride, groups=c_in), Conv2dNormActivation(c_in, c_out, kernel_size=1)]
            c_in = c_out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(c_in, N_CLASSES)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


def mobilenet_v2():
    setting = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2], [6, 64, 1, 2]]
    model = models.MobileNetV2(num_classes=N_CLASSES, width_mult=0.25, inverted_residual_setting=setting)
    model.features[-1] = Conv2dNormActivation(16, 48, kernel_size=1, activation_layer=nn.ReLU6)
    model.classifier[1] = nn.Linear(48, N_CLASSES)
    return model


def mobilenet_v3():
    block = partial(mobilenetv3.InvertedResidualConfig, dilation=1, width_mult=1.0)
    setting = [
        block(8, 3, 8, 8, True, "RE", 2),
        block(8, 3, 24, 16, False, "RE", 2),
        block(16, 5, 32, 16, True, "HS", 1),
        block(16, 5, 32, 16, True, "HS", 2),
    ]
    return models.MobileNetV3(setting, last_channel=48, num_classes=N_CLASSES)


def efficientnet_():
    # the fused blocks of version 2 and the squeeze-and-excitation blocks of version 1
    setting = [
        efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 1),
        efficientnet.FusedMBConvConfig(4, 3, 2, 8, 16, 1),
        efficientnet.MBConvConfig(1, 3, 1, 16, 16, 1),
        efficientnet.MBConvConfig(4, 5, 2, 16, 24, 2),
    ]
    return models.EfficientNet(setting, dropout=0.2, last_channel=64, num_classes=N_CLASSES)


def regnet_():
    params = regnet.BlockParams(
        depths=[1, 2, 1], widths=[8, 16, 32], group_widths=[8, 8, 8], bottleneck_multipliers=[1.0] * 3, strides=[2] * 3, se_ratio=0.25
    )
    return models.RegNet(params, num_classes=N_CLASSES, stem_width=8)


def convnext_():
    block = convnext.CNBlockConfig
    return models.ConvNeXt([block(8, 16, 1), block(16, 24, 1), block(24, None, 2)], num_classes=N_CLASSES)


def vit():
    return models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=N_CLASSES
    )


class Block(nn.Module):
    """Transformer block as timm writes it: one qkv projection, scaled dot product, pre-norm."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        n, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.norm2(x))


class Deit(nn.Module):
    """Distilled DeiT (Touvron et al. 2021, arXiv 2012.12877): a class and a distillation token, the mean of two heads."""

    def __init__(self, dim=16, patch=8, side=32):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, patch, patch)
        self.cls_token, self.dist_token = nn.Parameter(torch.zeros(1, 1, dim)), nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 2 + (side // patch) ** 2, dim))
        self.blocks = nn.Sequential(Block(dim, 2), Block(dim, 2))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head, self.head_dist = nn.Linear(dim, N_CLASSES), nn.Linear(dim, N_CLASSES)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), self.dist_token.expand(x.shape[0], -1, -1), x), 1)
        x = self.norm(self.blocks(x + self.pos_embed))
        return (self.head(x[:, 0]) + self.head_dist(x[:, 1])) / 2


def swin():
    return models.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[2, 1], num_heads=[2, 4], window_size=[4, 4], mlp_ratio=2.0, num_classes=N_CLASSES
    )


FAMILIES = {
    "resnet": (lambda: NarrowResNet(resnet.BasicBlock), 48, "layer4"),
    "mobilenet_v2": (mobilenet_v2, 32, "features"),
    "resnext": (resnext, 32, "layer4"),
    "vgg": (vgg_, 32, "features"),
    "densenet": (DenseNet, 32, "relu"),
    "inception": (inception_, 75, "Mixed_6e"),
    "googlenet": (googlenet_, 48, "inception5b"),
    "squeezenet": (squeezenet_, 48, "features"),
    "shufflenet_v2": (shufflenet_v2, 48, "conv5"),
    "mobilenet_v1": (MobileNetV1, 32, "features"),
    "mobilenet_v3": (mobilenet_v3, 32, "features"),
    "efficientnet": (efficientnet_, 32, "features"),
    "regnet": (regnet_, 32, "trunk_output"),
    "convnext": (convnext_, 32, "features"),
    "vit": (vit, 32, "encoder.layers.encoder_layer_1.ln_1"),
    "deit": (Deit, 32, "blocks.1.norm1"),
    "swin": (swin, 32, "norm"),
}


def build(family, seed):
    """The family's net with seeded weights that give logits and gradients of ordinary size.

    Batch-norm statistics come from random images and are then moved a little, so that no layer is normalised exactly.
    """
    make, side, feature = FAMILIES[family]
    torch.manual_seed(seed)
    model = make()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
            elif isinstance(module, nn.MultiheadAttention):
                nn.init.normal_(module.in_proj_weight, std=module.embed_dim**-0.5)
                nn.init.normal_(module.in_proj_bias, std=0.1)
            elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
                nn.init.uniform_(module.weight, 0.5, 1.5)
            if getattr(module, "bias", None) is not None:
                nn.init.normal_(module.bias, std=0.1)
        for name, parameter in model.named_parameters():
            if "token" in name or "pos_embed" in name or "relative_position_bias" in name:
                nn.init.normal_(parameter, std=0.5)
            elif "layer_scale" in name:
                nn.init.uniform_(parameter, 0.3, 1.0)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        momentum = [m.momentum for m in norms]
        for m in norms:
            m.momentum = None  # cumulative mean
        if norms:
            model.train()
            model(torch.randn(64, 3, side, side))
        for m, value in zip(norms, momentum):
            m.momentum = value
            m.running_mean += 0.1 * m.running_var.sqrt() * torch.randn_like(m.running_mean)
            m.running_var *= torch.empty_like(m.running_var).uniform_(0.8, 1.3)
            m.running_var.clamp_(min=0.05)  # a dead channel would amplify rounding
            m.num_batches_tracked.zero_()
    return model.eval(), side, feature
