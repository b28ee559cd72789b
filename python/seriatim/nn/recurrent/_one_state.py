"""What all kinds with the one state h have in common, GRU, RNN and those by elements: how they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from seriatim._typing import Array, ArrayLike
from seriatim.nn.recurrent._stack import RecurrentCell, RecurrentStack
from seriatim.sequences import PackedSequence


class OneStateStack(RecurrentStack):
    """Layers of a kind whose state is h alone."""

    _is_leaf = True

    if TYPE_CHECKING:

        @overload
        def __call__(self, x: PackedSequence, h0: ArrayLike | None = None) -> tuple[PackedSequence, Array]: ...
        @overload
        def __call__(self, x: ArrayLike, h0: ArrayLike | None = None) -> tuple[Array, Array]: ...
        def __call__(self, x: Any, h0: ArrayLike | None = None) -> Any: ...

    def trace(
        self, x: ArrayLike | PackedSequence, h0: ArrayLike | None = None
    ) -> tuple[tuple[Array | PackedSequence, Array], Any]:
        """Run all layers.

        Parameters
        ----------
        x : array_like (T, B, I), (B, T, I) with ``batch_first``, or (T, I); or PackedSequence
        h0 : array_like, shape (num_layers * directions, B, hidden_size), optional
            Initial states, zeros by default; without the B axis for a single sequence.

        Returns
        -------
        y : like x, with ``directions * hidden_size`` features
        h_n : like h0
            Each sequence's own last state; in the reverse direction its state at step 0.
        """
        y, (h_n,), context = self._trace(x, ("h0",), (h0,))
        return (y, h_n), context

    def pullback(
        self, context: Any, grad_y: ArrayLike | PackedSequence | None, grad_state: ArrayLike | None = None
    ) -> tuple[Array | PackedSequence, Array]:
        """Back-propagate through time.

        Parameters
        ----------
        grad_y : like y, or None for zeros
        grad_state : like h_n, optional
            Zeros by default.

        Returns
        -------
        grad_x : like x
        grad_state0 : like h0
        """
        grad_x, (grad_h0,) = self._pullback(context, grad_y, ("grad_state",), (grad_state,))
        return grad_x, grad_h0


class OneStateCell(RecurrentCell):
    """One step of a kind whose state is h alone."""

    _is_leaf = True

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike, h: ArrayLike | None = None) -> Array: ...

    def trace(self, x: ArrayLike, h: ArrayLike | None = None) -> tuple[Array, Any]:
        """Return the new state, shape (B, hidden_size) or (hidden_size,), from x, (B, input_size) or (input_size,)."""
        (new,), context = self._trace(x, ("h",), (h,))
        return new, context

    def pullback(self, context: Any, grad_h: ArrayLike) -> tuple[Array, Array]:
        """Return the gradients of x and of the state before."""
        grad_x, (grad_before,) = self._pullback(context, ("grad_h",), (grad_h,))
        return grad_x, grad_before
