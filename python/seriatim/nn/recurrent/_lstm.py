"""Long short-term memory over padded, packed or single sequences, and one step of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn.recurrent._stack import Kind, RecurrentCell, RecurrentStack, norm_options
from seriatim.sequences import PackedSequence


def _pair(name: str, states: Any) -> tuple[ArrayLike | None, ArrayLike | None]:
    """Take two states apart; None for both is None."""
    if states is None:
        return None, None
    if not isinstance(states, (tuple, list)) or len(states) != 2:
        raise TypeError(f"{name}: expected a pair (h, c), got {type(states).__name__}")
    return states[0], states[1]


def _options(norm: str | None, peephole: bool, proj_size: int = 0) -> tuple[str, ...]:
    options = norm_options(norm, peephole=(peephole, False), proj_size=(proj_size, 0))
    return ("peephole",) if peephole else options


class LSTM(RecurrentStack):
    """A stack of LSTM layers, in one or both directions.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int, default 1
    bias : bool, default True
    batch_first : bool, default False
        Padded arrays are (B, T, ...) instead of (T, B, ...).
    dropout : float, default 0
        Between layers, in training.
    bidirectional : bool, default False
    proj_size : int, default 0
        Size of the state h and of the output after a projection; 0 for none. Less than ``hidden_size``.
    peephole : bool, default False
        Whether the gates look at the cell state: i and f at c, o at c'.
    norm : {None, 'layer'}, default None
        ``'layer'``: both products are normalised (Ba et al. 2016); see Notes. Without a projection or peepholes.
    zoneout : float in [0, 1), default 0
        Probability with which an element of the state keeps its value in training (Krueger et al., "Zoneout", ICLR
        2017); in evaluation states are mixed in that proportion.
    recurrent_dropout : float in [0, 1), default 0
        Probability with which an element of ``weight_hh`` is dropped in training, one mask for all steps of a call
        (Merity et al., "Regularizing and optimizing LSTM language models", ICLR 2018).
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``, and of dropout.

    Attributes
    ----------
    weight_ih_l{k}[_reverse] : Parameter, shape (4 * hidden_size, input size of layer k)
    weight_hh_l{k}[_reverse] : Parameter, shape (4 * hidden_size, hidden_size or proj_size)
    bias_ih_l{k}[_reverse], bias_hh_l{k}[_reverse] : Parameter, shape (4 * hidden_size,)
        Rows in the order i, f, g, o: torch's names and layouts.
    norm_ih_l{k}[_reverse], norm_hh_l{k}[_reverse] : Parameter, shape (4 * hidden_size,)
        With ``norm='layer'`` only: gains of the normalised products, ones at first.
    norm_c_l{k}[_reverse], bias_c_l{k}[_reverse] : Parameter, shape (hidden_size,)
        With ``norm='layer'`` only: gain and shift of c on its way to the output.
    weight_hr_l{k}[_reverse] : Parameter, shape (proj_size, hidden_size)
        With a projection only.
    weight_ch_l{k}[_reverse] : Parameter, shape (3 * hidden_size,)
        With peepholes only: w_ci, w_cf, w_co.

    Raises
    ------
    ValueError
        A size is not positive, ``proj_size`` is not below ``hidden_size``, or ``dropout`` is no probability. From
        forward and backward: an array has another shape.
    TypeError
        From forward and backward: states are no pair.

    Notes
    -----
    ::

        i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
        f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
        g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
        o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
        c' = f * c + i * g
        h' = o * tanh(c'), or W_hr (o * tanh(c')) with a projection

    and with peepholes ``w_ci * c`` in the sum of i, ``w_cf * c`` in that of f and ``w_co * c'`` in that of o.

    With ``norm='layer'`` each ``W v + b`` is ``N(W v) * norm + b`` instead, normalised over all gates of a row at once:
    ``N(u) = (u - mean(u)) / sqrt(var(u) + 1e-5)``, and
    ``h' = o * tanh(N(c') * norm_c + bias_c)``.

    Gradients are those of back-propagation through time. States are ``(num_layers * directions, B, size)``, index
    ``layer * directions + direction``, in the caller's order of sequences.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.
    Sak, Senior and Beaufays, "Long short-term memory based recurrent neural network architectures for large vocabulary
    speech recognition", 2014 (the projection).
    Ba, Kiros and Hinton, "Layer normalization", 2016 (``norm='layer'``).
    Gers, Schraudolph and Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 3, 2002 (peepholes).

    Examples
    --------
    >>> lstm = LSTM(13, 64, num_layers=2)
    >>> y, (h_n, c_n) = lstm(x)  # x (T, B, 13), (T, 13) or a PackedSequence
    >>> grad_x, (grad_h0, grad_c0) = lstm.backward(grad_y)
    """

    _is_leaf = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        peephole: bool = False,
        norm: str | None = None,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        if not 0 <= proj_size < max(hidden_size, 1):
            raise ValueError(f"proj_size: expected 0 or more and less than hidden_size {hidden_size}, got {proj_size}")
        super().__init__(
            Kind("lstm", hidden_size, proj_size, _options(norm, peephole, proj_size)),
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            zoneout=zoneout,
            recurrent_dropout=recurrent_dropout,
            rng=rng,
        )

    @property
    def proj_size(self) -> int:
        """Width of the projected state, 0 for none; what it was made with."""
        return self._kind.proj_size

    @property
    def peephole(self) -> bool:
        """Whether the gates look at the cell state; what it was made with."""
        return "peephole" in self._kind.options

    @property
    def norm(self) -> str | None:
        """``'layer'`` if the products are normalised, else None; what it was made with."""
        return "layer" if "layer_norm" in self._kind.options else None

    if TYPE_CHECKING:

        @overload
        def __call__(
            self, x: PackedSequence, hx: tuple[ArrayLike, ArrayLike] | None = None
        ) -> tuple[PackedSequence, tuple[Array, Array]]: ...
        @overload
        def __call__(
            self, x: ArrayLike, hx: tuple[ArrayLike, ArrayLike] | None = None
        ) -> tuple[Array, tuple[Array, Array]]: ...
        def __call__(self, x: Any, hx: Any = None) -> Any: ...

    def trace(
        self, x: ArrayLike | PackedSequence, hx: tuple[ArrayLike, ArrayLike] | None = None
    ) -> tuple[tuple[Array | PackedSequence, tuple[Array, Array]], Any]:
        """Run all layers.

        Parameters
        ----------
        x : array_like (T, B, I), (B, T, I) with ``batch_first``, or (T, I); or PackedSequence
        hx : (h0, c0), optional
            Initial states, zeros by default: h0 ``(num_layers * directions, B, proj_size or hidden_size)``, c0
            ``(num_layers * directions, B, hidden_size)``; without the B axis for a single sequence.

        Returns
        -------
        y : like x, with ``directions * (proj_size or hidden_size)`` features
        (h_n, c_n) : like hx
            Each sequence's own last states; in the reverse direction those at step 0.
        """
        y, (h_n, c_n), context = self._trace(x, ("h0", "c0"), _pair("hx", hx))
        return (y, (h_n, c_n)), context

    def pullback(
        self,
        context: Any,
        grad_y: ArrayLike | PackedSequence | None,
        grad_state: tuple[ArrayLike | None, ArrayLike | None] | None = None,
    ) -> tuple[Array | PackedSequence, tuple[Array, Array]]:
        """Back-propagate through time.

        Parameters
        ----------
        grad_y : like y, or None for zeros
        grad_state : like (h_n, c_n), optional
            Zeros by default, and where one of the two is None.

        Returns
        -------
        grad_x : like x
        (grad_h0, grad_c0) : like hx
        """
        pair = _pair("grad_state", grad_state)
        grad_x, (grad_h0, grad_c0) = self._pullback(context, grad_y, ("grad_h_n", "grad_c_n"), pair)
        return grad_x, (grad_h0, grad_c0)

    def _options(self) -> Mapping[str, Any]:
        return {"proj_size": 0, "peephole": False, "norm": None}


class LSTMCell(RecurrentCell):
    """One step of an LSTM: the equations of :class:`LSTM`, without a projection.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    peephole : bool, default False
    norm : {None, 'layer'}, default None
        As for :class:`LSTM`.
    zoneout, recurrent_dropout : float in [0, 1), default 0
        As for :class:`LSTM`; what is dropped is drawn anew at every call.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``.

    Attributes
    ----------
    weight_ih : Parameter, shape (4 * hidden_size, input_size)
    weight_hh : Parameter, shape (4 * hidden_size, hidden_size)
    bias_ih, bias_hh : Parameter, shape (4 * hidden_size,)

    Raises
    ------
    ValueError
        A size is not positive. From forward and backward: an array has another shape.
    TypeError
        From forward: the states are no pair.
    """

    _is_leaf = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        peephole: bool = False,
        norm: str | None = None,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            Kind("lstm", hidden_size, options=_options(norm, peephole)),
            input_size,
            hidden_size,
            bias=bias,
            zoneout=zoneout,
            recurrent_dropout=recurrent_dropout,
            rng=rng,
        )

    @property
    def peephole(self) -> bool:
        """Whether the gates look at the cell state; what it was made with."""
        return "peephole" in self._kind.options

    @property
    def norm(self) -> str | None:
        """``'layer'`` if the products are normalised, else None; what it was made with."""
        return "layer" if "layer_norm" in self._kind.options else None

    def _options(self) -> Mapping[str, Any]:
        return {"peephole": False, "norm": None}

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike, hx: tuple[ArrayLike, ArrayLike] | None = None) -> tuple[Array, Array]: ...

    def trace(self, x: ArrayLike, hx: tuple[ArrayLike, ArrayLike] | None = None) -> tuple[tuple[Array, Array], Any]:
        """Return (h', c'), each (B, hidden_size) or (hidden_size,), from x, (B, input_size) or (input_size,)."""
        (h, c), context = self._trace(x, ("h", "c"), _pair("hx", hx))
        return (h, c), context

    def pullback(
        self, context: Any, grad_h: ArrayLike | None, grad_c: ArrayLike | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return the gradients of x and of (h, c) before; None for a gradient that is zero."""
        grad_x, (before_h, before_c) = self._pullback(context, ("grad_h", "grad_c"), (grad_h, grad_c))
        return grad_x, (before_h, before_c)
