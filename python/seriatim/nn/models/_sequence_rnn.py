"""A recurrent stack that makes one output of a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._stream import Stage, stage
from seriatim.nn.attention._sequence_pooling import SequencePool
from seriatim.nn.base import _contexts, _init
from seriatim.nn.base._calls import SequenceModule
from seriatim.nn.base._layouts import SequenceInput
from seriatim.nn.base._stages import stages_of
from seriatim.nn.models._stacked import KINDS, Stacked, between, check_names
from seriatim.nn.recurrent._lstm import LSTM
from seriatim.sequences import PackedSequence

POOLINGS = ("last", "mean", "max", "positive")


class SequenceRNN(Stacked, SequenceModule):
    """GRU, LSTM or plain recurrent layers, and a linear layer on what a sequence's steps leave behind in the top one.

    Parameters
    ----------
    input_size, hidden_size, n_outputs : int
    rnn : {'gru', 'lstm', 'rnn'}
    num_layers : int, default 1
    bidirectional : bool, default False
    dropout : float, default 0
        Between layers, and on what is pooled.
    head : {'log_softmax', 'linear'}, default 'log_softmax'
        What is put out: log-probabilities, or the linear layer's numbers.
    pooling : sequence out of {'last', 'mean', 'max', 'positive'}, default ('last',)
        What the linear layer stands on, side by side in this order: the top layer's last states, the means of its
        outputs over a sequence's steps, their greatest values, the shares of steps on which they are above 0 (which
        have no gradient); of both directions each.
    rng : int, Generator or None
        Of the initial values and the dropout.

    Attributes
    ----------
    rnn, classifier
        Where the parameters are: ``rnn.weight_ih_l0`` ..., ``classifier.1.weight`` and ``.bias``.
    width : int
        Of what is pooled: ``hidden_size`` for each direction and pooling.

    Raises
    ------
    ValueError
        A size is not positive, or ``rnn``, ``head`` or ``pooling`` has another value.

    Notes
    -----
    ``y (B, n_outputs) = model(x, lengths=None)``; x: a PackedSequence, or padded ``(B, T, input_size)`` in any order of
    length. Padding is never computed, and results come in the caller's order.
    """

    _fixed = ("input_size", "n_outputs", "head", "pooling", "width")

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
        head: str = "log_softmax",
        pooling: Sequence[str] = ("last",),
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size, n_outputs=n_outputs)
        check_names(rnn, head)
        if isinstance(pooling, str) or not pooling or set(pooling) - set(POOLINGS) or len(set(pooling)) < len(pooling):
            raise ValueError(f"pooling: expected some of {POOLINGS}, each once, got {pooling!r}")
        random = _init.generator(rng)
        self.input_size, self.n_outputs, self.head = input_size, n_outputs, head
        self.rnn = KINDS[rnn](
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=between(dropout, num_layers),
            rng=random,
        )
        self.pooling = tuple(name for name in POOLINGS if name in pooling)
        over_time = [name for name in self.pooling if name != "last"]
        self.pool = SequencePool(over_time) if over_time else None
        self.width = hidden_size * self.rnn.num_directions * len(self.pooling)
        self._add_classifier(self.width, n_outputs, dropout, head, random)

    def trace(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> tuple[Array, Any]:
        """Return outputs ``(B, n_outputs)`` in the caller's order."""
        given = SequenceInput.read(x, lengths, self.input_size)
        pooled, inner = self._pooled(given.packed)
        y, of_classifier = self.classifier.trace(pooled)
        return given.sequences_out(y), self.keep((given, inner, of_classifier))

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        stages = stages_of(self.rnn, "rnn")
        size, column = stages[-1].outputs, 0
        if self._last_width:
            stages.append(stage("", "last", size))
            column = size
        if self.pool is not None:
            stages.append(self.pool.stage("pool", size, column))
        stages.append(stage("", "gathered", size, self.width))
        return [*stages, *stages_of(self.classifier, "classifier", self.width)]

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = False) -> Any:
        """Add to the parameters' gradients.

        Parameters
        ----------
        grad_output : array_like, shape (B, n_outputs)
        need_input : bool, default False
            Whether to compute the gradient of the input; training does not need it.

        Returns
        -------
        ndarray, PackedSequence or None
            Gradient of x, in its layout: a PackedSequence, or ``(B, T, input_size)`` with zeros on padding.
        """
        given, (of_rnn, of_pool), of_classifier = self.kept(context)
        grad = self.classifier.pullback(of_classifier, given.sequences_in("grad_output", grad_output, self.n_outputs))
        grad_y: Array | None = None
        grad_states = None
        if self.pool is not None:
            grad_y = self.pool.pullback(of_pool, np.ascontiguousarray(grad[:, self._last_width :]))
        if self._last_width:
            count = self.rnn.num_directions
            states = np.zeros((self.rnn.num_layers * count, len(grad), self.rnn.hidden_size), np.float32)
            for index, state in enumerate(states[-count:]):
                state[...] = grad[:, index * state.shape[1] : (index + 1) * state.shape[1]]
            grad_states = (states, np.zeros_like(states)) if isinstance(self.rnn, LSTM) else (states,)
        rows, _ = self.rnn._pullback_packed(of_rnn, grad_y, grad_states, need_input, need_state=False)
        return given.rows_out(rows)

    def embed(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> Array:
        """Return what the linear layer stands on, ``(B, width)``: pooled outputs, forward and reverse side by side."""
        given = SequenceInput.read(x, lengths, self.input_size)
        pooled, _ = _contexts.evaluated(self._pooled, given.packed)
        return given.sequences_out(pooled)

    @property
    def _last_width(self) -> int:
        """Columns of the last states among those of what is pooled."""
        return self.rnn.hidden_size * self.rnn.num_directions if "last" in self.pooling else 0

    def _pooled(self, packed: PackedSequence) -> tuple[Array, Any]:
        """Return what the linear layer stands on, in packed order, and the contexts."""
        (y, states), of_rnn = self.rnn._trace_packed(packed.data, packed.batch_sizes, batch=packed.n_sequences)
        of_pool = None
        parts = list(states[0][-self.rnn.num_directions :]) if self._last_width else []
        if self.pool is not None:
            pooled, of_pool = self.pool.trace(y, packed.batch_sizes, packed.n_sequences)
            parts.append(pooled)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), (of_rnn, of_pool)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"input_size={self.input_size}, n_outputs={self.n_outputs}"
