"""Gated recurrent units over padded, packed or single sequences, and one step of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seriatim._typing import Seed
from seriatim.nn.recurrent._one_state import OneStateCell, OneStateStack
from seriatim.nn.recurrent._stack import Kind, norm_options


def _kind(hidden_size: int, reset_after: bool, norm: str | None) -> Kind:
    options = norm_options(norm, reset_after=(reset_after, True))
    return Kind("gru", hidden_size, options=options if reset_after else ("reset_before",))


class GRU(OneStateStack):
    """A stack of GRU layers, in one or both directions.

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
    reset_after : bool, default True
        Whether the reset gate is applied after the recurrent product (torch, cuDNN) or before it (Cho et al. 2014).
    norm : {None, 'layer'}, default None
        ``'layer'``: both products are normalised (Ba et al. 2016); see Notes. Needs ``reset_after``.
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
    weight_ih_l{k}[_reverse] : Parameter, shape (3 * hidden_size, input size of layer k)
    weight_hh_l{k}[_reverse] : Parameter, shape (3 * hidden_size, hidden_size)
    bias_ih_l{k}[_reverse], bias_hh_l{k}[_reverse] : Parameter, shape (3 * hidden_size,)
        Rows in the order r, z, n: torch's names and layouts.
    norm_ih_l{k}[_reverse], norm_hh_l{k}[_reverse] : Parameter, shape (3 * hidden_size,)
        With ``norm='layer'`` only: gains of the normalised products, ones at first.

    Raises
    ------
    ValueError
        A size is not positive, or ``dropout`` is no probability. From forward and backward: an array has another
        shape.

    Notes
    -----
    ::

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))      reset_after=True
        n  = tanh(W_in x + b_in + W_hn (r * h) + b_hn)      reset_after=False
        h' = (1 - z) * n + z * h

    With ``norm='layer'`` each ``W v + b`` is ``N(W v) * norm + b`` instead, normalised over all gates of a row at once:
    ``N(u) = (u - mean(u)) / sqrt(var(u) + 1e-5)``.

    Gradients are those of back-propagation through time. States are ``(num_layers * directions, B, hidden_size)``,
    index ``layer * directions + direction``, in the caller's order of sequences.

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
    Ba, Kiros and Hinton, "Layer normalization", 2016 (``norm='layer'``).

    Examples
    --------
    >>> gru = GRU(13, 64, num_layers=2)
    >>> y, h_n = gru(x)  # x (T, B, 13), (T, 13) or a PackedSequence
    >>> grad_x, grad_h0 = gru.backward(grad_y)
    """

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
        reset_after: bool = True,
        norm: str | None = None,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            _kind(hidden_size, reset_after, norm),
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
    def reset_after(self) -> bool:
        """Whether the reset gate is applied after the recurrent product; what it was made with."""
        return "reset_before" not in self._kind.options

    @property
    def norm(self) -> str | None:
        """``'layer'`` if the products are normalised, else None; what it was made with."""
        return "layer" if "layer_norm" in self._kind.options else None

    def _options(self) -> Mapping[str, Any]:
        return {"reset_after": True, "norm": None}


class GRUCell(OneStateCell):
    """One step of a GRU: the equations of :class:`GRU`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    reset_after : bool, default True
    norm : {None, 'layer'}, default None
        As for :class:`GRU`.
    zoneout, recurrent_dropout : float in [0, 1), default 0
        As for :class:`GRU`; what is dropped is drawn anew at every call.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``.

    Attributes
    ----------
    weight_ih : Parameter, shape (3 * hidden_size, input_size)
    weight_hh : Parameter, shape (3 * hidden_size, hidden_size)
    bias_ih, bias_hh : Parameter, shape (3 * hidden_size,)

    Raises
    ------
    ValueError
        A size is not positive. From forward and backward: an array has another shape.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = True,
        norm: str | None = None,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            _kind(hidden_size, reset_after, norm),
            input_size,
            hidden_size,
            bias=bias,
            zoneout=zoneout,
            recurrent_dropout=recurrent_dropout,
            rng=rng,
        )

    @property
    def reset_after(self) -> bool:
        """Whether the reset gate is applied after the recurrent product; what it was made with."""
        return "reset_before" not in self._kind.options

    @property
    def norm(self) -> str | None:
        """``'layer'`` if the products are normalised, else None; what it was made with."""
        return "layer" if "layer_norm" in self._kind.options else None

    def _options(self) -> Mapping[str, Any]:
        return {"reset_after": True, "norm": None}
