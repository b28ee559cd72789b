"""Convolutions, convolutional recurrences and VGG16 in seriatim and torch, on the same weights and data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seriatim import nn

Jobs = dict[str, Callable[[], object]]


@dataclass
class Case:
    """One module on one input, in both libraries."""

    name: str
    ours: Any
    theirs: Any
    x: np.ndarray
    flops: float = 0.0
    """Of the forward pass, by the definition."""
    trains: bool = True

    def forward(self) -> Jobs:
        x = torch.from_numpy(self.x)
        self.ours.eval()
        self.theirs.eval()

        def peer() -> None:
            with torch.no_grad():
                self.theirs(x)

        def own() -> None:
            _forget(self.ours)
            self.ours(self.x)

        return {"seriatim": own, "torch": peer}

    def training(self) -> Jobs:
        """Forward, backward with the input's gradient; parameters change before, so that weights are packed anew."""
        x = torch.from_numpy(self.x).requires_grad_(True)
        self.ours.train()
        self.theirs.train()
        parameters = list(self.ours.parameters())

        def own() -> None:
            _forget(self.ours)
            for parameter in parameters:
                parameter._touch()
            self.ours.zero_grad()
            y = _output(self.ours(self.x))
            self.ours.backward(np.ones_like(y))

        def peer() -> None:
            x.grad = None
            self.theirs.zero_grad(set_to_none=True)
            y = _output(self.theirs(x))
            y.backward(torch.ones_like(y))

        return {"seriatim": own, "torch": peer}

    def difference(self) -> float:
        self.ours.eval()
        self.theirs.eval()
        _forget(self.ours)
        with torch.no_grad():
            wanted = _output(self.theirs(torch.from_numpy(self.x))).numpy()
        return float(np.abs(_output(self.ours(self.x)) - wanted).max() / np.abs(wanted).max())


def _output(y: Any) -> Any:
    return y[0] if isinstance(y, tuple) else y


def _forget(module: Any) -> None:
    if hasattr(module, "reset_all"):
        module.reset_all()


def _load(theirs: torch.nn.Module, ours: nn.Module) -> torch.nn.Module:
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    return theirs


