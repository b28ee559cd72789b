"""Elman networks over padded, packed or single sequences, and one step of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike, Integers, Seed
from seriatim.nn._recurrent import Kind, RecurrentCell, RecurrentStack, States
from seriatim.sequences import PackedSequence


class _RNNKind(Kind):
    gates = 1

    def __init__(self, hidden_size: int, nonlinearity: str) -> None:
        super().__init__(hidden_size)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def pack(self, arrays: list[Array | None]) -> Array:
        return F.rnn_pack(*arrays)  # type: ignore[arg-type]

    def pack_backward(self, arrays: list[Array | None], need_input: bool) -> Array:
        weight_ih, weight_hh = arrays[:2]
        return F.rnn_pack_backward(weight_ih, weight_hh, need_input=need_input)  # type: ignore[arg-type]

    def forward(
        self,
        x: Array,
        batch_sizes: Integers,
        packed: Array,
        states: States | None,
        *,
        reverse: bool,
        training: bool,
        out: Array | None,
    ) -> tuple[Array, States, Any]:
        (y, h_n), cache = F.rnn(
            x,
            batch_sizes,
            packed,
            None if states is None else states[0],
            hidden_size=self.hidden_size,
            nonlinearity=self.nonlinearity,
            reverse=reverse,
            training=training,
            out=out,
        )
        return y, (h_n,), cache

    def backward(
        self,
        grad_y: Array | None,
        grad_states: States | None,
        cache: Any,
        packed: Array,
        slots: list[Array | None],
        *,
        need_input: bool,
        need_state: bool,
        accumulate: bool,
        grad_x: Array | None,
    ) -> tuple[Array | None, States | None]:
        weight_ih, weight_hh, bias_ih, bias_hh = slots
        below, grad_h0 = F.rnn_backward(
            grad_y,
            None if grad_states is None else grad_states[0],
            cache,
            packed,
            grad_weight_ih=weight_ih,
            grad_weight_hh=weight_hh,
            grad_bias_ih=bias_ih,
            grad_bias_hh=bias_hh,
            need_input=need_input,
            need_state=need_state,
            accumulate=accumulate,
            grad_x=grad_x,
        )
        return below, None if grad_h0 is None else (grad_h0,)


class RNN(RecurrentStack):
    """A stack of Elman layers, in one or both directions.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int, default 1
    nonlinearity : {'tanh', 'relu'}, default 'tanh'
    bias : bool, default True
    batch_first : bool, default False
        Padded arrays are (B, T, ...) instead of (T, B, ...).
    dropout : float, default 0
        Between layers, in training.
    bidirectional : bool, default False
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``, and of dropout.

    Attributes
    ----------
    weight_ih_l{k}[_reverse] : Parameter, shape (hidden_size, input size of layer k)
    weight_hh_l{k}[_reverse] : Parameter, shape (hidden_size, hidden_size)
    bias_ih_l{k}[_reverse], bias_hh_l{k}[_reverse] : Parameter, shape (hidden_size,)
        torch's names and layouts.

    Raises
    ------
    ValueError
        A size is not positive, ``dropout`` is no probability, or ``nonlinearity`` is another one. From forward and
        backward: an array has another shape.

    Notes
    -----
    ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu of the same. Gradients are those of back-propagation through
    time. States are ``(num_layers * directions, B, hidden_size)``, index ``layer * directions + direction``, in the
    caller's order of sequences.

    References
    ----------
    Elman, "Finding structure in time", Cognitive Science 14(2), 1990.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            _RNNKind(hidden_size, nonlinearity),
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            rng=rng,
        )

    @property
    def nonlinearity(self) -> str:
        """What it was made with."""
        value: str = self._kind.nonlinearity  # type: ignore[attr-defined]
        return value

    def trace(
        self, x: ArrayLike | PackedSequence, h0: ArrayLike | None = None
    ) -> tuple[tuple[Array | PackedSequence, Array], Any]:
        """Run all layers: shapes as for :meth:`GRU.trace`."""
        y, (h_n,), context = self._trace(x, ("h0",), (h0,))
        return (y, h_n), context

    def pullback(
        self, context: Any, grad_y: ArrayLike | PackedSequence | None, grad_state: ArrayLike | None = None
    ) -> tuple[Array | PackedSequence, Array]:
        """Back-propagate through time: shapes as for :meth:`GRU.pullback`."""
        grad_x, (grad_h0,) = self._pullback(context, grad_y, ("grad_state",), (grad_state,))
        return grad_x, grad_h0

    def _options(self) -> Mapping[str, Any]:
        return {"nonlinearity": "tanh"}


class RNNCell(RecurrentCell):
    """One step of an Elman network: the equation of :class:`RNN`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    nonlinearity : {'tanh', 'relu'}, default 'tanh'
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``.

    Attributes
    ----------
    weight_ih : Parameter, shape (hidden_size, input_size)
    weight_hh : Parameter, shape (hidden_size, hidden_size)
    bias_ih, bias_hh : Parameter, shape (hidden_size,)

    Raises
    ------
    ValueError
        A size is not positive, or ``nonlinearity`` is another one. From forward and backward: an array has another
        shape.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *, rng: Seed = None
    ) -> None:
        super().__init__(_RNNKind(hidden_size, nonlinearity), input_size, hidden_size, bias=bias, rng=rng)

    @property
    def nonlinearity(self) -> str:
        """What it was made with."""
        value: str = self._kind.nonlinearity  # type: ignore[attr-defined]
        return value

    def trace(self, x: ArrayLike, h: ArrayLike | None = None) -> tuple[Array, Any]:
        """Return the new state, shape (B, hidden_size) or (hidden_size,), from x, (B, input_size) or (input_size,)."""
        (new,), context = self._trace(x, ("h",), (h,))
        return new, context

    def pullback(self, context: Any, grad_h: ArrayLike) -> tuple[Array, Array]:
        """Return the gradients of x and of the state before."""
        grad_x, (grad_before,) = self._pullback(context, ("grad_h",), (grad_h,))
        return grad_x, grad_before

    def _options(self) -> Mapping[str, Any]:
        return {"nonlinearity": "tanh"}
