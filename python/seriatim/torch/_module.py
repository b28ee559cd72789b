"""Modules of seriatim as modules of torch."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import torch
from torch.autograd import forward_ad
from torch.autograd.function import once_differentiable

from seriatim._typing import AnyArray
from seriatim.nn.base import _contexts
from seriatim.nn.base._module import Module
from seriatim.nn.base._narrow import narrow_form
from seriatim.nn.base._parameter import Gradients, Parameter
from seriatim.torch._operators import bounded, is_kept
from seriatim.torch._trees import arrays_of, fill, pull_back, read, spread, take

is_transformed: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def as_module(module: Module) -> SeriatimModule:
    """Return a module of :mod:`seriatim.nn` as one of torch.

    Parameters
    ----------
    module : seriatim.nn.Module
        Any, and of any mode. It stays what it is, and usable.

    Returns
    -------
    torch.nn.Module
        It takes and gives tensors, in the structure in which the module takes and gives arrays: tuples and lists of
        states, ``torch.nn.utils.rnn.PackedSequence`` for ours. Its parameters and buffers have the module's names and
        *are* the module's: they share memory, so that a step of an optimiser, or ``load_state_dict``, of either side is
        seen by the other. So is ``train()`` and ``eval()``. Modules inside are torch modules alike:
        ``as_module(deepgru).gru1``. ``seriatim_module`` is the module itself.

    Raises
    ------
    TypeError
        What is given is no module of seriatim. From a call: a tensor is not on the CPU, or not strided.
    RuntimeError
        The module is quantised. From a call: parameters or modules inside have been replaced by such as do not fit.
        From backward: weights, inputs or outputs have been changed in place since the forward, a recurrent module's
        context was used up by a backward before, or the gradient of a gradient is wanted.

    Notes
    -----
    Gradients of parameters go into torch's ``.grad`` alone. ``requires_grad`` of torch's parameters decides what is
    computed. They flow in evaluation mode too, as in torch, where gradients are enabled. Tensors of other floating
    types are converted to float32, and their gradients back.

    Outputs may not be changed in place where backward follows (``nn.ReLU(inplace=True)`` behind it): torch says so.
    Dropout draws from the module's own generator (``rng=``), not from torch's. Hooks of modules inside are not called
    when an outer one is; it warns. While the torch module or a parameter of it lives, weights are packed anew in each
    call, for torch can change them unseen. ``torch.compile`` breaks its graph here, so that ``fullgraph=True`` is
    refused: a context is no tensor. The modules of :mod:`seriatim.torch` compile whole.

    Examples
    --------
    >>> encoder = as_module(nn.LSTM(40, 64, bidirectional=True))
    >>> y, (h_n, c_n) = encoder(torch.zeros(100, 8, 40))
    >>> torch.optim.Adam(encoder.parameters())
    """
    if not isinstance(module, Module):
        raise TypeError(f"module: expected a module of seriatim.nn, got {type(module).__name__}")
    form = narrow_form(module.parameters())
    if form is not None:
        raise RuntimeError(
            f"as_module: expected float32 weights, got {form}: torch has no such parameters. Give the module that was "
            "quantised."
        )
    return SeriatimModule(module, {}, {})


class SeriatimModule(torch.nn.Module):  # type: ignore[misc]
    """What :func:`as_module` returns."""

    seriatim_module: Module
    _linked: dict[str, Parameter | None]
    _arrays: dict[str, AnyArray | None]
    _pointers: dict[str, tuple[int, int]]

    def __init__(self, module: Module, parts: dict[int, SeriatimModule], tensors: dict[int, Any]) -> None:
        super().__init__()
        self.__dict__["seriatim_module"] = module
        # What has torch's memory: a new one in its place is noticed.
        self.__dict__["_linked"] = dict(module._parameters)
        self.__dict__.update(_arrays={}, _pointers={})
        parts[id(module)] = self
        for name, parameter in module._parameters.items():
            tensor = None if parameter is None else tensors.get(id(parameter))
            if parameter is not None and tensor is None:
                shared = torch.from_numpy(parameter.data)
                tensors[id(parameter)] = tensor = torch.nn.Parameter(shared, parameter.requires_grad)
            self.register_parameter(name, tensor)
        for name, buffer in module._buffers.items():
            tensor = None if buffer is None else torch.from_numpy(buffer)
            self.register_buffer(name, tensor, persistent=name not in module._left_out)
            self._arrays[name] = buffer
        for name, child in module._modules.items():
            part = None if child is None else parts.get(id(child))
            self.add_module(name, part if part is not None or child is None else SeriatimModule(child, parts, tensors))

    # ---- Modes: the module's own

    @property
    def training(self) -> bool:
        """Whether the module computes as in training."""
        module = self.__dict__.get("seriatim_module")
        return True if module is None else bool(module.__dict__["training"])

    @training.setter
    def training(self, mode: bool) -> None:
        module = self.__dict__.get("seriatim_module")
        if module is not None:
            module.training = mode

    def train(self, mode: bool = True) -> SeriatimModule:
        """Set the mode, through the module's own ``train``."""
        self.seriatim_module.train(mode)
        return self

    # ---- One memory

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy, or what was pickled: both sides have the values, but not yet one memory.
        super().__setstate__(state)
        for name, tensor in self._parameters.items():
            parameter = self.seriatim_module._parameters[name]
            if tensor is None or parameter is None or _is_same(tensor, parameter._array):
                continue
            if tensor.is_shared():
                parameter._adopt(tensor.detach().numpy())
            else:
                parameter.data = tensor.detach().numpy()
                tensor.data = torch.from_numpy(parameter.data)
        for name, tensor in self._buffers.items():
            self._arrays[name] = self.seriatim_module._buffers[name] = None if tensor is None else tensor.numpy()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}, "_pointers": {}}

    def _parts(self) -> Iterator[SeriatimModule]:
        """Yield this module and all inside; raises RuntimeError if one was replaced."""
        yield self
        ours = self.seriatim_module._modules
        for name, module in ours.items():
            part = self._modules.get(name)
            if module is None:
                continue
            if getattr(part, "seriatim_module", None) is not module:
                raise RuntimeError(
                    f"as_module({type(self.seriatim_module).__name__}): the module '{name}' was replaced on one side; "
                    "replace it in the seriatim module, then call as_module again"
                )
            if any(part.__dict__[kind] for kind in _HOOKS):
                warnings.warn(
                    f"as_module({type(self.seriatim_module).__name__}): hooks of '{name}' are not called: what is "
                    "inside is computed without torch. Hook the module that is called.",
                    UserWarning,
                    stacklevel=2,
                )
            yield from part._parts()

    def _follow(self) -> tuple[dict[Parameter, Any], list[SeriatimModule]]:
        """Return torch's parameters, in one memory with the module's, and the parts that have buffers.

        What has been assigned to torch's is followed.
        """
        found: dict[Parameter, Any] = {}
        buffered = []
        for part in self._parts():
            if part._buffers:
                part._follow_buffers()
                buffered.append(part)
            ours, theirs, pointers = part.seriatim_module._parameters, part._parameters, part._pointers
            if ours != part._linked or ours.keys() != theirs.keys():
                part._refuse_replaced()
            for name, parameter in ours.items():
                tensor = theirs[name]
                if parameter is None or tensor is None:
                    if parameter is not tensor:
                        part._refuse_replaced()
                    continue
                if pointers.get(name) != (tensor.data_ptr(), id(parameter._array)) or not tensor.is_contiguous():
                    if not _is_same(tensor, parameter._array):
                        label = f"{type(part.seriatim_module).__name__}.{name}"
                        parameter._adopt(_memory_of(label, tensor, parameter._array))
                    pointers[name] = tensor.data_ptr(), id(parameter._array)
                parameter._requires_grad = tensor.requires_grad
                found[parameter] = tensor
        return found, buffered

    def _refuse_replaced(self) -> NoReturn:
        ours, theirs = self.seriatim_module._parameters, self._parameters
        names = [
            name
            for name in {**ours, **theirs, **self._linked}
            if name not in ours
            or name not in theirs
            or ours[name] is not self._linked.get(name)
            or (ours[name] is None) != (theirs[name] is None)
        ]
        raise RuntimeError(
            f"{type(self.seriatim_module).__name__}.{', '.join(names)}: replaced, removed or parametrised on one side "
            "since as_module. Change the seriatim module, then call as_module again."
        )

    def _follow_buffers(self) -> None:
        """Follow what has been assigned to a buffer: by the module, a call of it, or torch."""
        buffers = self.seriatim_module._buffers
        for name, tensor in self._buffers.items():
            ours, before = buffers.get(name), self._arrays.get(name)
            label = f"{type(self.seriatim_module).__name__}.{name}"
            if ours is before and (tensor is None or ours is None or _is_same(tensor, ours)):
                continue
            if ours is not before and tensor is not None and ours is not None and tensor.shape == ours.shape:
                # Whoever holds torch's tensor, as DistributedDataParallel does, sees what it has become.
                tensor.copy_(torch.from_numpy(ours))
            elif ours is not before:
                self._buffers[name] = tensor = None if ours is None else torch.from_numpy(ours)
            memory = None if tensor is None or ours is None else _memory_of(label, tensor, ours)
            buffers[name] = self._arrays[name] = memory

    # ---- Calling

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output."""
        # To import what switches the compiler off takes a second: until something has done so, nothing compiles.
        return (_uncompiled if "torch._dynamo" in sys.modules else _call)(self, inputs, options)

    def extra_repr(self) -> str:
        """Return the module's own."""
        text = self.seriatim_module.extra_repr()
        return f"{type(self.seriatim_module).__name__}({text})" if text else type(self.seriatim_module).__name__


