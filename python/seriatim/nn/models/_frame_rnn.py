"""A recurrent stack that makes an output of every frame of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._stream import Stage
from seriatim.nn.base import _contexts, _init
from seriatim.nn.base._layouts import SequenceInput
from seriatim.nn.base._stages import one_behind_another
from seriatim.nn.layers._frame_window import FrameWindow
from seriatim.nn.models._stacked import KINDS, Stacked, between, check_names
from seriatim.sequences import PackedSequence


class FrameRNN(Stacked):
    """GRU, LSTM or plain recurrent layers, and a linear layer on what the top one puts out at every step.

    Parameters
    ----------
    input_size, hidden_size, n_outputs : int
    rnn : {'gru', 'lstm', 'rnn'}
    num_layers : int, default 1
    bidirectional : bool, default False
        Whether an output also sees the frames that follow.
    dropout : float, default 0
        Between layers, and on the top one's outputs.
    convolution : int or None, default None
        Frames that a :class:`FrameWindow` in front of the layers sees at once: the last ones, or, with
        ``bidirectional``, as many before a frame as behind it. It gives ``hidden_size`` numbers a frame.
    head : {'log_softmax', 'linear'}, default 'log_softmax'
        What is put out: log-probabilities, or the linear layer's numbers.
    rng : int, Generator or None
        Of the initial values and the dropout.

    Attributes
    ----------
    window, rnn, classifier
        Where the parameters are: ``window.linear.weight`` and ``.bias`` (``window`` is None without ``convolution``),
        ``rnn.weight_ih_l0`` ..., ``classifier.1.weight`` and ``.bias``.
    width : int
        Of what the linear layer stands on: ``hidden_size`` for each direction.

    Raises
    ------
    ValueError
        A size is not positive, or ``rnn`` or ``head`` has another value.

    Notes
    -----
    ``y = model(x)`` of a PackedSequence is one, packed alike, of rows ``(rows, n_outputs)``; ``y (B, T, n_outputs) =
    model(x, lengths=None)`` of padded ``(B, T, input_size)``, in any order of length, is zeros on padding, which is
    never computed.
    """

    _fixed = ("input_size", "n_outputs", "head", "convolution", "width")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        n_outputs: int,
        *,
        rnn: str = "gru",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        convolution: int | None = None,
        head: str = "log_softmax",
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size, n_outputs=n_outputs)
        check_names(rnn, head)
        if convolution is not None:
            _init.positive(convolution=convolution)
        random = _init.generator(rng)
        self.input_size, self.n_outputs, self.head, self.convolution = input_size, n_outputs, head, convolution
        self.window = None
        if convolution is not None:
            self.window = FrameWindow(input_size, hidden_size, convolution, centred=bidirectional, rng=random)
        self.rnn = KINDS[rnn](
            input_size if convolution is None else hidden_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=between(dropout, num_layers),
            rng=random,
        )
        self.width = hidden_size * self.rnn.num_directions
        self._add_classifier(self.width, n_outputs, dropout, head, random)

    if TYPE_CHECKING:

        @overload
        def __call__(self, x: PackedSequence) -> PackedSequence: ...
        @overload
        def __call__(self, x: ArrayLike, lengths: ArrayLike | None = None) -> Array: ...
        def __call__(self, x: Any, lengths: Any = None) -> Any: ...

    def trace(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> tuple[Any, Any]:
        """Return outputs of every frame, in the layout of x."""
        given = SequenceInput.read(x, lengths, self.input_size)
        h, inner = self._recurrent(given.packed)
        y, of_classifier = self.classifier.trace(h)
        return given.rows_out(y), self.keep((given, inner, of_classifier))

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        parts = [("window", self.window)] if self.window is not None else []
        return one_behind_another([*parts, ("rnn", self.rnn), ("classifier", self.classifier)])

    def pullback(self, context: Any, grad_output: ArrayLike | PackedSequence, need_input: bool = False) -> Any:
        """Add to the parameters' gradients.

        Parameters
        ----------
        grad_output : PackedSequence or array_like
            In the layout of the output, or its packed rows.
        need_input : bool, default False
            Whether to compute the gradient of the input; training does not need it.

        Returns
        -------
        ndarray, PackedSequence or None
            Gradient of x, in its layout: a PackedSequence, or ``(B, T, input_size)`` with zeros on padding.
        """
        given, (of_window, of_rnn), of_classifier = self.kept(context)
        grad = self.classifier.pullback(of_classifier, given.rows_in("grad_output", grad_output, self.n_outputs))
        below = need_input or self.window is not None
        rows, _ = self.rnn._pullback_packed(of_rnn, grad, None, below, need_state=False)
        if self.window is not None and rows is not None:
            rows = self.window.pullback(of_window, rows, need_input)
        return given.rows_out(rows) if need_input else None

    def embed(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> Any:
        """Return what the linear layer stands on, of every frame ``(..., width)``, in the layout of x."""
        given = SequenceInput.read(x, lengths, self.input_size)
        h, _ = _contexts.evaluated(self._recurrent, given.packed)
        return given.rows_out(h)

    def _recurrent(self, packed: PackedSequence) -> tuple[Array, Any]:
        """Return the top layer's outputs as packed rows, and the contexts."""
        rows, of_window = np.asarray(packed.data), None
        if self.window is not None:
            rows, of_window = self.window.trace(rows, packed.batch_sizes)
        (h, _), of_rnn = self.rnn._trace_packed(rows, packed.batch_sizes, batch=packed.n_sequences)
        return h, (of_window, of_rnn)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"input_size={self.input_size}, n_outputs={self.n_outputs}"
