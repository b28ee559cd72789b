"""minGRU, minLSTM and IndRNN: recurrences by elements, whose gates see the input alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from seriatim._typing import Seed
from seriatim.nn.recurrent._one_state import OneStateCell, OneStateStack
from seriatim.nn.recurrent._stack import Kind


class _MinimalStack(OneStateStack):
    """Layers of a kind without options."""

    _name: ClassVar[str]

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
        zoneout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            Kind(self._name, hidden_size),
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            zoneout=zoneout,
            recurrent_dropout=0.0,
            rng=rng,
        )


class _MinimalCell(OneStateCell):
    """One step of a kind without options."""

    _name: ClassVar[str]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, zoneout: float = 0.0, rng: Seed = None
    ) -> None:
        kind = Kind(self._name, hidden_size)
        super().__init__(kind, input_size, hidden_size, bias=bias, zoneout=zoneout, recurrent_dropout=0.0, rng=rng)


class MinGRU(_MinimalStack):
    """A stack of minimal GRU layers, in one or both directions.

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
    zoneout : float in [0, 1), default 0
        As for :class:`GRU`.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``, and of dropout.

    Attributes
    ----------
    weight_ih_l{k}[_reverse] : Parameter, shape (2 * hidden_size, input size of layer k)
    bias_ih_l{k}[_reverse] : Parameter, shape (2 * hidden_size,)
        Rows: z, n.

    Raises
    ------
    ValueError
        A size is not positive, or a rate is no probability. From forward and backward: an array has another shape.

    Notes
    -----
    ::

        z  = sigmoid(W_z x + b_z)
        n  = W_n x + b_n
        h' = (1 - z) * h + z * n

    No product meets the state: a step costs what its elements cost, and the input's product is one for all frames.
    Shapes are those of :class:`GRU`.

    References
    ----------
    Feng et al., "Were RNNs All We Needed?", 2024.
    """

    _name = "min_gru"


class MinGRUCell(_MinimalCell):
    """One step of a minimal GRU: the equations of :class:`MinGRU`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    zoneout : float in [0, 1), default 0
        As for :class:`GRU`; what is kept is drawn anew at every call.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``.

    Attributes
    ----------
    weight_ih : Parameter, shape (2 * hidden_size, input_size)
    bias_ih : Parameter, shape (2 * hidden_size,)

    Raises
    ------
    ValueError
        A size is not positive. From forward and backward: an array has another shape.
    """

    _name = "min_gru"


class MinLSTM(_MinimalStack):
    """A stack of minimal LSTM layers, in one or both directions.

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
    zoneout : float in [0, 1), default 0
        As for :class:`GRU`.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``, and of dropout.

    Attributes
    ----------
    weight_ih_l{k}[_reverse] : Parameter, shape (3 * hidden_size, input size of layer k)
    bias_ih_l{k}[_reverse] : Parameter, shape (3 * hidden_size,)
        Rows: f, i, n.

    Raises
    ------
    ValueError
        A size is not positive, or a rate is no probability. From forward and backward: an array has another shape.

    Notes
    -----
    ::

        f  = sigmoid(W_f x + b_f)
        i  = sigmoid(W_i x + b_i)
        n  = W_n x + b_n
        h' = f / (f + i) * h + i / (f + i) * n

    The one state is h; shapes are those of :class:`GRU`. Where f and i are both below 1e-37, they count as equal.

    References
    ----------
    Feng et al., "Were RNNs All We Needed?", 2024.
    """

    _name = "min_lstm"


class MinLSTMCell(_MinimalCell):
    """One step of a minimal LSTM: the equations of :class:`MinLSTM`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    zoneout : float in [0, 1), default 0
        As for :class:`GRU`; what is kept is drawn anew at every call.
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``.

    Attributes
    ----------
    weight_ih : Parameter, shape (3 * hidden_size, input_size)
    bias_ih : Parameter, shape (3 * hidden_size,)

    Raises
    ------
    ValueError
        A size is not positive. From forward and backward: an array has another shape.
    """

    _name = "min_lstm"


def _independent(hidden_size: int, nonlinearity: str) -> Kind:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
    return Kind("ind_rnn", hidden_size, options=("relu",) if nonlinearity == "relu" else (), state_range=(0.0, 1.0))


class IndRNN(OneStateStack):
    """A stack of independently recurrent layers, in one or both directions.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int, default 1
    nonlinearity : {'relu', 'tanh'}, default 'relu'
    bias : bool, default True
    batch_first : bool, default False
        Padded arrays are (B, T, ...) instead of (T, B, ...).
    dropout : float, default 0
        Between layers, in training.
    bidirectional : bool, default False
    zoneout : float in [0, 1), default 0
        As for :class:`GRU`.
    rng : int, Generator or None
        Of the initial values and of dropout. u is uniform in [0, 1], so that units remember for longer and shorter, as
        in the paper; the rest is uniform in ``±1 / sqrt(hidden_size)``.

    Attributes
    ----------
    weight_ih_l{k}[_reverse] : Parameter, shape (hidden_size, input size of layer k)
    weight_hh_l{k}[_reverse] : Parameter, shape (hidden_size, 1)
        u.
    bias_ih_l{k}[_reverse] : Parameter, shape (hidden_size,)

    Raises
    ------
    ValueError
        A size is not positive, a rate is no probability, or ``nonlinearity`` is another one. From forward and
        backward: an array has another shape.

    Notes
    -----
    ``h' = relu(W x + b + u * h)``, or tanh of the same: a unit sees of the state its own value alone. Shapes are those
    of :class:`GRU`. With relu and ``|u| > 1`` a state grows without bound; the paper clips ``|u|`` after every update
    at ``2 ** (1 / T)`` for sequences of T steps, which is left to the caller.

    References
    ----------
    Li et al., "Independently Recurrent Neural Network (IndRNN): Building a Longer and Deeper RNN", CVPR 2018.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "relu",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        zoneout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        super().__init__(
            _independent(hidden_size, nonlinearity),
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            zoneout=zoneout,
            recurrent_dropout=0.0,
            rng=rng,
        )

    @property
    def nonlinearity(self) -> str:
        """What it was made with."""
        return "relu" if "relu" in self._kind.options else "tanh"

    def _options(self) -> Mapping[str, Any]:
        return {"nonlinearity": "relu"}


class IndRNNCell(OneStateCell):
    """One step of an independently recurrent layer: the equation of :class:`IndRNN`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, default True
    nonlinearity : {'relu', 'tanh'}, default 'relu'
    zoneout : float in [0, 1), default 0
        As for :class:`GRU`; what is kept is drawn anew at every call.
    rng : int, Generator or None
        Of the initial values, as for :class:`IndRNN`.

    Attributes
    ----------
    weight_ih : Parameter, shape (hidden_size, input_size)
    weight_hh : Parameter, shape (hidden_size, 1)
    bias_ih : Parameter, shape (hidden_size,)

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
        nonlinearity: str = "relu",
        *,
        zoneout: float = 0.0,
        rng: Seed = None,
    ) -> None:
        kind = _independent(hidden_size, nonlinearity)
        super().__init__(kind, input_size, hidden_size, bias=bias, zoneout=zoneout, recurrent_dropout=0.0, rng=rng)

    @property
    def nonlinearity(self) -> str:
        """What it was made with."""
        return "relu" if "relu" in self._kind.options else "tanh"

    def _options(self) -> Mapping[str, Any]:
        return {"nonlinearity": "relu"}
