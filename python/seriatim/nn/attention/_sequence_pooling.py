"""Pooling over the steps of each sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike, Integers
from seriatim.functional._sequence_pooling import KINDS, check_kinds
from seriatim.functional._stream import POOLS, Stage, stage
from seriatim.nn.base._layouts import PackedRows
from seriatim.nn.base._module import Module
from seriatim.sequences import PackedSequence


class SequencePool(Module):
    """The mean, the greatest value and the share of positive ones of every feature over the steps of each sequence.

    Parameters
    ----------
    kinds : sequence out of {'mean', 'max', 'positive'}, default ('mean', 'max')

    Notes
    -----
    ``y (B, len(kinds) * H) = pool(h)`` of a PackedSequence, in the caller's order of sequences, or ``pool(h,
    batch_sizes)`` of packed rows ``h (rows, H)``, in packed order; kinds stand in the order above. With T steps,
    ``mean = sum_t h_t / T``, ``max = max_t h_t`` and ``positive = (number of t with h_t > 0) / T``; backward gives a
    greatest value's gradient to the first step that has it, and shares have none. Over no step all are zeros.

    Raises
    ------
    ValueError
        ``kinds`` is empty, has a name twice or another name.
    """

    _over_time = True

    def __init__(self, kinds: Sequence[str] = ("mean", "max")) -> None:
        super().__init__()
        check_kinds(kinds)
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)

    def trace(
        self, h: ArrayLike | PackedSequence, batch_sizes: Integers | None = None, batch: int | None = None
    ) -> tuple[Array, Any]:
        """Pool packed rows, or a PackedSequence; ``batch`` sequences, if some of packed rows have no step."""
        given = PackedRows.read(h, batch_sizes)
        pooled, cache = F.sequence_pool(
            given.rows, given.batch_sizes, self.kinds, batch=given.batch if batch is None else batch
        )
        return given.sequences_out(pooled), self.keep((given, cache))

    def stage(self, name: str, inputs: int, column: int) -> Stage:
        """Return the pool as a stage of a stream, whose features begin at a column."""
        return stage(name, "pool", inputs, option=sum(POOLS[kind] for kind in self.kinds), column=column)

    def pullback(self, context: Any, grad_output: ArrayLike) -> Any:
        """Return the gradient of ``h``, like it."""
        given, cache = self.kept(context)
        grad = given.sequences_in("grad_output", grad_output, cache.pooled.shape)
        return given.like(F.sequence_pool_backward(grad, cache))

    def extra_repr(self) -> str:
        """Return the kinds."""
        return repr(self.kinds)
