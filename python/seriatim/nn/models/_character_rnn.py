"""A recurrent net over the characters of a text."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import Array, Integers, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._module import Module
from seriatim.nn.base._network_stream import NetworkStream
from seriatim.nn.base._stages import one_behind_another
from seriatim.nn.layers._embedding import Embedding
from seriatim.nn.layers._linear import Linear
from seriatim.nn.recurrent._gru import GRU
from seriatim.nn.recurrent._lstm import LSTM

States = tuple[Array, ...]


class CharacterRNN(Module):
    """Logits of the next character, from a recurrent net over those before it.

    Parameters
    ----------
    n_characters : int
        Characters are 0 to ``n_characters - 1``; ``start``, which is ``n_characters``, says that nothing is before.
    hidden_size, num_layers : int
    rnn : {'lstm', 'gru'}
    embedding_size : int or None
        Width of a learned table of characters; None for one-hot vectors, zeros for ``start``.
    dropout : float
        Between the recurrent layers, in training.
    rng : int, Generator or None

    Raises
    ------
    ValueError
        A size is not positive, or ``dropout`` is no probability. From forward and backward: an array has another
        shape.

    Notes
    -----
    ``logits (rows, n_characters), states = net(x, batch_sizes, states=None)``; x: ``(rows,)`` of int, packed.
    ``states`` are those of the recurrent net, of which the last call's go on in the next.
    """

    _fixed = ("n_characters", "start")

    def __init__(
        self,
        n_characters: int,
        hidden_size: int = 256,
        num_layers: int = 2,
        *,
        rnn: str = "lstm",
        embedding_size: int | None = None,
        dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__()
        random = _init.generator(rng)
        self.n_characters = self.start = n_characters
        self.embedding = None if embedding_size is None else Embedding(n_characters + 1, embedding_size, rng=random)
        if rnn not in ("lstm", "gru"):
            raise ValueError(f"rnn: expected 'lstm' or 'gru', got {rnn!r}")
        kind = LSTM if rnn == "lstm" else GRU
        self.rnn = kind(embedding_size or n_characters, hidden_size, num_layers, dropout=dropout, rng=random)
        self.decoder = Linear(hidden_size, n_characters, rng=random)

    def trace(
        self, x: Integers, batch_sizes: Integers, states: States | None = None
    ) -> tuple[tuple[Array, States], Any]:
        """Return the logits of what follows each character, and the last states."""
        rows, of_embedding = (self.one_hot(x), None) if self.embedding is None else self.embedding.trace(x)
        (y, last), of_rnn = self.rnn._trace_packed(rows, batch_sizes, states)
        logits, of_decoder = self.decoder.trace(y)
        return (logits, last), self.keep((of_embedding, of_rnn, of_decoder))

    def pullback(self, context: Any, grad_output: Array) -> None:
        """Add to the parameters' gradients; none flows into the states before the first step."""
        of_embedding, of_rnn, of_decoder = self.kept(context)
        grad = self.decoder.pullback(of_decoder, grad_output)
        below, _ = self.rnn._pullback_packed(of_rnn, grad, None, self.embedding is not None, need_state=False)
        if self.embedding is not None and below is not None:
            self.embedding.pullback(of_embedding, below)

    def steps(self) -> NetworkStream:
        """Return a stream of what the recurrent net reads: rows of :meth:`one_hot`, or of the embedding's weight."""
        return NetworkStream(one_behind_another([("rnn", self.rnn), ("decoder", self.decoder)]), 1)

    def one_hot(self, x: Integers) -> Array:
        """Return characters as rows ``(len(x), n_characters)``; the sign of the start is zeros."""
        rows = np.zeros((len(x), self.n_characters), np.float32)
        known = np.flatnonzero(x != self.start)
        rows[known, x[known]] = 1
        return rows
