"""Weights of Keras in any form, as arrays by name and, where it is known, the plan of the layers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seriatim._arrays import as_numbers
from seriatim._states import as_floats_of
from seriatim._typing import AnyArray, Array

_MODELS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True)
class Setting:
    """One layer as its model describes it.

    Attributes
    ----------
    name : tuple of str
        Its name, behind those of the models that it is nested in.
    kind : str
        Keras's class.
    config : dict
        What it was constructed with.
    before : tuple of str or None
        The names of the layers whose outputs it takes; None if that is not known.
    calls : int
        How often the model applies it.
    """

    name: tuple[str, ...]
    kind: str
    config: dict[str, Any]
    before: tuple[str, ...] | None
    calls: int = 1


@dataclass(frozen=True)
class Source:
    """Arrays, and what is known of the layers that they belong to.

    Attributes
    ----------
    arrays : dict of str to ndarray
    plan : list of Setting
        In the model's order; empty if only arrays are known.
    whole : bool
        Whether it is a whole model, of which other layers are no mistake.
    layers : tuple of tuple of str
        Names of layers that arrays' names begin with, in the model's order.
    """

    arrays: dict[str, Array]
    plan: list[Setting] = field(default_factory=list)
    whole: bool = False
    layers: tuple[tuple[str, ...], ...] = ()

    def split(self, name: str) -> tuple[tuple[str, ...], list[str]]:
        """Return the layer's name, if it is known, and the parts behind it."""
        for layer in self.layers:
            start = "/".join(layer) + "/"
            if name.startswith(start):
                return layer, name[len(start) :].split(":")[0].split("/")
        return (), re.split(r"[/.]", name.split(":")[0])


def read(given: Any) -> Source:
    """Return what is given, if it says by names which array is which.

    Raises
    ------
    TypeError
        It is none of a mapping, Keras's variables, layer or model, and the path of a file.
    ValueError
        A layer without weights, two variables of one name, a file that is none of Keras's.
    """
    if isinstance(given, (str, os.PathLike)):
        from seriatim.convert._keras._files import read_file

        return read_file(given)
    if isinstance(given, Mapping):
        return Source({name: _numbers(name, value) for name, value in given.items()})
    if hasattr(given, "weights") and hasattr(given, "get_config"):
        return _of_model(given)
    if isinstance(given, (list, tuple)) and given and all(_name(each) for each in given):
        return Source(_named((_name(each), each) for each in given))
    raise TypeError(
        "state_dict: expected a mapping of names to arrays, a layer or model of Keras, its weights, or the path of its "
        f"file, got {type(given).__name__}"
    )


def is_list_of_arrays(given: Any) -> bool:
    """Whether it is what ``get_weights()`` gives: arrays without names."""
    return isinstance(given, (list, tuple)) and not (given and all(_name(each) for each in given))


def _name(variable: Any) -> str:
    """Return a variable's full name, or ''."""
    found = getattr(variable, "path", None) or getattr(variable, "name", None)
    return found if isinstance(found, str) else ""


def _named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name}: two weights have this name; give each layer's alone")
        found[name] = _numbers(name, value)
    return found


def _numbers(name: str, value: Any) -> AnyArray:
    """Return what is there: only of the layers that are taken must it be floats; lists have no type to ask for."""
    return as_numbers(name, value) if hasattr(value, "dtype") else as_floats_of(name, value)


def inner(name: str, layer: str) -> str:
    """Return what stands behind a layer's name in a variable's."""
    parts = name.split("/")
    if layer in parts[:-1]:
        parts = parts[len(parts) - 1 - parts[:-1][::-1].index(layer) :]
    return "/".join(parts)


# ---- A layer or a model


def _of_model(model: Any) -> Source:
    layers = list(_leaves(model, ()))
    arrays: dict[str, Array] = {}
    for name, layer in layers:
        weights = ((_name(each), each) for each in layer.weights)
        arrays |= _named(("/".join((*name, inner(path, name[-1]))), each) for path, each in weights)
    if not arrays:
        raise ValueError(f"{model.name}: has no weights yet; call it once, or build it")
    plan = list(settings(type(model).__name__, _config(model)) if hasattr(model, "layers") else ())
    if not plan:
        plan = [Setting(name, type(layer).__name__, _config(layer), None) for name, layer in layers]
    return Source(arrays, plan, True, tuple(setting.name for setting in plan))


def _leaves(model: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(model, "layers"):
        yield (*path, model.name), model
        return
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer, (*path, layer.name))
        else:
            yield (*path, layer.name), layer


def _config(layer: Any) -> dict[str, Any]:
    """Return a layer's configuration, or {} of a class that has none."""
    try:
        return dict(layer.get_config())
    except (NotImplementedError, TypeError, ValueError):
        return {}


# ---- The configuration of a model


def settings(kind: str, config: dict[str, Any], path: tuple[str, ...] = (), calls: int = 1) -> Iterator[Setting]:
    """Yield the layers of a model's configuration, those of nested models too, in its order."""
    previous: tuple[str, ...] = ()
    for entry in config.get("layers", ()):
        inside, kind_inside = entry["config"], entry["class_name"]
        name = inside.get("name", entry.get("name", ""))
        if kind == "Sequential":
            before: tuple[str, ...] | None = previous
        else:
            before = tuple(_inputs(entry["inbound_nodes"])) if "inbound_nodes" in entry else None
        # There is a node for each call; a model's layers are called as often as it is.
        often = calls * max(1, len(entry.get("inbound_nodes", ())))
        if is_model(kind_inside, inside):
            yield from settings(kind_inside, inside, (*path, name), often)
        else:
            yield Setting((*path, name), kind_inside, inside, before, often)
        previous = (name,)


def is_model(kind: str, config: dict[str, Any]) -> bool:
    """Whether a layer of a configuration is a model of its own."""
    return kind in _MODELS or "layers" in config


def _inputs(nodes: Any) -> Iterator[str]:
    """Yield the names of layers in ``inbound_nodes``: of ``[name, node, tensor, ...]``, however they are nested."""
    if isinstance(nodes, dict):
        nodes = list(nodes.values())
    if isinstance(nodes, (list, tuple)):
        if len(nodes) > 2 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            yield nodes[0]
        else:
            for node in nodes:
                yield from _inputs(node)