def _call(twin: SeriatimModule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    module = twin.seriatim_module
    if torch.compiler.is_compiling() or is_transformed() or forward_ad._current_level >= 0:
        raise RuntimeError(
            f"as_module({type(module).__name__}): expected a plain call, got one under torch.export, torch.func or "
            "forward-mode derivatives: what the module keeps for its backward is no tensor. The modules of "
            "seriatim.torch can be exported."
        )
    if options:
        inputs, options = _in_order(module, inputs, options)
    tensors: list[Any] = []
    shared, buffered = twin._follow()
    call = _Call(module, [read(value, tensors) for value in inputs], list(shared))
    call.options = {name: read(value, [])[0] for name, value in options.items()}
    call.inputs = len(tensors)
    tensors += shared.values()
    if torch.is_grad_enabled() and any([tensor.requires_grad for tensor in tensors]):
        found = _Bridge.apply(call, *tensors)
    else:
        found = call.run(False)
    for part in buffered:
        part._follow_buffers()
    return fill(call.output, found)


_uncompiled = torch._disable_dynamo(_call)


class _Call:
    """One call, from its forward to its backward."""

    __slots__ = ("arguments", "context", "inputs", "module", "options", "output", "parameters", "places")

    def __init__(self, module: Module, read: list[tuple[Any, Any]], parameters: list[Parameter]) -> None:
        self.module, self.parameters = module, parameters
        self.arguments: Any = [value for value, _ in read]
        self.places = [place for _, place in read]
        self.options: dict[str, Any] = {}
        self.inputs = 0
        self.output: Any = None
        self.context: Any = None

    @bounded
    def run(self, keeps: bool) -> list[Any]:
        """Compute; returns the output's tensors."""
        given, token = arrays_of(self.arguments), _contexts.is_kept.set(keeps or _contexts.is_kept.get())
        try:
            output, context = self.module.trace(*self.arguments, **self.options)
        finally:
            _contexts.is_kept.reset(token)
        self.arguments = None
        found: list[AnyArray] = []
        self.output = take(output, found)
        if keeps:
            self.context = context
        return _tensors(found, given)

    @bounded
    def back(self, grads: tuple[Any, ...], needed: tuple[bool, ...]) -> list[Any]:
        """Return the gradients of the inputs' and the parameters' tensors."""
        module, arrays = self.module, [None if grad is None else grad.detach().numpy() for grad in grads]
        options = {"need_input": any(needed[: self.inputs])} if type(module)._has_need_input else {}
        received = Gradients(self.parameters)
        of_inputs = received.receive(pull_back, module, self.context, self.output, arrays, **options)
        found: list[Any] = [None] * self.inputs
        is_whole = type(of_inputs) is not tuple or (len(self.places) == 1 and type(self.places[0]) in (tuple, list))
        spread(self.places, (of_inputs,) if is_whole else of_inputs, found)
        if any([needed[place] and grad is None for place, grad in enumerate(found)]):
            raise RuntimeError(
                f"as_module({type(module).__name__}): an input requires a gradient, and pullback returns none for it; "
                "detach() the input"
            )
        others = [array for array in arrays if array is not None]
        there = [place for place, grad in enumerate(found) if grad is not None]
        for place, tensor in zip(there, _tensors([found[place] for place in there], others), strict=True):
            found[place] = tensor
        of_parameters = received.found()
        for place, parameter in enumerate(self.parameters, self.inputs):
            grad = of_parameters.get(parameter) if needed[place] else None
            found.append(None if grad is None else torch.from_numpy(grad))
        return found


class _Bridge(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Any) -> tuple[Any, ...]:
        outputs = call.run(True)
        # Not for their values: torch refuses the backward when one has been written to since.
        ctx.save_for_backward(*tensors, *outputs)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[y for y in outputs if not y.is_floating_point()])
        ctx.call = call
        return tuple(outputs)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        call, _ = ctx.call, ctx.saved_tensors
        found = call.back(grads, ctx.needs_input_grad[1:])
        if not is_kept():
            # As saved tensors, it goes with the backward, not with the last one who holds the loss.
            call.context = None
        return None, *found


