"""DeepGRU's attention module."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, of_shape
from seriatim._typing import Array, Integers, Seed
from seriatim.functional._stream import Stage, stage
from seriatim.nn.base import _init
from seriatim.nn.base._module import Module
from seriatim.nn.layers._linear import Linear
from seriatim.nn.recurrent._gru import GRU


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

    Raises
    ------
    ValueError
        ``hidden_size`` is not positive. From backward: the gradient has another shape than the output.

    Notes
    -----
    With the states ``h_t`` of a sequence and its last one, ``h_T``::

        w = softmax over t of (W h_T) . h_t      c = sum_t w_t h_t      a = GRU(c, h_T)

    The output is ``[c, a]``, ``(B, 2 * hidden_size)``. ``h_last`` may have rows of sequences without a step
    behind those of the first step's: their c is zeros.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.
    """

    _fixed = ("hidden_size",)

    def __init__(self, hidden_size: int, *, rng: Seed = None) -> None:
        super().__init__()
        random = _init.generator(rng)
        self.hidden_size = hidden_size
        self.query = Linear(hidden_size, hidden_size, bias=False, rng=random)
        self.gru = GRU(hidden_size, hidden_size, rng=random)

    def trace(self, h: Array, h_last: Array, batch_sizes: Integers) -> tuple[Array, Any]:
        """Attend to packed states ``h (rows, H)`` from ``h_last (B, H)``; both in packed order."""
        h_last = as_floats("h_last", h_last)
        query, of_query = self.query.trace(h_last)
        (found, _), cache = F.attention(query, h, batch_sizes, batch=len(h_last))
        one_step = np.full(min(len(found), 1), len(found), np.int64)
        (_, (auxiliary,)), of_gru = self.gru._trace_packed(found, one_step, (h_last[None],))
        return np.concatenate([found, auxiliary[0]], axis=1), self.keep((of_query, cache, of_gru))

    def stage(self, name: str, column: int, window: int) -> Stage:
        """Return the attention as a stage of a stream, over ``window`` frames, 0 for all."""
        ((direction,),) = self.gru._directions
        cell, packed = direction.packed()
        _, weights = self.query._packed()
        return stage(
            name, "attention", self.hidden_size, cell=cell, weights=weights, second=packed, column=column, count=window
        )

    def pullback(self, context: Any, grad_output: Array) -> tuple[Array, Array]:
        """Return the gradients of ``h`` and ``h_last``."""
        of_query, cache, of_gru = self.kept(context)
        wanted = (len(cache.query), 2 * self.hidden_size)
        grad = of_shape("grad_output", grad_output, wanted).astype(np.float32, copy=False)
        grad_context, grad_auxiliary = grad[:, : self.hidden_size], grad[:, self.hidden_size :]
        through, first = self.gru._pullback_packed(of_gru, None, (grad_auxiliary[None],))
        assert through is not None
        assert first is not None
        grad_query, grad_h = F.attention_backward(grad_context + through, cache)
        return grad_h, first[0][0] + self.query.pullback(of_query, grad_query)

    def weights(self, h: Array, h_last: Array, batch_sizes: Integers) -> Array:
        """Return the attention weights, packed like ``h``: ``(rows,)``."""
        query, _ = F.linear(h_last, self.query.weight._kept())
        return F.attention(query, h, batch_sizes, batch=len(query))[0][1]
