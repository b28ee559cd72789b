"""The base of all modules: the pair of forward and backward, registration, states, modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from seriatim._states import StateDict, as_floats_of, as_weight, fit, hints, other_manner, read_state, without_made_up
from seriatim._typing import AnyArray
from seriatim.functional._stream import Stage
from seriatim.nn.base import _contexts, _init, _undo
from seriatim.nn.base._narrow import advice, narrow_form
from seriatim.nn.base._network_stream import NetworkStream
from seriatim.nn.base._parameter import CLOCK, Parameter, as_switch, owned
from seriatim.nn.base._registry import Registry
from seriatim.nn.base._stages import stages_of
from seriatim.nn.base._stream import Stream
from seriatim.nn.base._text import tree

if TYPE_CHECKING:
    from seriatim.nn.layers._dropout import Dropout

Self = TypeVar("Self", bound="Module")


class LoadResult(NamedTuple):
    """What ``load_state_dict(strict=False)`` left out."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Registry):
    """A function with parameters.

    Attributes that are modules or parameters register themselves, as in torch. A subclass defines one of two pairs, and
    the other one is made of it:

    ``trace`` and ``pullback``
        Contexts are values. ``output, context = module.trace(*inputs)`` computes the output and what is needed for its
        gradients; ``grad_input = module.pullback(context, grad_output)`` adds to the parameters' gradients and returns
        the input's. Neither touches hidden state: a composite calls the pairs of its parts, holds their contexts in its
        own, and calls of it may be pulled back in any order. (``jax.vjp`` and ``torch.autograd.Function`` are alike.)
        All modules of the library are made in this way.
    ``forward`` and ``backward``
        forward calls other modules, ``self.part(x)``, and backward calls ``self.part.backward(grad)``, in the opposite
        order. With forward alone the module serves inference.

    ``module(*inputs)`` is forward: in training mode the context stays open, on top of those of earlier calls.
    ``module.backward(grad_output)`` is the pullback of the last call that is open, which it closes when it has
    succeeded.

    After an error, or an interrupt, anywhere inside a call, all that outlives it is as before: buffers, memories, the
    numbers of dropout's draws, gradients, open forwards. (Of a module of a user's own: what is registered as a buffer
    and assigned, not written to in place.) A forward whose backward failed may be pulled back again, unless recurrent
    layers had used their caches up by then: they say so.

    Attributes
    ----------
    training : bool
        True after construction and :meth:`train`. False after :meth:`eval`: contexts are None, and nothing is kept,
        unless the module runs as a part of one that is in training mode. Forward in evaluation touches nothing that
        threads could disturb.

    Examples
    --------
    >>> class Scaled(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.linear, self.gain = nn.Linear(3, 2), nn.Parameter([2.0])
    ...
    ...     def trace(self, x):
    ...         y, context = self.linear.trace(x)
    ...         return self.gain.data * y, self.keep((y, context))
    ...
    ...     def pullback(self, context, grad_output):
    ...         y, context = self.kept(context)
    ...         self.gain.add_grad([np.sum(grad_output * y)])
    ...         return self.linear.pullback(context, self.gain.data * grad_output)
    """

    # Whether pullback takes need_input; whether the module makes one step; whether it calls no other module.
    _has_need_input = False
    _is_cell = False
    _is_leaf = False
    # Whether the module is given sequences where others are given frames (see _steps.py); whether it returns outputs
    # and states; whether it has a memory. A container that can run its modules on sequences says how.
    _over_time = False
    _gives_states = False
    _remembers = False
    _trace_over_time: Callable[..., Any] | None = None
    # Of streams (see _memory_stream.py): whether it has `_run_on` and `_kept`; whether it runs its parts alone, on
    # sequences; whether it runs its part on the frames of sequences.
    _runs_on = False
    _streams_parts = False
    _streams_frames = False

    def __new__(cls: type[Self], *args: Any, **kwargs: Any) -> Self:
        """Note the arguments: a file tells how to make the module again."""
        _init.count_part()
        module = super().__new__(cls)
        module.__dict__["_arguments"] = (args, kwargs)
        return module

    def __init__(self) -> None:
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _contexts=[], training=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _contexts.complete(cls, Module)

    # ---- Frame by frame

    def stream(self, batch_size: int = 1) -> Stream:
        """Return streams: sequences whose frames arrive one by one, with the weights as they are now.

        Parameters
        ----------
        batch_size : int, default 1
            Sequences that run side by side, each at its own place.

        Returns
        -------
        Stream
            With ``step``, ``push``, ``reset`` and ``state``. Its outputs have the bits of the whole sequence's in
            evaluation, however the frames are cut.

        Raises
        ------
        TypeError
            The module has no stream.
        ValueError
            It looks at frames that are still to come: a second direction, a centred window.
        """
        return self._make_stream(batch_size)

    def _make_stream(self, batch_size: int) -> Stream:
        """Return :meth:`stream`'s result."""
        stages = stages_of(self)
        if not stages:
            raise TypeError(f"{type(self).__name__}: has no stream: it computes nothing")
        return NetworkStream(stages, batch_size)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        """Return the stages that run the module frame by frame.

        ``name`` is what their state is called; ``inputs`` their columns, for modules that have no number of their own.
        """
        raise TypeError(
            f"{type(self).__name__}: has no stream. Recurrent layers have, networks of nn that are made of them, and a "
            "Sequential of nn.Outputs(layer) and of layers that work on each frame."
        )

    def _layer_that_runs_on(self) -> Any:
        """Return the layer that a stream of sequences keeps the states of, where it is this module or all of it."""
        return self if self._runs_on else None

    # ---- Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "input" in kwargs:
            args, kwargs = _contexts.first_named(self.forward, args, kwargs)
        return self.forward(*args, **kwargs)

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output and the context of its :meth:`pullback`; the context is None in evaluation.

        Returns
        -------
        output, context
        """
        raise NotImplementedError(f"{type(self).__name__} defines no forward() and no trace()")

    def pullback(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the input's gradient from a context and the output's gradient, and add to the parameters'.

        A context is good for one pullback: some kernels use it up.
        """
        raise NotImplementedError(self._infers_only())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; in training its context stays open until :meth:`backward`."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward() and no trace()")

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the input's gradient from that of the last open forward's output, and add to the parameters'.

        Raises
        ------
        RuntimeError
            No forward in training mode is open, or the gradient is known to be another output's.
        ValueError
            The gradient has another shape than the output. The forward stays open.
        """
        raise NotImplementedError(self._infers_only())

    def _infers_only(self) -> str:
        return (
            f"{type(self).__name__} defines no backward(): it serves inference only. Define it, or compose the module "
            "from Sequential and other modules that have one."
        )

    def keep(self, context: Any) -> Any:
        """Return a context as :meth:`trace` gives it: None where no backward can follow, in evaluation.

        A module in evaluation mode that runs as a part of one in training mode keeps its context: gradients flow
        through a batch norm or a dropout that is switched off.
        """
        if not self._keeps():
            return None
        own = self.__dict__
        if own.get("_used") != CLOCK.now:
            _undo.note(self, "used", lambda: partial(own.__setitem__, "_used", own.get("_used", -1)))
            own["_used"] = CLOCK.now
        return _contexts.Kept(self, context)

    def _values(self) -> list[int]:
        """Return what stays equal while the parameters do that the module computes with by itself."""
        return [p._changes for p in self._parameters.values() if p is not None]

    def _keeps(self) -> bool:
        """Return whether backward may follow: in training mode, and as a part of what is."""
        if _contexts.is_evaluating.get():
            return False
        # What is quantised is never in training mode.
        return self.__dict__["training"] or (_contexts.is_kept.get() and narrow_form(self._parameters.values()) is None)

    def kept(self, context: Any) -> Any:
        """Return a context as :meth:`pullback` takes it.

        Raises
        ------
        RuntimeError
            The context is None, which is that of a call in evaluation; or it is another module's; or parameters have
            been assigned, loaded or moved by an optimiser since. (Writing to the arrays themselves is not seen.)
        """
        if context is None:
            self._refuse_quantized()
            raise RuntimeError(
                f"{type(self).__name__}.backward(): no forward in training mode is open; call forward once for every "
                "backward, after train()."
            )
        return context.open(self) if type(context) is _contexts.Kept else context

    def _refuse_quantized(self, owner: object = None) -> None:
        """Raise RuntimeError if a weight here or inside has been quantised; ``owner`` is named instead of self."""
        form = narrow_form(self.parameters())
        if form is not None:
            raise RuntimeError(advice(type(self if owner is None else owner).__name__, form))

    def _quantized_repr(self) -> str:
        """Return what the representation says of how weights are kept."""
        form = narrow_form(self._parameters.values())
        return "" if form is None else f", weights={form!r}"

    def _unused(self, context: Any) -> Any:
        """Return a context that a pullback uses up: a list, which that empties."""
        held = type(self).kept(self, context)
        if not held:
            raise RuntimeError(
                f"{type(self).__name__}.pullback(): the context was used up by a pullback before; call forward again"
            )
        return held

    def _runs_a_step(self) -> bool:
        """Whether a loop may well call the module once a step, so that thousands of forwards are open rightly."""
        return not self._modules or any(module._is_cell for module in self.modules())

    # ---- State

    def state_dict(self) -> dict[str, AnyArray]:
        """Return copies of all parameters and buffers under torch's names."""
        return {name: np.array(memory) for name, memory, _ in self._state("")}

    def _state(self, prefix: str) -> Iterator[tuple[str, AnyArray, Parameter | None]]:
        """Yield name, memory, and the parameter whose memory it is; what is shared comes under each of its names."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                yield prefix + name, parameter._array, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._left_out:
                yield prefix + name, buffer, None
        for name, module in self._places():
            yield from module._state(f"{prefix}{name}.")

    def load_state_dict(self, state_dict: StateDict, strict: bool = True, prefix: str | None = None) -> LoadResult:
        """Copy values in.

        Parameters
        ----------
        state_dict : mapping of name to array_like
            Or what has one: a module, torch's or ours; ``named_parameters()``, or other pairs; a checkpoint with
            ``state_dict`` or ``model_state_dict`` inside, as lightning's; the path of a file of safetensors, or
            ``.npz``. Tensors may be of any device and floating type; where floats belong, lists of integers are taken,
            arrays of integers and bools are not, which may be codes of quantised weights.
        strict : bool, default True
            Whether names that are missing or not known are an error.
        prefix : str, optional
            Only names that begin with it are taken, and they lose it: ``"model."``. By default all are, without the
            prefix that all share (``module.``, ``encoder.gru.``) if none fits with it and some do without.

        Returns
        -------
        LoadResult
            ``missing_keys``, ``unexpected_keys``.

        Raises
        ------
        ValueError
            A shape or type differs, a number is too large for float32, a whole module or a converter's result computes
            otherwise (``reset_after``, ``nonlinearity``), or (strict) a name is missing or not known, a file cannot be
            read, no name begins with the prefix, or the parts of a weight do not make one. Everything wrong is listed,
            and nothing has been changed.
        TypeError
            ``state_dict`` has no names, or is no dict of arrays.
        FileNotFoundError
        RuntimeError
            The module is quantised: load into the float32 module and quantise that.

        Notes
        -----
        ``num_batches_tracked`` may be missing, as in old files; it then stays. Of tied weights one name is enough. Left
        out are ``total_ops``, ``total_params``, ``n_averaged``, ``_extra_state``, ``_metadata`` and, inside names,
        ``_orig_mod.``, ``_fsdp_wrapped_module.``, ``_checkpoint_wrapped_module.`` and a ``module.`` without which a
        name fits. Weights under torch's weight_norm, spectral_norm or pruning become what they are in evaluation; other
        parametrisations, quantised tensors and pickles are refused. ``reset_after`` and ``nonlinearity`` are compared
        where a whole module or a converter's result says them; a plain dict does not.
        """
        self._refuse_quantized()
        known = {name: (memory, parameter) for name, memory, parameter in self._state("")}
        shapes = {name: memory for name, (memory, _) in known.items()}
        found = fit(read_state(without_made_up(state_dict, known), known), shapes, prefix)
        wrong, given = list(other_manner(state_dict, found.prefix, self.named_modules())), {}
        for name, memory in shapes.items():
            if name not in found.state:
                continue
            try:
                if memory.dtype.kind == "f":
                    value = as_floats_of(name, found.state[name], memory.dtype)
                else:
                    value = as_weight(name, found.state[name])
                given[name] = value
            except (TypeError, ValueError) as error:
                wrong.append(str(error))
                continue
            if value.shape != memory.shape:
                wrong.append(f"{name}: expected shape {memory.shape}, got {value.shape}")
            elif not np.can_cast(value.dtype, memory.dtype, "same_kind"):
                wrong.append(f"{name}: expected {memory.dtype}, got {value.dtype}")
        if strict:
            wrong += [f"{name}: missing" for name in found.missing]
            wrong += [f"{name}: not known" for name in found.unexpected]
        if wrong:
            head = f"state_dict does not fit {type(self).__name__}; nothing was loaded:"
            raise ValueError("\n  ".join([head, *hints(found, shapes), *wrong]))
        for name, value in given.items():
            memory, parameter = known[name]
            memory[...] = value
            if parameter is not None:
                parameter._touch()
        return LoadResult(found.missing, found.unexpected)

    # ---- Modes

    @property
    def training(self) -> bool:
        """Whether the module computes as in training: it drops, and normalises by the batch."""
        return self.__dict__["training"] and not _contexts.is_evaluating.get()

    @training.setter
    def training(self, mode: bool) -> None:
        if mode:
            self._refuse_quantized()
        self.__dict__["training"] = bool(mode)

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode here and in all modules inside, and drop open forwards; returns the module.

        Children are told through their own ``train``, so a module that overrides it to stay frozen does.

        Raises
        ------
        RuntimeError
            A weight has been quantised (:func:`seriatim.quantize`).
        """
        if mode:
            self._refuse_quantized()
        _contexts.drop(self, noted=bool(mode) and self.__dict__["training"])
        self.__dict__["training"] = bool(mode)
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode: forward keeps nothing; returns the module."""
        return self.train(False)

    def _draws(self) -> Dropout | None:
        """Return what the module itself draws masks with."""
        return None

    def _dropouts(self) -> Iterator[tuple[str, Dropout]]:
        """Yield all that draws masks here and inside, with the names of the modules."""
        for name, module in self.named_modules():
            drawn = module._draws()
            if drawn is not None:
                yield name, drawn

    def zero_grad(self) -> None:
        """Make all gradients zeros."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of all parameters; returns the module. TypeError for what is no bool."""
        requires_grad = as_switch("requires_grad", requires_grad)
        if requires_grad:
            self._refuse_quantized()
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def apply(self: Self, function: Callable[[Module], Any]) -> Self:
        """Call a function on every module inside and then on this one; returns the module."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Caches of an open forward are memory, not state.
        return {**self.__dict__, "_contexts": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # From a memory map they come read-only, and training writes to them.
        self._buffers.update({name: owned(b) for name, b in self._buffers.items() if b is not None})
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter._owned_by(self)

    def extra_repr(self) -> str:
        """Return what stands between the brackets of the representation."""
        return ""

    def __repr__(self) -> str:
        return tree(type(self).__name__, self.extra_repr(), self._places())
