"""Fine-tuning torchvision's VGG16 in front of an LSTM of ours, on ragged videos.

Made-up videos of 2 to 5 frames in which a bright square moves to the left or to the right. Each frame goes through the
convolutions of torchvision's VGG16, of which the last block is trained and the rest is frozen, and the frames of a video
through `seriatim.nn`'s bidirectional LSTM, which `seriatim.torch.as_module` makes a torch module. With --weights the
convolutions begin from torchvision's trained ones, which it fetches; without, from random ones.

Run: python examples/torch_vgg_lstm.py [--steps 10] [--side 32] [--weights]

Needs: pip install 'seriatim[torch]' torchvision
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torchvision.models import VGG16_Weights, vgg16
from torchvision.models.vgg import cfgs, make_layers

from seriatim import nn
from seriatim.torch import as_module

# The last block of convolutions: layers 24 to 30 of `vgg16().features`.
TRAINED = 24


def convolutions(trained: bool) -> Any:
    """Return VGG16's ``features``: torchvision's trained ones, or new ones."""
    if trained:
        return vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features
    layers = make_layers(cfgs["D"])
    for layer in layers:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
    return layers


class Film(torch.nn.Module):
    """VGG16's convolutions on every frame, an LSTM on every video, a linear layer on its last states."""

    def __init__(self, trained: bool) -> None:
        super().__init__()
        features = convolutions(trained)
        self.frozen, self.trained = features[:TRAINED].requires_grad_(False).eval(), features[TRAINED:]
        self.rnn = as_module(nn.LastState(nn.LSTM(512, 32, bidirectional=True, rng=0)))
        self.classifier = torch.nn.Linear(64, 2)

    def forward(self, films: PackedSequence) -> Any:
        """Return logits of packed frames ``(frames, 3, side, side)``."""
        with torch.no_grad():
            maps = self.frozen(films.data)
        rows = self.trained(maps).mean((2, 3))
        return self.classifier(self.rnn(films._replace(data=rows)))


def films(count: int, side: int, random: torch.Generator) -> tuple[PackedSequence, Any]:
    """Return videos, and whether the square moves to the right."""
    made, labels = [], torch.arange(count) % 2
    for label in labels:
        steps = int(torch.randint(2, 6, (), generator=random))
        frames = 0.1 * torch.randn(steps, 3, side, side, generator=random)
        for step, frame in enumerate(frames):
            left = step if label else steps - 1 - step
            frame[:, side // 4 : 3 * side // 4, left * side // 6 : left * side // 6 + side // 3] += 1
        made.append(frames)
    return pack_sequence(made, enforce_sorted=False), labels


def main(arguments: list[str] | None = None) -> list[float]:
    """Train; returns the losses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--weights", action="store_true")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    model, random = Film(options.weights), torch.Generator().manual_seed(1)
    batch, labels = films(8, options.side, random)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(options.steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"loss: {losses[0]:.3f} at first, {losses[-1]:.3f} after {options.steps} steps on the same 8 videos")
    return losses


if __name__ == "__main__":
    main()
