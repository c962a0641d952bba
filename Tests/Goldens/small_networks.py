# SPDX-License-Identifier: Apache-2.0
"""Tiny networks, one for each way of building blocks."""

from __future__ import annotations

import torch
from onnxscript import opset20
from torch import nn
from torch.nn import functional as F
from torch.onnx.symbolic_helper import _get_const

CLASSES = 10


def conv_norm(inputs: int, outputs: int, size: int, **options: int) -> list[nn.Module]:
    padding = options.pop("padding", size // 2)
    return [
        nn.Conv2d(inputs, outputs, size, padding=padding, bias=False, **options),
        nn.BatchNorm2d(outputs),
    ]


class Classifier(nn.Module):
    """Mean over positions, then one linear layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.flatten(self.pool(x), 1))


class Plain(nn.Module):
    """As AlexNet and VGG: convolutions with bias, max pooling, two fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2),
            nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.middle = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(16 * 4 * 4, 24), nn.ReLU(), nn.Linear(24, CLASSES)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.middle(self.features(x)))
        return self.classifier(x.view(x.size(0), -1))


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv_norm(inputs, outputs, 3, stride=stride),
            nn.ReLU(),
            *conv_norm(outputs, outputs, 3),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*conv_norm(inputs, outputs, 1, stride=stride))
        )
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.branch(x) + self.shortcut(x))


class Residual(nn.Sequential):
    """As ResNet: an identity and a projection shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(3, 8, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.middle = BasicBlock(8, 8, 1)
        self.layer2 = BasicBlock(8, 16, 2)
        self.classifier = Classifier(16)


class InceptionBlock(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.one = nn.Sequential(*conv_norm(inputs, 4, 1), nn.ReLU())
        self.three = nn.Sequential(
            *conv_norm(inputs, 4, 1), nn.ReLU(), *conv_norm(4, 6, 3), nn.ReLU()
        )
        self.factored = nn.Sequential(
            nn.Conv2d(inputs, 4, (1, 5), padding=(0, 2)), nn.ReLU(),
            nn.Conv2d(4, 4, (5, 1), padding=(2, 0)), nn.ReLU(),
        )  # fmt: skip
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(inputs, 4, 1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        average = F.avg_pool2d(x, 3, stride=1, padding=1)
        return torch.cat([self.one(x), self.three(x), self.factored(x), self.pooled(x), average], 1)


class Inception(nn.Sequential):
    """As GoogLeNet and Inception: parallel branches, ceil-mode pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.middle = InceptionBlock(8)
        self.average = nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False)
        self.classifier = Classifier(26)


class InvertedResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = inputs * 3
        self.layers = nn.Sequential(
            *conv_norm(inputs, wide, 1), nn.ReLU6(),
            *conv_norm(wide, wide, 3, stride=stride, groups=wide), nn.ReLU6(),
            *conv_norm(wide, outputs, 1),
        )  # fmt: skip
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class InvertedResidual(nn.Module):
    """As MobileNetV2: depthwise convolutions and ReLU6; the head averages with `mean`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(3, 8, 3, stride=2), nn.ReLU6())
        self.middle = InvertedResidualBlock(8, 8, 1)
        self.second = InvertedResidualBlock(8, 12, 2)
        self.classifier = nn.Linear(12, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.second(self.middle(self.stem(x))).mean([2, 3]))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, inner: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.inner, self.gate = inner, gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.expand(self.inner(self.reduce(mean))))


class SqueezeAndExcitation(nn.Sequential):
    """As MobileNetV3 and EfficientNet: gates by hard sigmoid and sigmoid, hard swish and SiLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(3, 8, 3, stride=2), nn.Hardswish())
        self.middle = SqueezeExcite(8, nn.ReLU(), nn.Hardsigmoid())
        self.second = nn.Sequential(*conv_norm(8, 12, 5, stride=2, groups=4), nn.SiLU())
        self.gated = SqueezeExcite(12, nn.SiLU(), nn.Sigmoid())
        self.classifier = Classifier(12)


class ShuffleBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            *conv_norm(half, half, 1), nn.ReLU(), *conv_norm(half, half, 3, groups=half),
            *conv_norm(half, half, 1), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, dim=1)
        x = torch.cat([first, self.branch(second)], 1)
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class ChannelShuffle(nn.Module):
    """As ShuffleNetV2: channel split, concatenation and shuffle through five dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(3, 12, 3, stride=2), nn.ReLU())
        self.middle = ShuffleBlock(12)
        self.second = ShuffleBlock(12)
        self.classifier = nn.Linear(12, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.second(self.middle(self.stem(x))).mean([2, 3]))


class DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), *conv_norm(channels, 8, 1), nn.ReLU(),
            nn.Conv2d(8, growth, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.layers(x)], 1)


class Dense(nn.Sequential):
    """As DenseNet: normalization before the convolution, growing concatenations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.middle = DenseLayer(8, 4)
        self.second = DenseLayer(12, 4)
        self.transition = nn.Sequential(
            nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 1, bias=False), nn.AvgPool2d(2, 2)
        )
        self.third = DenseLayer(8, 4)
        self.norm = nn.Sequential(nn.BatchNorm2d(12), nn.ReLU())
        self.classifier = Classifier(12)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of N×C×H×W."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand, self.project = nn.Linear(channels, 24), nn.Linear(24, channels)
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.project(F.gelu(self.expand(y))).permute(0, 3, 1, 2)
        return x + self.layer_scale * y


class ConvNeXt(nn.Sequential):
    """As ConvNeXt: patches, layer normalization with channels last, GELU, a learnt scale."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), ChannelNorm(8, eps=1e-6))
        self.middle = ConvNeXtBlock(8)
        self.downsample = nn.Sequential(ChannelNorm(8, eps=1e-6), nn.Conv2d(8, 12, 2, stride=2))
        self.second = ConvNeXtBlock(12)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.norm = ChannelNorm(12, eps=1e-6)
        self.classifier = nn.Sequential(nn.Flatten(1), nn.Linear(12, CLASSES))


class Decoder(nn.Module):
    """As U-Net: transposed convolution, three resizings, a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(8, 12, 3, stride=4, padding=1), nn.ReLU())
        self.transposed = nn.ConvTranspose2d(12, 8, 3, stride=2, padding=1, output_padding=1)
        self.grouped = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, groups=2)
        self.nearest = nn.Upsample(scale_factor=2, mode="nearest")
        self.bilinear = nn.Upsample(scale_factor=2, mode="bilinear")
        self.mix = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU())
        self.narrow = nn.Conv2d(12, 8, 1)
        self.classifier = Classifier(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stem = self.stem(x)
        middle = self.middle(stem)
        x = F.relu(self.transposed(middle)) + self.bilinear(self.narrow(middle))
        x = F.relu(self.grouped(x)) + self.nearest(x)
        x = self.mix(torch.cat([x, stem], 1))
        aligned = F.interpolate(self.narrow(middle), (32, 32), mode="bilinear", align_corners=True)
        return self.classifier(x + aligned)


class Grouped(nn.Sequential):
    """As ResNeXt and DeepLab: groups, a depth multiplier, dilation, unequal strides and padding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 12, (3, 5), stride=(2, 1), padding=(1, 0)), nn.ReLU()
        )
        self.middle = nn.Conv2d(12, 18, 3, padding=2, dilation=2, groups=3)
        self.relu = nn.ReLU()
        self.multiplied = nn.Sequential(nn.Conv2d(18, 36, 3, stride=2, groups=18), nn.ReLU())
        self.padded = nn.Sequential(
            nn.ZeroPad2d((0, 1, 2, 1)), nn.Conv2d(36, 12, 3, stride=2, groups=6), nn.ReLU()
        )
        self.classifier = Classifier(12)


@torch.library.custom_op("goldens::lrn", mutates_args=())
def lrn(x: torch.Tensor, size: int, alpha: float, beta: float, bias: float) -> torch.Tensor:
    return F.local_response_norm(x, size, alpha, beta, bias)


lrn.register_fake(lambda x, size, alpha, beta, bias: torch.empty_like(x))


def lrn_for_dynamo(x, size: int, alpha: float, beta: float, bias: float):  # type: ignore[no-untyped-def]
    return opset20.LRN(x, size=size, alpha=alpha, beta=beta, bias=bias)


def lrn_for_torchscript(g, x, size, alpha, beta, bias):  # type: ignore[no-untyped-def]
    size, alpha, beta, bias = (
        _get_const(argument, kind, "lrn")
        for argument, kind in ((size, "i"), (alpha, "f"), (beta, "f"), (bias, "f"))
    )
    return g.op("LRN", x, size_i=size, alpha_f=alpha, beta_f=beta, bias_f=bias).setType(x.type())


class LocalResponseNorm(nn.LocalResponseNorm):
    """Exported as ONNX's LRN, where PyTorch would write a dozen nodes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.onnx.is_in_onnx_export():
            return lrn(x, self.size, self.alpha, self.beta, self.k)
        return super().forward(x)


class CaffeNet(nn.Sequential):
    """As CaffeNet and the first GoogLeNet: local response normalization across channels."""

    norm = LocalResponseNorm

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
        self.middle = self.norm(5, alpha=0.5, beta=0.75, k=1.0)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.second = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1, groups=2), nn.ReLU())
        self.narrow = self.norm(3, alpha=1.0, beta=0.5, k=2.0)
        self.classifier = Classifier(12)


