"""DeepGRU's attention module."""

from __future__ import annotations

import numpy as np

from seriatim import functional as F
from seriatim._typing import Array, Integers, Seed
from seriatim.nn import _init
from seriatim.nn._gru import GRU
from seriatim.nn._linear import Linear
from seriatim.nn._module import Module


class Attention(Module):
    """Attention over the steps of each sequence, and one GRU step on what it found.

    Parameters
    ----------
    hidden_size : int
    rng : int, Generator or None

    Attributes
    ----------
    query : Linear
        W, shape (hidden_size, hidden_size), no bias.
    gru : GRU

    Notes
    -----
    With the states ``h_t`` of a sequence and its last one, ``h_T``::

        w = softmax over t of (W h_T) . h_t      c = sum_t w_t h_t      a = GRU(c, h_T)

    The output is ``[c, a]``, ``(B, 2 * hidden_size)``.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.
    """

    def __init__(self, hidden_size: int, *, rng: Seed = None) -> None:
        super().__init__()
        random = _init.generator(rng)
        self.hidden_size = hidden_size
        self.query = Linear(hidden_size, hidden_size, bias=False, rng=random)
        self.gru = GRU(hidden_size, hidden_size, rng=random)

    def forward(self, h: Array, h_last: Array, batch_sizes: Integers) -> Array:
        """Attend to packed states ``h (rows, H)`` from ``h_last (B, H)``; both in packed order."""
        (context, weights), cache = F.attention(self.query(h_last), h, batch_sizes)
        _, (auxiliary,) = self.gru._forward_packed(context, np.array([len(context)], np.int64), (h_last[None],))
        self._push((cache, weights))
        return np.concatenate([context, auxiliary[0]], axis=1)

    def backward(self, grad_output: Array) -> tuple[Array, Array]:
        """Return the gradients of ``h`` and ``h_last``."""
        cache, _ = self._pop()
        grad_context, grad_auxiliary = np.split(grad_output, 2, axis=1)
        through, first = self.gru._backward_packed(None, (grad_auxiliary[None],))
        assert through is not None
        assert first is not None
        grad_query, grad_h = F.attention_backward(grad_context + through, cache)
        return grad_h, first[0][0] + self.query.backward(grad_query)

    def weights(self, h: Array, h_last: Array, batch_sizes: Integers) -> Array:
        """Return the attention weights, packed like ``h``: ``(rows,)``."""
        query, _ = F.linear(h_last, self.query.weight._array)
        return F.attention(query, h, batch_sizes)[0][1]
