"""The peer: DeepGRU in torch, the same network on the same packed batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


class TorchDeepGRU(nn.Module):
    """Parameters have the names of seriatim.nn.DeepGRU, so that a state dict fits both."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.gru1 = nn.GRU(n_features, 512, 2)
        self.gru2 = nn.GRU(512, 256, 2)
        self.gru3 = nn.GRU(256, 128, 1)
        self.attention = nn.ModuleDict({"query": nn.Linear(128, 128, bias=False), "gru": nn.GRU(128, 128)})
        self.classifier = nn.Sequential(
            nn.BatchNorm1d(256),
            nn.Dropout(0.5),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.BatchNorm1d(256),
            nn.Dropout(0.5),
            nn.Linear(256, n_classes),
            nn.LogSoftmax(dim=1),
        )

    def forward(self, x: PackedSequence) -> torch.Tensor:
        h, _ = self.gru1(x)
        h, _ = self.gru2(h)
        h, h_last = self.gru3(h)
        padded, lengths = pad_packed_sequence(h, batch_first=True)
        scores = (padded @ self.attention["query"](h_last[0])[:, :, None])[:, :, 0]
        outside = torch.arange(padded.shape[1])[None] >= lengths[:, None]
        weights = scores.masked_fill(outside, -torch.inf).softmax(dim=1)
        context = (weights[:, None] @ padded)[:, 0]
        _, auxiliary = self.attention["gru"](context[None], h_last)
        return self.classifier(torch.cat([context, auxiliary[0]], dim=1))


def packed(data: np.ndarray, batch_sizes: np.ndarray) -> PackedSequence:
    """Our packed batch as torch's; no copy."""
    return PackedSequence(torch.from_numpy(data), torch.from_numpy(batch_sizes))


__all__ = ["TorchDeepGRU", "packed"]