def _is_same(tensor: Any, array: AnyArray) -> bool:
    return bool(tensor.data_ptr() == array.ctypes.data and tensor.is_contiguous())


def _memory_of(name: str, tensor: Any, array: AnyArray) -> AnyArray:
    """Return a tensor's memory as an array like another one."""
    wanted = torch.from_numpy(array)
    fits = tensor.device.type == "cpu" and tensor.layout is torch.strided and tensor.is_contiguous()
    if not fits or tensor.dtype != wanted.dtype or tensor.shape != wanted.shape:
        raise RuntimeError(
            f"{name}: expected a contiguous tensor of {wanted.dtype} and shape {tuple(wanted.shape)} on the CPU, got "
            f"{tensor.dtype}, {tuple(tensor.shape)} on {tensor.device}: as_module computes in float32 on the CPU"
        )
    memory: AnyArray = tensor.detach().numpy()
    return memory


def _in_order(module: Module, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return positional arguments as far as the module knows them by place."""
    inputs, options = _contexts.first_named(module.trace, inputs, options)
    bound = inspect.signature(module.trace).bind(*inputs, **options)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def _tensors(arrays: list[AnyArray], others: list[AnyArray]) -> list[Any]:
    """Return arrays as tensors of their own memory: no two share one, nor one with the others."""
    made, before = [], list(others)
    for array in arrays:
        if not array.flags.writeable or any(np.may_share_memory(array, other) for other in before):
            array = np.array(array)
        before.append(array)
        made.append(torch.from_numpy(array))
    return made