class CaffeNetDecomposed(CaffeNet):
    """The same with the nodes that PyTorch writes for its own local response normalization."""

    norm = nn.LocalResponseNorm


class Style(nn.Sequential):
    """As fast style transfer: reflected borders, instance and group normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.ReflectionPad2d(2), nn.Conv2d(3, 8, 5, stride=2),
            nn.InstanceNorm2d(8, affine=True), nn.ReLU(),
        )  # fmt: skip
        self.middle = nn.Sequential(
            nn.ReplicationPad2d((1, 0, 1, 2)), nn.Conv2d(8, 8, 3), nn.GroupNorm(4, 8), nn.ReLU()
        )
        self.plain = nn.Sequential(
            nn.ConstantPad2d(1, 0.5), nn.Conv2d(8, 8, 3), nn.InstanceNorm2d(8)
        )
        self.classifier = Classifier(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(self.stem(x))
        # Every channel of `plain` has mean 0, so its square is what the classifier can see.
        return self.classifier(x + self.plain(x) ** 2)


class Activations(nn.Module):
    """One activation a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.middle = nn.Conv2d(3, 24, 3, stride=2)
        self.activations = nn.ModuleList([
            nn.LeakyReLU(0.1), nn.PReLU(2), nn.ELU(0.7), nn.SELU(), nn.CELU(1.3), nn.Softplus(),
            nn.Tanh(), nn.Mish(), nn.GELU(approximate="tanh"), nn.Hardtanh(-0.5, 0.7),
            nn.Softsign(), nn.LogSigmoid(),
        ])  # fmt: skip
        self.classifier = Classifier(24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.middle(x).split(2, dim=1)
        pairs = zip(self.activations, parts, strict=True)
        return self.classifier(torch.cat([activation(part) for activation, part in pairs], 1))


class Pooling(nn.Module):
    """Every pooling, and arithmetic between tensors of different shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.middle = nn.MaxPool2d((3, 2), (2, 2), padding=(1, 0))
        self.dilated = nn.MaxPool2d(3, 1, padding=1, dilation=2)
        self.counted = nn.AvgPool2d(3, 2, padding=1, ceil_mode=True)
        self.grid = nn.AdaptiveAvgPool2d((1, 3))
        self.classifier = nn.Linear(8 * 3 + 8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(self.stem(x))
        x = torch.maximum(x[:, :, 1:-1, 1:-1], -self.dilated(x)) - 0.25 * x.amax(
            (2, 3), keepdim=True
        )
        x = self.counted(x[:, :, ::2]) / (1 + x.pow(2).mean(1, keepdim=True).sqrt()[:, :, :1, 2:8])
        squared = x.clamp(min=-0.4).abs().sum((2, 3)).unsqueeze(1).squeeze(1)
        return self.classifier(torch.cat([self.grid(x).flatten(1), squared], 1))


NETWORKS: dict[str, tuple[type[nn.Module], int]] = {
    "plain": (Plain, 32),
    "residual": (Residual, 32),
    "inception": (Inception, 31),
    "inverted-residual": (InvertedResidual, 32),
    "squeeze-excite": (SqueezeAndExcitation, 32),
    "channel-shuffle": (ChannelShuffle, 32),
    "dense": (Dense, 32),
    "convnext": (ConvNeXt, 32),
    "decoder": (Decoder, 32),
    "grouped": (Grouped, 32),
    "lrn": (CaffeNet, 32),
    "lrn-decomposed": (CaffeNetDecomposed, 32),
    "style": (Style, 32),
    "activations": (Activations, 15),
    "pooling": (Pooling, 24),
}
WITH_RELU_RULES = {"plain", "residual", "inception", "channel-shuffle", "dense", "grouped", "lrn"}