def convolution(
    n: int, c: int, k: int, side: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> Case:
    arguments = (c, k, kernel, stride, dilation * (kernel // 2), dilation, groups)
    ours = nn.Conv2d(*arguments, rng=0)
    x = np.random.default_rng(1).normal(size=(n, c, side, side)).astype(np.float32)
    name = (
        f"{kernel}x{kernel}" + (f" stride {stride}" if stride > 1 else "") + (" depthwise" if groups == c > 1 else "")
    )
    name += f" dilation {dilation}" if dilation > 1 else ""
    flops = 2.0 * n * k * (side // stride) ** 2 * c // groups * kernel**2
    return Case(f"{name} N{n} C{c} K{k} {side}x{side}", ours, _load(torch.nn.Conv2d(*arguments), ours), x, flops)


class TorchCell(torch.nn.Module):
    """pytorch_convgru's cell."""

    def __init__(self, inputs: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.reset_gate = torch.nn.Conv2d(inputs + hidden, hidden, kernel, padding=kernel // 2)
        self.update_gate = torch.nn.Conv2d(inputs + hidden, hidden, kernel, padding=kernel // 2)
        self.out_gate = torch.nn.Conv2d(inputs + hidden, hidden, kernel, padding=kernel // 2)
        self.hidden = hidden

    def forward(self, x: torch.Tensor, h: torch.Tensor | None) -> torch.Tensor:
        if h is None:
            h = x.new_zeros(x.shape[0], self.hidden, *x.shape[2:])
        both = torch.cat([x, h], 1)
        update, reset = torch.sigmoid(self.update_gate(both)), torch.sigmoid(self.reset_gate(both))
        out = torch.tanh(self.out_gate(torch.cat([x, h * reset], 1)))
        return h * (1 - update) + out * update


class TorchConvGRU(torch.nn.Module):
    def __init__(self, inputs: int, hidden: list[int], kernels: list[int]) -> None:
        super().__init__()
        for i, (a, b, k) in enumerate(zip([inputs, *hidden], hidden, kernels, strict=False)):
            self.add_module(f"ConvGRUCell_{i:02d}", TorchCell(a, b, k))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: list[Any] = [None] * len(self._modules)
        outputs = []
        for image in x:
            for i, cell in enumerate(self.children()):
                image = states[i] = cell(image, states[i])
            outputs.append(image)
        return torch.stack(outputs)


class TorchConvLSTM(torch.nn.Module):
    """Metavision's ConvRNN with the LSTM cell."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layer = torch.nn.Sequential(
            torch.nn.Conv2d(inputs, 4 * outputs, 3, padding=1), torch.nn.BatchNorm2d(4 * outputs)
        )
        self.conv_x2h = torch.nn.Module()
        self.conv_x2h.module = layer
        self.timepool = torch.nn.Module()
        self.timepool.conv_h2h = torch.nn.Conv2d(outputs, 4 * outputs, 3, padding=1)
        self.outputs = outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gates = self.conv_x2h.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        h = c = x.new_zeros(x.shape[1], self.outputs, *gates.shape[3:])
        steps = []
        for gate in gates:
            i, f, o, g = torch.split(gate + self.timepool.conv_h2h(h), self.outputs, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            steps.append(h)
        return torch.stack(steps)


def conv_gru(steps: int, batch: int) -> Case:
    hidden, kernels = [32, 64, 16], [3, 5, 3]
    ours = nn.ConvGRU(8, hidden, kernels, 3, rng=0)
    x = np.random.default_rng(1).normal(size=(steps, batch, 8, 64, 64)).astype(np.float32)
    sizes = zip([8, *hidden], hidden, kernels, strict=False)
    flops = sum(2.0 * steps * batch * 4096 * 3 * b * (a + b) * k * k for a, b, k in sizes)
    return Case(f"ConvGRU T{steps} B{batch}", ours, _load(TorchConvGRU(8, hidden, kernels), ours), x, flops)


def conv_rnn() -> Case:
    ours, theirs = nn.ConvRNN(16, 16, rng=0), TorchConvLSTM(16, 16)
    x = np.random.default_rng(1).normal(size=(16, 4, 16, 64, 64)).astype(np.float32)
    return Case("ConvRNN lstm T16 B4 C16 64x64", ours, _load(theirs, ours), x, 2.0 * 64 * 4096 * 64 * 32 * 9)


def vgg16(frames: int) -> Case:
    ours = nn.VGG16(rng=0)
    layers: list[Any] = []
    for module in ours.features:
        if isinstance(module, nn.Conv2d):
            layers.append(torch.nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1))
        else:
            layers.append(torch.nn.ReLU() if isinstance(module, nn.ReLU) else torch.nn.MaxPool2d(2, 2))
    wide = [m for m in ours.classifier if isinstance(m, nn.Linear)]
    linear = [torch.nn.Linear(m.in_features, m.out_features) for m in wide]
    classifier = torch.nn.Sequential(
        linear[0], torch.nn.ReLU(), torch.nn.Dropout(), linear[1], torch.nn.ReLU(), torch.nn.Dropout(), linear[2]
    )
    theirs = torch.nn.Sequential()
    theirs.add_module("features", torch.nn.Sequential(*layers))
    theirs.add_module("flatten", torch.nn.Flatten())
    theirs.add_module("classifier", classifier)
    x = np.random.default_rng(1).normal(size=(frames, 3, 224, 224)).astype(np.float32)
    return Case(f"VGG16 N{frames} 224x224", ours, _load(theirs, ours), x, 30.95e9 * frames, trains=False)


def cases() -> Iterator[Case]:
    yield convolution(1, 64, 64, 64, 3)
    yield convolution(1, 64, 64, 224, 3)
    yield convolution(8, 64, 64, 56, 3)
    yield convolution(1, 512, 512, 14, 3)
    yield convolution(1, 32, 192, 64, 5)
    yield convolution(8, 256, 64, 28, 1)
    yield convolution(8, 64, 256, 28, 1)
    yield convolution(8, 256, 512, 28, 1, stride=2)
    yield convolution(8, 64, 128, 56, 3, stride=2)
    yield convolution(4, 64, 128, 56, 3, stride=2)
    yield convolution(1, 3, 64, 224, 3)
    yield convolution(1, 3, 64, 224, 7, stride=2)
    yield convolution(4, 4, 4, 64, 3, dilation=2)
    yield convolution(1, 16, 16, 64, 3, dilation=2)
    yield convolution(4, 64, 64, 28, 3, dilation=2)
    yield convolution(8, 64, 64, 56, 3, groups=64)
    yield convolution(8, 64, 64, 56, 3, stride=2, groups=64)
    yield convolution(4, 96, 96, 28, 5, stride=2, groups=96)
    for steps, batch in ((1, 1), (16, 1), (1, 8), (16, 8)):
        yield conv_gru(steps, batch)
    yield conv_rnn()
    yield vgg16(1)
    yield vgg16(8)
