"""Attention over the steps of each sequence, without a query of the sequence's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike, Integers, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._layouts import PackedRows
from seriatim.nn.base._module import Module
from seriatim.nn.base._parameter import Parameter
from seriatim.sequences import PackedSequence


class AttentionPool(Module):
    """The mean over the steps of each sequence, weighed by how much each answers a learned query.

    Parameters
    ----------
    input_size : int
        Features of a step.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(input_size)``.

    Attributes
    ----------
    query : Parameter, shape (input_size,)

    Raises
    ------
    ValueError
        ``input_size`` is not positive; from forward: steps have another number of features.
    TypeError
        From forward: an array comes without its ``batch_sizes``.

    Notes
    -----
    ``w_t = softmax over t of query . h_t``, ``y = sum_t w_t h_t``, over the sequence's own steps. ``y (B, input_size) =
    pool(h)`` of a PackedSequence, in the caller's order of sequences, or ``pool(h, batch_sizes)`` of packed rows, in
    packed order. :class:`Attention` has a query of each sequence's own. Over no step y is zeros.

    References
    ----------
    Yang et al., "Hierarchical attention networks for document classification", NAACL 2016, without their dense layer:
    put ``SequenceWise(Sequential(Linear(...), Tanh()))`` before it.

    Examples
    --------
    >>> model = nn.Sequential(nn.Outputs(nn.GRU(13, 64)), nn.AttentionPool(64), nn.Linear(64, 10))
    >>> logits = model(pack_sequence(sequences, enforce_sorted=False))  # (B, 10)
    """

    _fixed = ("input_size",)
    _over_time = True

    def __init__(self, input_size: int, *, rng: Seed = None) -> None:
        super().__init__()
        _init.positive(input_size=input_size)
        self.input_size = input_size
        self.query = Parameter(_init.uniform(_init.generator(rng), (input_size,), input_size))

    def trace(self, h: ArrayLike | PackedSequence, batch_sizes: Integers | None = None) -> tuple[Array, Any]:
        """Pool packed rows, or a PackedSequence."""
        given = PackedRows.read(h, batch_sizes, self.input_size)
        (pooled, _), cache = self._attend(given)
        return given.sequences_out(pooled), self.keep((given, cache))

    def pullback(self, context: Any, grad_output: ArrayLike) -> Any:
        """Return the gradient of ``h``, like it; add to the query's."""
        given, cache = self.kept(context)
        grad = given.sequences_in("grad_output", grad_output, cache.query.shape)
        grad_query, grad_h = F.attention_backward(grad, cache)
        self.query.add_grad(grad_query.sum(axis=0))
        return given.like(grad_h)

    def weights(self, h: ArrayLike | PackedSequence, batch_sizes: Integers | None = None) -> Any:
        """Return how much each step counts: ``(rows,)``, or a PackedSequence of them."""
        given = PackedRows.read(h, batch_sizes, self.input_size)
        return given.like(self._attend(given)[0][1])

    def _attend(self, given: PackedRows) -> Any:
        asked = np.tile(self.query._array, (given.batch, 1))
        return F.attention(asked, given.rows, given.batch_sizes, batch=given.batch)

    def extra_repr(self) -> str:
        """Return the size."""
        return str(self.input_size)


class SequenceSoftmax(Module):
    """``exp(x_t) / sum_u exp(x_u)`` over the steps of each sequence, feature by feature.

    Raises
    ------
    TypeError
        From forward: an array comes without its ``batch_sizes``.

    Notes
    -----
    ``y = softmax(x)`` of a PackedSequence, or ``softmax(x, batch_sizes)`` of packed rows; the output is like x.
    """

    _over_time = True

    def trace(self, x: ArrayLike | PackedSequence, batch_sizes: Integers | None = None) -> tuple[Any, Any]:
        """Normalise over each sequence's own steps."""
        given = PackedRows.read(x, batch_sizes)
        if not len(given.rows):
            return given.like(np.zeros_like(given.rows)), self.keep((given, None))
        y, cache = F.softmax(self._padded(given, given.rows, -np.inf))
        rows = self._packed(given, y)
        return given.like(rows), self.keep((given, cache))

    def pullback(self, context: Any, grad_output: ArrayLike | PackedSequence) -> Any:
        """Return the gradient of x, like it."""
        given, cache = self.kept(context)
        grad = given.rows_in("grad_output", grad_output, given.rows.shape)
        if cache is None:
            return given.like(grad)
        return given.like(self._packed(given, F.softmax_backward(self._padded(given, grad, 0.0), cache)))

    @staticmethod
    def _padded(given: PackedRows, rows: Array, padding: float) -> Array:
        """Return rows as ``(B, features, steps)``."""
        order = np.arange(len(given.lengths()))
        steps = len(given.batch_sizes)
        padded = F.unpack_rows(rows, given.batch_sizes, order, total_length=steps, padding_value=padding)
        return np.ascontiguousarray(padded.swapaxes(1, 2))

    @staticmethod
    def _packed(given: PackedRows, padded: Array) -> Array:
        """Undo :meth:`_padded`."""
        rows, _ = F.pack_rows(np.ascontiguousarray(padded.swapaxes(1, 2)), given.lengths(), np.arange(len(padded)))
        return rows
