"""Pooling over the steps of each sequence."""

from __future__ import annotations

from collections.abc import Sequence

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike, Integers
from seriatim.functional._sequence_pooling import KINDS, check_kinds
from seriatim.nn._module import Module


class SequencePool(Module):
    """The mean, the greatest value and the share of positive ones of every feature over the steps of each sequence.

    Parameters
    ----------
    kinds : sequence out of {'mean', 'max', 'positive'}, default ('mean', 'max')

    Notes
    -----
    ``y (B, len(kinds) * H) = pool(h, batch_sizes)`` of packed rows ``h (rows, H)``, in the order above. With T
    steps, ``mean = sum_t h_t / T``, ``max = max_t h_t`` and ``positive = (number of t with h_t > 0) / T``; backward
    gives a greatest value's gradient to the first step that has it, and shares have none.

    Raises
    ------
    ValueError
        ``kinds`` is empty, has a name twice or another name.
    """

    def __init__(self, kinds: Sequence[str] = ("mean", "max")) -> None:
        super().__init__()
        check_kinds(kinds)
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)

    def forward(self, h: ArrayLike, batch_sizes: Integers) -> Array:
        """Pool packed rows."""
        pooled, cache = F.sequence_pool(h, batch_sizes, self.kinds)
        self._push(cache)
        return pooled

    def backward(self, grad_output: ArrayLike) -> Array:
        """Return the gradient of ``h``."""
        grad = F.sequence_pool_backward(grad_output, self._peek())
        self._pop()
        return grad

    def extra_repr(self) -> str:
        """Return the kinds."""
        return repr(self.kinds)
