"""A recurrent stack that makes one output of a whole sequence."""

from __future__ import annotations

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn import _init
from seriatim.nn._activation import LogSoftmax
from seriatim.nn._containers import Sequential
from seriatim.nn._dropout import Dropout
from seriatim.nn._gru import GRU
from seriatim.nn._layouts import packed_batch
from seriatim.nn._linear import Linear
from seriatim.nn._lstm import LSTM
from seriatim.nn._module import Module
from seriatim.nn._shape import Identity
from seriatim.sequences import PackedSequence

HEADS = ("log_softmax", "linear")


class SequenceRNN(Module):
    """GRU or LSTM layers, and a linear layer on the last states of the top one.

    Parameters
    ----------
    input_size, hidden_size, n_outputs : int
    rnn : {'gru', 'lstm'}
    num_layers : int, default 1
    bidirectional : bool, default False
    dropout : float, default 0
        Between layers, and on the last states.
    head : {'log_softmax', 'linear'}, default 'log_softmax'
        What is put out: log-probabilities, or the linear layer's numbers.
    rng : int, Generator or None
        Of the initial values and the dropout.

    Attributes
    ----------
    rnn, classifier
        Where the parameters are: ``rnn.weight_ih_l0`` ..., ``classifier.1.weight`` and ``.bias``.
    width : int
        Of the last states: ``hidden_size``, twice that with two directions.

    Notes
    -----
    ``y (B, n_outputs) = model(x, lengths=None)``; x: a PackedSequence, or padded ``(B, T, input_size)`` in any order of
    length. Padding is never computed, and results come in the caller's order.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        n_outputs: int,
        *,
        rnn: str = "gru",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        head: str = "log_softmax",
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size, n_outputs=n_outputs)
        if rnn not in ("gru", "lstm"):
            raise ValueError(f"rnn: expected 'gru' or 'lstm', got {rnn!r}")
        if head not in HEADS:
            raise ValueError(f"head: expected one of {HEADS}, got {head!r}")
        random = _init.generator(rng)
        between = dropout if num_layers > 1 else 0.0
        kind = LSTM if rnn == "lstm" else GRU
        self.input_size, self.n_outputs, self.head = input_size, n_outputs, head
        self.rnn = kind(input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=between, rng=random)
        self.width = hidden_size * self.rnn.num_directions
        self.classifier = Sequential(
            Dropout(dropout, rng=random),
            Linear(self.width, n_outputs, rng=random),
            LogSoftmax() if head == "log_softmax" else Identity(),
        )

    def forward(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> Array:
        """Return outputs ``(B, n_outputs)`` in the caller's order."""
        packed = packed_batch(x, lengths, self.input_size)
        y: Array = self.classifier(self._last_states(packed))
        self._push(packed)
        order = packed.unsorted_indices
        return y if order is None else y[order]

    def backward(self, grad_output: ArrayLike) -> None:
        """Add to the parameters' gradients."""
        packed: PackedSequence = self._peek()
        grad = np.asarray(grad_output, dtype=np.float32)
        if packed.sorted_indices is not None:
            grad = grad[packed.sorted_indices]
        grad = self.classifier.backward(grad)
        self._pop()
        count = self.rnn.num_directions
        states = np.zeros((self.rnn.num_layers * count, *grad.shape[:-1], grad.shape[-1] // count), np.float32)
        states[-count:] = np.split(grad, count, axis=1)
        given = (states, np.zeros_like(states)) if isinstance(self.rnn, LSTM) else (states,)
        self.rnn._backward_packed(None, given, need_input=False, need_state=False)

    def embed(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> Array:
        """Return the top layer's last states ``(B, width)``, forward and reverse side by side."""
        packed = packed_batch(x, lengths, self.input_size)
        with self._evaluating():
            last = self._last_states(packed)
        return last if packed.unsorted_indices is None else last[packed.unsorted_indices]

    def _last_states(self, packed: PackedSequence) -> Array:
        """Return the top layer's last states, in packed order."""
        _, states = self.rnn._forward_packed(packed.data, packed.batch_sizes)
        return np.concatenate(list(states[0][-self.rnn.num_directions :]), axis=1)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"input_size={self.input_size}, n_outputs={self.n_outputs}"
