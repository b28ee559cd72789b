"""Gated recurrent units over padded, packed or single sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike, Integers, Seed
from seriatim.nn import _init
from seriatim.nn._dropout import Dropout
from seriatim.nn._module import Module
from seriatim.nn._packs import Packs
from seriatim.nn._parameter import Parameter, gradient_slots
from seriatim.nn._recurrent import RecurrentInput
from seriatim.sequences import PackedSequence


class _Direction(NamedTuple):
    """The parameters of one direction of one layer."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None


class GRU(Module):
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
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(hidden_size)``, and of dropout.

    Attributes
    ----------
    weight_ih_l{k}[_reverse] : Parameter, shape (3 * hidden_size, input size of layer k)
    weight_hh_l{k}[_reverse] : Parameter, shape (3 * hidden_size, hidden_size)
    bias_ih_l{k}[_reverse], bias_hh_l{k}[_reverse] : Parameter, shape (3 * hidden_size,)
        Rows in the order r, z, n: torch's names and layouts.

    Notes
    -----
    ::

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))      reset_after=True
        n  = tanh(W_in x + b_in + W_hn (r * h) + b_hn)      reset_after=False
        h' = (1 - z) * n + z * h

    Gradients are those of back-propagation through time. States are ``(num_layers * directions, B, hidden_size)``,
    index ``layer * directions + direction``, in the caller's order of sequences.

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.

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
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        random = _init.generator(rng)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.reset_after = float(dropout), reset_after
        # Draws the masks between layers. Not a registered module: torch's GRU has no child.
        self.__dict__["_between"] = Dropout(dropout, rng=random)
        self._packs = Packs()
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * self.num_directions
            for suffix in self._suffixes:
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (3 * hidden_size, width)}
                shapes["weight_hh"] = (3 * hidden_size, hidden_size)
                if bias:
                    shapes |= {"bias_ih": (3 * hidden_size,), "bias_hh": (3 * hidden_size,)}
                for name, shape in shapes.items():
                    drawn = Parameter(_init.uniform(random, shape, hidden_size))
                    self.register_parameter(f"{name}_l{layer}{suffix}", drawn)

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _direction(self, layer: int, suffix: str) -> _Direction:
        store, end = self._parameters, f"_l{layer}{suffix}"
        return _Direction(
            store[f"weight_ih{end}"],
            store[f"weight_hh{end}"],
            store.get(f"bias_ih{end}"),
            store.get(f"bias_hh{end}"),
        )

    # ---- Whatever the caller's layout is

    def forward(
        self, x: ArrayLike | PackedSequence, h0: ArrayLike | None = None
    ) -> tuple[Array | PackedSequence, Array]:
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
        given = RecurrentInput.read(x, self.input_size, self.batch_first)
        states = given.states_in("h0", h0, self.num_layers * self.num_directions, self.hidden_size)
        y, h_n = self._forward_packed(given.data, given.batch_sizes, states)
        self._push(given)
        return given.give_back(y), given.states_out(h_n)

    def backward(
        self, grad_y: ArrayLike | PackedSequence | None, grad_state: ArrayLike | None = None
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
        given: RecurrentInput = self._pop()
        width = self.num_directions * self.hidden_size
        grad = None if grad_y is None else given.read_gradient(grad_y, width)
        states = given.states_in("grad_state", grad_state, self.num_layers * self.num_directions, self.hidden_size)
        grad_x, grad_h0 = self._backward_packed(grad, states)
        assert grad_x is not None
        assert grad_h0 is not None
        return given.give_back(grad_x), given.states_out(grad_h0)

    # ---- Packed rows, sorted states: what other modules of this package call

    def _forward_packed(self, data: Array, batch_sizes: Integers, h0: Array | None = None) -> tuple[Array, Array]:
        directions, size = self.num_directions, self.hidden_size
        h_n = np.empty((self.num_layers * directions, int(batch_sizes[0]), size), np.float32)
        between: Dropout = self.__dict__["_between"]
        caches: list[Any] = []
        calls: list[int | None] = []
        for layer in range(self.num_layers):
            if layer > 0:
                calls.append(between.count() if self.training else None)
                data = between.mask(data, calls[-1])
            wide = np.empty((len(data), 2 * size), np.float32) if directions == 2 else None
            for index, suffix in enumerate(self._suffixes):
                parameters = self._direction(layer, suffix)
                state = layer * directions + index
                (y, final), cache = F.gru(
                    data,
                    batch_sizes,
                    self._packed(layer, suffix, parameters),
                    None if h0 is None else h0[state],
                    hidden_size=size,
                    reverse=index == 1,
                    reset_after=self.reset_after,
                    training=self.training,
                    out=None if wide is None else wide[:, index * size : (index + 1) * size],
                )
                h_n[state] = final
                caches.append(cache)
            data = y if wide is None else wide
        self._push((caches, calls))
        return data, h_n

    def _packed(self, layer: int, suffix: str, parameters: _Direction) -> Array:
        def pack() -> Array:
            arrays = [None if p is None else p._array for p in parameters]
            return F.gru_pack(*arrays, reset_after=self.reset_after)  # type: ignore[arg-type]

        return self._packs.get((layer, suffix), parameters, pack)

    def _backward_packed(
        self,
        grad: Array | None,
        grad_states: Array | None,
        need_input: bool = True,
        need_state: bool = True,
    ) -> tuple[Array | None, Array | None]:
        directions, size = self.num_directions, self.hidden_size
        caches, calls = self._pop()
        between: Dropout = self.__dict__["_between"]
        grad_h0: list[Array | None] = [None] * len(caches)
        for layer in reversed(range(self.num_layers)):
            need = need_input or layer > 0
            parts: list[Array | None] = []
            for index, suffix in enumerate(self._suffixes):
                state = layer * directions + index
                own = grad
                if grad is not None and directions == 2:
                    own = grad[:, index * size : (index + 1) * size]
                part, grad_h0[state] = self._direction_backward(
                    layer,
                    suffix,
                    own,
                    None if grad_states is None else grad_states[state],
                    caches[state],
                    need,
                    need_state,
                )
                parts.append(part)
            grad = parts[0]
            if grad is not None and directions == 2:
                grad = np.add(grad, parts[1], out=grad)  # type: ignore[arg-type]
            if layer > 0:
                grad = between.mask(grad, calls[layer - 1])  # type: ignore[arg-type]
        return grad, np.stack(grad_h0) if need_state else None  # type: ignore[arg-type]

    def _direction_backward(
        self,
        layer: int,
        suffix: str,
        grad_y: Array | None,
        grad_h_n: Array | None,
        cache: Any,
        need_input: bool,
        need_state: bool,
    ) -> tuple[Array | None, Array | None]:
        parameters = self._direction(layer, suffix)
        weight_ih, weight_hh = parameters.weight_ih, parameters.weight_hh

        def pack() -> Array:
            return F.gru_pack_backward(
                weight_ih._array,
                weight_hh._array,
                reset_after=self.reset_after,
                need_input=need_input,
            )

        packed = self._packs.get((layer, suffix, "backward", need_input), (weight_ih, weight_hh), pack)
        with gradient_slots(*parameters) as (slots, accumulate):
            return F.gru_backward(
                grad_y,
                grad_h_n,
                cache,
                packed,
                grad_weight_ih=slots[0],
                grad_weight_hh=slots[1],
                grad_bias_ih=slots[2],
                grad_bias_hh=slots[3],
                need_input=need_input,
                need_state=need_state,
                accumulate=accumulate,
            )

    def extra_repr(self) -> str:
        """Return the configuration."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults: dict[str, Any] = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "reset_after": True,
        }
        own = ((k, v, getattr(self, k)) for k, v in defaults.items())
        return ", ".join(parts + [f"{name}={value}" for name, default, value in own if value != default])
