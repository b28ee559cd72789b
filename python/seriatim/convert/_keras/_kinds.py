"""What kinds of recurrent layers Keras has that we have, and how their weights are shaped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of recurrent layer.

    Attributes
    ----------
    name : str
        Of Keras's layer.
    gates : int
        How many blocks of H columns the kernels have.
    space : int
        Axes of an image.
    function : str
        What converts it.
    classes : frozenset of str
        All that Keras calls a layer or a cell of this kind.
    """

    name: str
    gates: int
    space: int
    function: str
    classes: frozenset[str]

    @property
    def columns(self) -> str:
        """The last axis of kernels, in words."""
        return f"{self.gates} H" if self.gates > 1 else "H"

    @property
    def source(self) -> str:
        """What errors call it."""
        return f"a Keras {self.name}"

    def shape(self, first: str) -> str:
        """Return a kernel's shape, in words."""
        return f"({'kh, kw, ' * bool(self.space)}{first}, {self.columns})"


def _classes(*names: str) -> frozenset[str]:
    return frozenset(part for name in names for part in (name, f"{name}Cell", f"{name}V1", f"{name}CellV1"))


GRU = Kind("GRU", 3, 0, "keras_gru", _classes("GRU", "CuDNNGRU"))
LSTM = Kind("LSTM", 4, 0, "keras_lstm", _classes("LSTM", "CuDNNLSTM"))
RNN = Kind("SimpleRNN", 1, 0, "keras_rnn", _classes("SimpleRNN"))
CONV_LSTM = Kind("ConvLSTM2D", 4, 2, "keras_conv_lstm", _classes("ConvLSTM2D"))
KINDS = (GRU, LSTM, RNN, CONV_LSTM)


def kind_of(shape: tuple[int, ...]) -> Kind | None:
    """Return the kind whose ``recurrent_kernel`` has a shape."""
    if len(shape) < 2:
        return None
    found = (kind for kind in KINDS if len(shape) == 2 + kind.space and shape[-1] == kind.gates * shape[-2])
    return next(found, None)
