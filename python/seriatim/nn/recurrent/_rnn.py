"""Elman networks over padded, packed or single sequences, and one step of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seriatim._typing import Seed
from seriatim.nn.recurrent._one_state import OneStateCell, OneStateStack
from seriatim.nn.recurrent._stack import Kind


def _kind(hidden_size: int, nonlinearity: str) -> Kind:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
    return Kind("rnn", hidden_size, options=("relu",) if nonlinearity == "relu" else ())


class RNN(OneStateStack):
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
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            _kind(hidden_size, nonlinearity),
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
    def nonlinearity(self) -> str:
        """What it was made with."""
        return "relu" if "relu" in self._kind.options else "tanh"

    def _options(self) -> Mapping[str, Any]:
        return {"nonlinearity": "tanh"}


class RNNCell(OneStateCell):
    """One step of an Elman network: the equation of :class:`RNN`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    nonlinearity : {'tanh', 'relu'}, default 'tanh'
    zoneout, recurrent_dropout : float in [0, 1), default 0
        As for :class:`RNN`; what is dropped is drawn anew at every call.
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
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            _kind(hidden_size, nonlinearity),
            input_size,
            hidden_size,
            bias=bias,
            zoneout=zoneout,
            recurrent_dropout=recurrent_dropout,
            rng=rng,
        )

    @property
    def nonlinearity(self) -> str:
        """What it was made with."""
        return "relu" if "relu" in self._kind.options else "tanh"

    def _options(self) -> Mapping[str, Any]:
        return {"nonlinearity": "tanh"}
