"""What all recurrent stacks and cells have in common: stacks of layers in one or both directions, and cells.

A *kind* names one recurrence with its options; :mod:`seriatim.functional` computes it. The stack and the cell know
layers, directions, layouts and gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, as_numbers
from seriatim._typing import Array, ArrayLike, Integers, Seed
from seriatim.functional._stream import Stage
from seriatim.functional._stream import stage as stream_stage
from seriatim.nn.base import _init
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._layouts import RecurrentInput
from seriatim.nn.base._memory_stream import Kept
from seriatim.nn.base._module import Module
from seriatim.nn.base._narrow import narrow_form
from seriatim.nn.base._packs import Packs
from seriatim.nn.base._parameter import Parameter, clear_gradients, gradient_slots
from seriatim.nn.base._stages import below
from seriatim.nn.layers._dropout import Drop, Dropout, dropped, probability
from seriatim.nn.recurrent import _own
from seriatim.sequences import PackedSequence
from seriatim.sequences._packed import with_steps

# One array for each of a kind's states, (batch, size) or (layers, batch, size): (h,) or (h, c).
States = tuple[Array, ...]
# What one call draws: zoneout's rate, seed and number, and those of dropout of weight_hh, None for none.
Draws = tuple[F.Zoneout, tuple[float, int, int] | None]
NO_DRAWS: Draws = (F.NO_ZONEOUT, None)


@dataclass(frozen=True)
class Kind:
    """One recurrence, whatever its input: the layers of a stack differ in their input's size alone.

    Attributes
    ----------
    name : str
        As :func:`seriatim.functional.cell` knows it.
    hidden_size : int
    proj_size : int
    options : tuple of str
    state_range : (float, float) or None
        Where the initial weight_hh comes from; None: as the others, ``±1 / sqrt(hidden_size)``.
    """

    name: str
    hidden_size: int
    proj_size: int = 0
    options: tuple[str, ...] = ()
    state_range: tuple[float, float] | None = None

    def cell(self, input_size: int) -> F.Cell:
        """Return what the functions of a layer take."""
        return F.cell(self.name, input_size, self.hidden_size, self.proj_size, self.options)

    @cached_property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h, which is also the output, and of c where there is one."""
        return self.cell(1).state_sizes

    def shapes(self, input_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
        """Return the parameters that exist, in torch's order."""
        return self.cell(input_size).shapes(bias)

    def initial(self, random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
        """Draw the first value of a parameter; gains are ones."""
        if name.startswith("norm"):
            return _init.ones(shape)
        if name == "weight_hh" and self.state_range is not None:
            return random.uniform(*self.state_range, shape).astype(np.float32, copy=False)
        return _init.uniform(random, shape, self.hidden_size)


def norm_options(norm: str | None, **others: tuple[Any, Any]) -> tuple[str, ...]:
    """Return the options that ``norm`` means; ``others``: values and plain values of arguments that it excludes."""
    if norm is None:
        return ()
    if norm != "layer":
        raise ValueError(f"norm: expected None or 'layer', got {norm!r}")
    for name, (value, plain) in others.items():
        if value != plain:
            raise ValueError(f"{name}: expected {plain!r} with norm='layer', which has no such cell, got {value!r}")
    return ("layer_norm",)


def _arrays(parameters: list[Parameter | None]) -> list[Any]:
    return [p._array if type(p) is Parameter else None if p is None else p._kept() for p in parameters]


class _Direction:
    """One direction of one layer: its parameters, and their packed copies."""

    __slots__ = ("_names", "_packs", "cell", "owner")

    def __init__(self, cell: F.Cell, owner: Module, suffix: str) -> None:
        self.cell, self.owner = cell, owner
        # As far as the cell has any: the functions take the others for None.
        count = 1 + max(F.PARAMETERS.index(name) for name in cell.shapes())
        self._names = [name + suffix for name in F.PARAMETERS[:count]]
        self._packs = Packs()

    def parameters(self) -> list[Parameter | None]:
        store = self.owner._parameters
        return [store.get(name) for name in self._names]

    def _in_one_form(self, parameters: list[Parameter | None]) -> list[Any]:
        """Return the arrays to pack; ValueError if some of the matrices are quantised and others not, or otherwise."""
        forms = {
            name: narrow_form([parameter]) or "float32"
            for name, parameter in zip(self._names, parameters, strict=True)
            if parameter is not None and name.startswith(("weight_ih", "weight_hh", "weight_hr"))
        }
        if len(set(forms.values())) > 1:
            said = ", ".join(f"{name}: {form}" for name, form in forms.items())
            raise ValueError(f"weights: expected all of a layer's in one form, got {said}: assign the others, too")
        return _arrays(parameters)

    def packed(self) -> tuple[F.Cell, Array]:
        """Return the cell in the form of its weights, and those, packed; of what is dropped nothing."""
        parameters = self.parameters()
        first = parameters[0]
        cell = self.cell if first is None or type(first) is Parameter else self.cell.packed_as(first.form)
        pack = self._packs.get(
            "forward", tuple(parameters), lambda: F.recurrent_pack(cell, self._in_one_form(parameters))
        )
        return cell, pack

    def stage(self, name: str, zoneout: float) -> Stage:
        """Return the layer as a stage of a stream."""
        cell, packed = self.packed()
        return stream_stage(
            name, "recurrent", cell.input_size, cell.state_sizes[0], cell=cell, weights=packed, number=-zoneout
        )

    def forward(
        self,
        x: Array,
        batch_sizes: Integers,
        states: States | None,
        *,
        reverse: bool,
        training: bool,
        out: Array | None,
        draws: Draws,
    ) -> tuple[Array, States, Any]:
        zoneout, drop = draws
        if drop is None:
            cell, packed = self.packed()
        else:
            cell, packed = self.cell, F.recurrent_pack(self.cell, _dropped(self.parameters(), drop))
        (y, (h_n, c_n)), cache = F.recurrent(
            cell,
            x,
            batch_sizes,
            packed,
            F.NO_STATES if states is None else _pair(states),
            reverse=reverse,
            training=training,
            zoneout=zoneout,
            out=out,
        )
        assert h_n is not None
        return y, (h_n,) if c_n is None else (h_n, c_n), (cache, drop)

    def backward(
        self,
        grad_y: Array | None,
        grad_states: States | None,
        cache: Any,
        *,
        need_input: bool,
        need_state: bool,
        grad_x: Array | None = None,
    ) -> tuple[Array | None, States | None]:
        parameters, (kept, drop) = self.parameters(), cache
        if drop is None:
            packed = self._packs.get(
                ("backward", need_input),
                tuple(parameters),
                lambda: F.recurrent_pack_backward(self.cell, _arrays(parameters), need_input),
            )
        else:
            packed = F.recurrent_pack_backward(self.cell, _dropped(parameters, drop), need_input)
        with guard_of(parameters[0]), gradient_slots(*parameters) as (slots, accumulate):
            recurrent = slots[1]
            if drop is not None and recurrent is not None:
                slots[1] = np.zeros_like(recurrent)
            below, first = F.recurrent_backward(
                kept,
                packed,
                grad_y,
                _pair(grad_states),
                gradients=slots,
                need_input=need_input,
                need_state=need_state,
                accumulate=accumulate,
                grad_x=grad_x,
            )
            if drop is not None and recurrent is not None and slots[1] is not None:
                # What was dropped has no gradient, the rest is scaled as its values were.
                gradient = F.dropout(slots[1], *drop)
                recurrent[...] = recurrent + gradient if accumulate else gradient
        return below, _present(first) if need_state else None


def _dropped(parameters: list[Parameter | None], drop: tuple[float, int, int]) -> list[Array | None]:
    """Return the arrays of a direction's parameters, weight_hh with some elements dropped."""
    arrays = _arrays(parameters)
    arrays[1] = F.dropout(arrays[1], *drop)
    return arrays


def _draws(zoneout: float, recurrent_dropout: float, source: Dropout | None, training: bool) -> Draws:
    """Draw what one direction's call needs: zoneout's numbers, and those of dropout of weight_hh, None for none."""
    if source is None or not training:
        # Below 0: states are mixed in this proportion, with a gradient.
        return (-zoneout, 0, 0), None
    return (
        (zoneout, source.seed, source.number()) if zoneout else F.NO_ZONEOUT,
        (recurrent_dropout, source.seed, source.number()) if recurrent_dropout else None,
    )


def _check_rates(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"{name}: expected a probability from 0 to below 1, got {rate!r}")


def _pair(states: States | None) -> tuple[Array | None, Array | None]:
    """Return a kind's states as ``(h, c)``, None for what there is not."""
    if states is None:
        return None, None
    return states[0], states[1] if len(states) > 1 else None


def _present(states: tuple[Array | None, Array | None]) -> States:
    h, c = states
    assert h is not None
    return (h,) if c is None else (h, c)


class _Regular(Module):
    """What draws: zoneout and recurrent dropout, which may be set."""

    def _set_rate(self, name: str, rate: float) -> None:
        _check_rates(**{name: rate})
        self.__dict__[f"_{name}"] = float(rate)

    @property
    def zoneout(self) -> float:
        """Probability with which an element of the state keeps its value; may be set."""
        rate: float = self.__dict__["_zoneout"]
        return rate

    @zoneout.setter
    def zoneout(self, rate: float) -> None:
        self._set_rate("zoneout", rate)

    @property
    def recurrent_dropout(self) -> float:
        """Probability with which an element of ``weight_hh`` is dropped in training; may be set."""
        rate: float = self.__dict__["_recurrent_dropout"]
        return rate

    @recurrent_dropout.setter
    def recurrent_dropout(self, rate: float) -> None:
        self._set_rate("recurrent_dropout", rate)


class RecurrentStack(_Regular):
    """Layers of one kind; the base of GRU, LSTM, RNN and the like."""

    _fixed = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional")
    _lacks: ClassVar = {"proj_size": 0}
    _over_time = _gives_states = _runs_on = True

    def __init__(
        self,
        kind: Kind,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        zoneout: float,
        recurrent_dropout: float,
        rng: Seed,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.zoneout, self.recurrent_dropout = zoneout, recurrent_dropout
        random = _init.generator(rng)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self._kind = kind
        # Draws the masks between layers and of the recurrence. Not a registered module: torch's layers have no child.
        self.__dict__["_between"] = Dropout(dropout, rng=random)
        self._directions: list[list[_Direction]] = []
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.output_size
            self._directions.append([])
            for direction in ("", "_reverse") if bidirectional else ("",):
                suffix = f"_l{layer}{direction}"
                for name, shape in kind.shapes(width, bias).items():
                    self.register_parameter(name + suffix, Parameter(kind.initial(random, name, shape)))
                self._directions[layer].append(_Direction(kind.cell(width), self, suffix))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if vars(cls).keys() & {"trace", "pullback", "forward", "backward"} and not vars(cls).get("_is_leaf"):
            cls._trace_packed, cls._pullback_packed = _own.trace_packed, _own.pullback_packed  # type: ignore[method-assign]

    @property
    def dropout(self) -> float:
        """Probability with which elements between layers are dropped in training; it may be set."""
        between: Dropout = self.__dict__["_between"]
        return between.p

    @dropout.setter
    def dropout(self, p: float) -> None:
        between: Dropout = self.__dict__["_between"]
        between.p = probability("dropout", p)

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Features of the output: those of all directions."""
        return self.num_directions * self._kind.state_sizes[0]

    # ---- Whatever the caller's layout is

    def _trace(
        self, x: ArrayLike | PackedSequence, names: tuple[str, ...], states: tuple[ArrayLike | None, ...]
    ) -> tuple[Array | PackedSequence, States, Any]:
        """Return the output, the last states and the context."""
        given = RecurrentInput.read(x, self.input_size, self.batch_first)
        first = self._states_in(given, names, states)
        (y, last), inner = RecurrentStack._trace_packed(self, given.data, given.batch_sizes, first, given.batch)
        return given.give_back(y), tuple([given.states_out(state) for state in last]), self.keep((given, inner))

    def _pullback(
        self,
        context: Any,
        grad_y: ArrayLike | PackedSequence | None,
        names: tuple[str, ...],
        grad_states: tuple[ArrayLike | None, ...],
    ) -> tuple[Array | PackedSequence, States]:
        given, inner = self.kept(context)
        grad = None if grad_y is None else given.read_gradient(grad_y, self.output_size)
        states = self._states_in(given, names, grad_states)
        grad_x, first = RecurrentStack._pullback_packed(self, inner, grad, states)
        assert grad_x is not None
        assert first is not None
        return given.give_back(grad_x), tuple([given.states_out(state) for state in first])

    def _states_in(
        self, given: RecurrentInput, names: tuple[str, ...], states: tuple[ArrayLike | None, ...]
    ) -> States | None:
        if all(state is None for state in states):
            return None
        layers = self.num_layers * self.num_directions
        found = []
        for name, state, size in zip(names, states, self._kind.state_sizes, strict=True):
            read = given.states_in(name, state, layers, size)
            found.append(np.zeros((layers, given.batch, size), np.float32) if read is None else read)
        return tuple(found)

    # ---- Packed rows, sorted states: what other modules of this package call

    def _trace_packed(
        self, data: Array, batch_sizes: Integers, states: States | None = None, batch: int | None = None
    ) -> tuple[tuple[Array, States], Any]:
        """Run rows; of ``batch`` sequences those behind the first step's have no step: they keep their states."""
        training, keeps, there = self.training, self._keeps(), with_steps(batch_sizes)
        batch = there if batch is None else batch
        count, size = self.num_layers * self.num_directions, self._kind.state_sizes[0]
        last = tuple([np.empty((count, batch, width), np.float32) for width in self._kind.state_sizes])
        if batch > there:
            for index, target in enumerate(last):
                target[:, there:] = 0 if states is None else states[index][:, there:]
        if not there:
            return (np.zeros((0, self.output_size), np.float32), last), self.keep([[], [], batch, there])
        between: Dropout = self.__dict__["_between"]
        regular = self.zoneout > 0 or self.recurrent_dropout > 0
        caches: list[Any] = []
        drops: list[Drop | None] = []
        for layer, directions in enumerate(self._directions):
            if layer > 0:
                drops.append(between.draw() if training else None)
                data = dropped(data, drops[-1])
            wide = F.empty(len(data), 2 * size) if self.bidirectional else None
            for index, direction in enumerate(directions):
                place = len(caches)
                y, finals, cache = direction.forward(
                    data,
                    batch_sizes,
                    None if states is None else tuple([state[place, :there] for state in states]),
                    reverse=index == 1,
                    training=keeps,
                    draws=_draws(self.zoneout, self.recurrent_dropout, between, training) if regular else NO_DRAWS,
                    out=None if wide is None else wide[:, index * size : (index + 1) * size],
                )
                for target, final in zip(last, finals, strict=True):
                    target[place, :there] = final
                caches.append(cache)
            data = y if wide is None else wide
        return (data, last), self.keep([caches, drops, batch, there])

    def _pullback_packed(
        self,
        context: Any,
        grad: Array | None,
        grad_states: States | None,
        need_input: bool = True,
        need_state: bool = True,
    ) -> tuple[Array | None, States | None]:
        size = self._kind.state_sizes[0]
        caches, drops, batch, there = unused = self._unused(context)
        if not there:
            unused.clear()
            return self._nothing(batch, grad_states)
        first: list[States | None] = [None] * len(caches)
        place = len(caches)
        for layer in reversed(range(self.num_layers)):
            need = need_input or layer > 0
            place -= self.num_directions
            below: Array | None = None
            for index, direction in enumerate(self._directions[layer]):
                own = grad
                if grad is not None and self.bidirectional:
                    own = grad[:, index * size : (index + 1) * size]
                # The second direction adds to the input gradient of the first.
                below, first[place + index] = direction.backward(
                    own,
                    None if grad_states is None else tuple([g[place + index, :there] for g in grad_states]),
                    caches[place + index],
                    need_input=need,
                    need_state=need_state,
                    grad_x=below,
                )
                # The kernels turn the caches into gradients.
                unused.clear()
            grad = below
            if layer > 0 and grad is not None:
                grad = dropped(grad, drops[layer - 1])
        if not need_state:
            return grad, None
        found = tuple([np.stack(parts) for parts in zip(*first, strict=True)])
        if batch == there:
            return grad, found
        behind = self._zeros(batch) if grad_states is None else grad_states
        pairs = zip(found, behind, strict=True)
        return grad, tuple([np.concatenate([some, rest[:, there:]], axis=1) for some, rest in pairs])

    def _zeros(self, batch: int) -> States:
        count = self.num_layers * self.num_directions
        return tuple([np.zeros((count, batch, width), np.float32) for width in self._kind.state_sizes])

    def _nothing(self, batch: int, grad_states: States | None) -> tuple[Array, States]:
        """Return the gradients of a batch without a step: parameters get zeros, states what comes in."""
        clear_gradients(self.parameters())
        first = self._zeros(batch) if grad_states is None else grad_states
        return np.zeros((0, self.input_size), np.float32), first

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        if self.bidirectional:
            raise ValueError(
                f"{type(self).__name__}: expected one direction in a stream, got bidirectional=True, whose second "
                "direction begins at a sequence's end: train one with bidirectional=False"
            )
        return [direction.stage(name, self.zoneout) for (direction,) in self._directions]

    def _kept(self, name: str = "") -> tuple[Kept, ...]:
        if self.bidirectional:
            self._stream_stages(name, 0)  # It says what to do.
        sizes = zip("hc", self._kind.state_sizes, strict=False)
        return tuple([Kept(below(name, field), (self.num_layers,), (size,)) for field, size in sizes])

    def _run_on(self, x: Array | PackedSequence, states: States | None) -> tuple[Any, States]:
        """Return the outputs of sequences that go on from those states, and the last states."""
        run: Any = self.trace
        pair = len(self._kind.state_sizes) > 1
        (y, last), _ = run(x, states if pair or states is None else states[0])
        return y, last if pair else (last,)

    def _draws(self) -> Dropout:
        between: Dropout = self.__dict__["_between"]
        return between

    def _runs_a_step(self) -> bool:
        return False

    def _options(self) -> Mapping[str, Any]:
        """Return the arguments of this kind alone, with their defaults."""
        return {}

    def extra_repr(self) -> str:
        """Return the configuration."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        defaults |= {"zoneout": 0.0, "recurrent_dropout": 0.0}
        own = ((k, v, getattr(self, k)) for k, v in {**defaults, **self._options()}.items())
        shown = ", ".join(parts + [f"{name}={value!r}" for name, default, value in own if value != default])
        return shown + self._quantized_repr()


class RecurrentCell(_Regular):
    """One step of one kind; the base of GRUCell, LSTMCell and RNNCell."""

    _is_cell = True
    _fixed = ("input_size", "hidden_size", "bias")

    def __init__(
        self,
        kind: Kind,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool,
        zoneout: float,
        recurrent_dropout: float,
        rng: Seed,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size)
        self.zoneout, self.recurrent_dropout = zoneout, recurrent_dropout
        random = _init.generator(rng)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._kind = kind
        for name, shape in kind.shapes(input_size, bias).items():
            self.register_parameter(name, Parameter(kind.initial(random, name, shape)))
        self._direction = _Direction(kind.cell(input_size), self, "")
        # What draws, only where something is drawn: other cells take no number of a generator that they share.
        self.__dict__["_drawing"] = Dropout(0.0, rng=random) if zoneout or recurrent_dropout else None

    def _set_rate(self, name: str, rate: float) -> None:
        if rate and self.__dict__.get("_drawing", self) is None:
            raise AttributeError(
                f"{type(self).__name__}.{name}: expected 0, got {rate!r}: the cell was made without either, and has no "
                f"seed to draw with. Make a new one with {name}={rate!r}."
            )
        super()._set_rate(name, rate)

    def _trace(self, x: ArrayLike, names: tuple[str, ...], states: tuple[ArrayLike | None, ...]) -> tuple[States, Any]:
        """Return the new states and the context."""
        data = as_numbers("x", x)
        if data.ndim not in (1, 2) or data.shape[-1] != self.input_size:
            raise ValueError(f"x: expected shape (B, {self.input_size}) or ({self.input_size},), got {data.shape}")
        single = data.ndim == 1
        rows = data[None] if single else data
        batch = len(rows)
        given = self._states_in(names, states, batch, single)
        if not batch:
            return self._zeros(), self.keep([None, batch, single])
        sizes = np.array([batch], np.int64)
        training = self.training
        _, last, cache = self._direction.forward(
            rows,
            sizes,
            given,
            reverse=False,
            training=self._keeps(),
            out=None,
            draws=_draws(self.zoneout, self.recurrent_dropout, self._draws(), training),
        )
        return (tuple([state[0] for state in last]) if single else last), self.keep([cache, batch, single])

    def _pullback(
        self, context: Any, names: tuple[str, ...], grads: tuple[ArrayLike | None, ...]
    ) -> tuple[Array, States]:
        cache, batch, single = unused = self._unused(context)
        given = self._states_in(names, grads, batch, single)
        if not batch:
            unused.clear()
            clear_gradients(self.parameters())
            return np.zeros((0, self.input_size), np.float32), self._zeros()
        grad_x, first = self._direction.backward(None, given, cache, need_input=True, need_state=True)
        unused.clear()  # The kernel has turned the cache into gradients.
        assert grad_x is not None
        assert first is not None
        return (grad_x[0], tuple([state[0] for state in first])) if single else (grad_x, first)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        return [self._direction.stage(name, self.zoneout)]

    def _zeros(self) -> States:
        """Return the states of no sequence."""
        return tuple([np.zeros((0, width), np.float32) for width in self._kind.state_sizes])

    def _draws(self) -> Dropout | None:
        drawing: Dropout | None = self.__dict__["_drawing"]
        return drawing

    def _states_in(
        self, names: tuple[str, ...], states: tuple[ArrayLike | None, ...], batch: int, single: bool
    ) -> States | None:
        if all(state is None for state in states):
            return None
        found = []
        for name, state, size in zip(names, states, self._kind.state_sizes, strict=True):
            wanted = (size,) if single else (batch, size)
            array = np.zeros(wanted, np.float32) if state is None else as_floats(name, state)
            if array.shape != wanted:
                raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}")
            found.append(array.reshape(batch, size))
        return tuple(found)

    def _options(self) -> Mapping[str, Any]:
        """Return the arguments of this kind alone, with their defaults."""
        return {}

    def extra_repr(self) -> str:
        """Return the configuration."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"bias": True, "zoneout": 0.0, "recurrent_dropout": 0.0, **self._options()}
        own = ((k, v, getattr(self, k)) for k, v in defaults.items())
        shown = ", ".join(parts + [f"{name}={value!r}" for name, default, value in own if value != default])
        return shown + self._quantized_repr()
