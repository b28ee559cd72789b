"""What people give as a state dict, as a plain dict of names and values."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seriatim._arrays import as_numbers, in_range
from seriatim._files import as_path, refuse_no_file
from seriatim._states._folded import folded
from seriatim._states._npz import read_npz
from seriatim._states._safetensors import read_safetensors
from seriatim._typing import AnyArray


class HasStateDict(Protocol):
    """A module, torch's or ours."""

    def state_dict(self) -> Any:
        """Return names and values."""


StateDict = Mapping[str, Any] | Iterable[tuple[str, Any]] | HasStateDict | str | os.PathLike[str]

# Where checkpoints of lightning and of torch's tutorials have it.
_INSIDE = ("state_dict", "model_state_dict")
# What counters of operations, weight averages and torch itself add, which are no weights.
_NO_WEIGHTS = ("total_ops", "total_params", "n_averaged", "_extra_state", "_metadata")
# Names that torch.compile, FSDP and activation checkpoints put in between.
_WRAPPERS = re.compile(r"(?:(?<=\.)|^)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_PICKLE = (
    "a pickle, which can run code, is never read: state = torch.load(path, map_location='cpu', weights_only=True) "
    "gives what is in it, safetensors.torch.save_file(state, ...) a file that can be read here"
)


def read_state(source: Any, known: Iterable[str] = ()) -> dict[str, Any]:
    """Return names and values of what was given; values are not read yet, but for those that had to be computed.

    Parameters
    ----------
    source : StateDict
        Mapping, pairs, module with ``state_dict()``, checkpoint that holds a state dict, or path.
    known : iterable of str
        Names that are meant literally.

    Raises
    ------
    TypeError
        It is none of these, or a name is no text.
    ValueError
        A name comes twice, or parts do not make up a weight; or from a file.
    FileNotFoundError
    """
    given = _unwrapped(_mapping(source))
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"state_dict: expected names of weights, got {name!r} ({type(name).__name__})")
    parts = {part for name in known for part in name.split(".")}
    state: dict[str, Any] = {}
    for name, value in given.items():
        if name.rpartition(".")[2] in _NO_WEIGHTS and name.rpartition(".")[2] not in parts:
            continue
        bare = bare_name(name, parts)
        if bare in state:
            raise ValueError(f"state_dict: {name} and another name are both {bare} without what wraps them")
        state[bare] = value
    return folded(state, parts, as_weight)


def bare_name(name: str, known: Collection[str]) -> str:
    """Return a name without the wrappers in it, but for those that are ``known``."""
    return _WRAPPERS.sub(lambda found: found[0] if found[0][:-1] in known else "", name)


def _mapping(source: Any) -> Mapping[Any, Any]:
    if isinstance(source, (str, os.PathLike)):
        return _from_file(as_path(source))
    if isinstance(source, Mapping):
        return source
    if callable(getattr(source, "state_dict", None)):
        return _mapping(source.state_dict())
    wanted = "state_dict: expected names and arrays (a dict, named_parameters(), a module or a path), got "
    if isinstance(source, np.ndarray) or hasattr(source, "detach") or not isinstance(source, Iterable):
        raise TypeError(f"{wanted}{type(source).__name__}")
    found: dict[Any, Any] = {}
    for pair in source:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(
                f"{wanted}a {type(source).__name__} of {type(pair).__name__} without names: give state_dict() or "
                "named_parameters() instead of parameters() or flat weights, whose order says nothing for certain"
            )
        if pair[0] in found:
            raise ValueError(f"state_dict: {pair[0]} is given twice")
        found[pair[0]] = pair[1]
    return found


def _unwrapped(given: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the state dict that a checkpoint holds."""
    inner = [name for name, value in given.items() if isinstance(value, Mapping)]
    if not inner or all(str(name).rpartition(".")[2] in _NO_WEIGHTS for name in inner):
        return given
    for name in _INSIDE:
        if name in inner:
            return _unwrapped(given[name])
    if "param_groups" in given:
        raise TypeError("state_dict: expected names and arrays, got an optimiser's state, which has no weights")
    raise TypeError(
        f"state_dict: expected arrays, got dicts under {', '.join(map(repr, inner[:5]))}: give "
        f"the part that has the weights, checkpoint[{inner[0]!r}] for one; {' and '.join(_INSIDE)} are found by name"
    )


def _from_file(path: Path) -> Mapping[str, Any]:
    refuse_no_file(path)
    with path.open("rb") as file:
        start = file.read(8)
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix == ".keras":
        raise ValueError(
            f"{path}: a model of Keras: seriatim.convert has functions for its layers, which take the path, "
            "convert.keras_gru(path)"
        )
    if start.startswith((b"PK", b"\x80")) or path.suffix in (".pt", ".pth", ".ckpt", ".bin", ".pkl"):
        raise ValueError(f"{path}: expected a file of safetensors or .npz; {_PICKLE}")
    if start.startswith(b"\x89HDF"):
        raise ValueError(
            f"{path}: HDF5, which is Keras's: seriatim.convert has functions for its layers, which take the path"
        )
    return read_safetensors(path)


def as_weight(name: str, value: Any) -> AnyArray:
    """Return the numbers of one value: a tensor of any device and floating type, a parameter, an array.

    Raises
    ------
    TypeError, ValueError
        A tensor is quantised, or has no values (torch's device meta); or it is nothing that has numbers.
    """
    if getattr(value, "is_quantized", False) is True or "_packed_params" in name:
        raise TypeError(
            f"{name}: quantised by torch; expected floating-point weights: those of the model before quantisation, "
            "or tensor.dequantize()"
        )
    if getattr(value, "is_meta", False) is True:
        raise ValueError(
            f"{name}: a tensor on torch's device 'meta', which has no values: load the model's weights first"
        )
    if getattr(value, "is_sparse", False) is True:
        value = value.to_dense()
    if hasattr(value, "detach") and hasattr(value, "resolve_neg"):
        value = value.detach().resolve_neg()
    # A parameter of ours.
    return as_numbers(name, value._array if type(value).__module__.startswith("seriatim.") else value)


def as_floats_of(name: str, value: Any, dtype: Any = np.float32) -> AnyArray:
    """Return a weight as floating-point numbers of a type.

    Raises
    ------
    TypeError, ValueError
        As of :func:`as_weight`; an array or tensor of integers or bools, but not a list; a number too large for the
        type.
    """
    array = as_weight(name, value)
    if array.dtype.kind != "f" and hasattr(value, "dtype"):
        raise TypeError(
            f"{name}: expected floating-point numbers, got {array.dtype}, which may be codes of quantised weights: "
            "give the weights before quantisation, or multiplied by their scale; if the numbers themselves are meant, "
            "convert them by .astype(numpy.float32)"
        )
    return in_range(name, array, dtype)
