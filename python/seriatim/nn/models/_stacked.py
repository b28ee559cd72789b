"""What networks of a recurrent stack and a linear layer behind it share: their kinds, heads and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim.nn.base._module import Module
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.layers._activation import LogSoftmax
from seriatim.nn.layers._dropout import Dropout, probability
from seriatim.nn.layers._linear import Linear
from seriatim.nn.layers._shape import Identity
from seriatim.nn.recurrent._gru import GRU
from seriatim.nn.recurrent._lstm import LSTM
from seriatim.nn.recurrent._rnn import RNN

KINDS: dict[str, type[GRU | LSTM | RNN]] = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
HEADS = ("log_softmax", "linear")


def check_names(rnn: str, head: str) -> None:
    """Raise unless both are known."""
    if rnn not in KINDS:
        raise ValueError(f"rnn: expected one of {tuple(KINDS)}, got {rnn!r}")
    if head not in HEADS:
        raise ValueError(f"head: expected one of {HEADS}, got {head!r}")


def between(dropout: float, num_layers: int) -> float:
    """Return the dropout between layers: none where there is one alone."""
    return dropout if num_layers > 1 else 0.0


class Stacked(Module):
    """``rnn``, and ``classifier`` behind it: dropout, a linear layer, and what the head says."""

    rnn: GRU | LSTM | RNN
    classifier: Sequential

    def _add_classifier(
        self, width: int, n_outputs: int, dropout: float, head: str, random: np.random.Generator
    ) -> None:
        self.classifier = Sequential(
            Dropout(dropout, rng=random),
            Linear(width, n_outputs, rng=random),
            LogSoftmax() if head == "log_softmax" else Identity(),
        )

    @property
    def dropout(self) -> float:
        """Probability with which elements are dropped in training, between layers and before the linear one.

        May be set.
        """
        drop: Any = self.classifier[0]
        p: float = drop.p
        return p

    @dropout.setter
    def dropout(self, p: float) -> None:
        drop: Any = self.classifier[0]
        drop.p = probability("dropout", p)
        self.rnn.dropout = between(drop.p, self.rnn.num_layers)
