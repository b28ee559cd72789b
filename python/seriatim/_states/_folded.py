"""Weights that torch keeps in parts (weight_norm, spectral_norm, pruning), put together as evaluation does."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from seriatim._arrays import in_range
from seriatim._typing import AnyArray

_Read = Callable[[str, Any], AnyArray]
# What stands for the weight `name`: the new names, by torch.nn.utils.parametrize, and the old ones.
_NEW = re.compile(r"^(?P<path>(?:.*\.)?)parametrizations\.(?P<name>[^.]+)\.(?P<part>.+)$")
_OLD = re.compile(r"^(?P<path>(?:.*\.)?)(?P<name>weight\w*?)_(?P<part>orig|mask|g|u|v)$")


def folded(state: dict[str, Any], known: Collection[str], read: _Read) -> dict[str, Any]:
    """Return a state with whole weights.

    Parameters
    ----------
    state : dict
    known : collection of str
        Last parts of names that are meant literally.
    read : function of name and value
        Returns the numbers.

    Raises
    ------
    ValueError
        The parts are those of a parametrisation that is not known here, or do not fit each other.
    """
    parts: dict[str, dict[str, str]] = {}
    for name in state:
        found = _NEW.match(name) or _OLD.match(name)
        if found and name.rpartition(".")[2] not in known and "parametrizations" not in known:
            parts.setdefault(found["path"] + found["name"], {})[found["part"]] = name
    for whole, names in list(parts.items()):
        is_new = any("parametrizations." in name for name in names.values())
        if not is_new and (len(names) < 2 or whole in state or frozenset(names) not in _RECIPES):
            del parts[whole]  # Names that only look alike: they are left over, or missed, under their own.
    owners = {name: whole for whole, names in parts.items() for name in names.values()}
    result: dict[str, Any] = {}
    for name, value in state.items():
        if name not in owners:
            result[name] = value
        elif owners[name] not in result:
            result[owners[name]] = _whole(owners[name], parts[owners[name]], state, read)
    return result


def _whole(name: str, names: dict[str, str], state: dict[str, Any], read: _Read) -> AnyArray:
    recipe = _RECIPES.get(frozenset(names))
    if recipe is not None:
        make, order = recipe
        values = [np.asarray(read(names[part], state[names[part]]), np.float64) for part in order]
        made = make(*values)
        if made is not None:
            return in_range(name, made)
    shapes = ", ".join(f"{part} {np.shape(state[part])}" for part in names.values())
    raise ValueError(
        f"{name}: kept in parts that are none of weight_norm, spectral_norm or pruning, got {shapes}: "
        "torch.nn.utils.parametrize.remove_parametrizations(module, name) makes it whole in torch"
    )


def _weight_norm(g: AnyArray, v: AnyArray) -> AnyArray | None:
    """``g v / |v|``, the norm over all axes along which there is one g."""
    if g.ndim and (g.ndim != v.ndim or any(a not in (1, b) for a, b in zip(g.shape, v.shape, strict=True))):
        return None
    axes = tuple(axis for axis in range(v.ndim) if not g.ndim or g.shape[axis] == 1)
    made: AnyArray = v * (g / np.sqrt(np.sum(v * v, axis=axes, keepdims=True)))
    return made


def _spectral_norm(weight: AnyArray, u: AnyArray, v: AnyArray) -> AnyArray | None:
    """``W / (u W v)``, W as rows of outputs, which is torch's choice for every layer that there is here."""
    if not weight.ndim or u.shape != weight.shape[:1] or v.shape != (weight[0].size,):
        return None
    made: AnyArray = weight / (u @ weight.reshape(len(weight), -1) @ v)
    return made


def _pruned(weight: AnyArray, mask: AnyArray) -> AnyArray | None:
    return weight * mask if weight.shape == mask.shape else None


_RECIPES: dict[frozenset[str], tuple[Callable[..., AnyArray | None], tuple[str, ...]]] = {
    frozenset({"original0", "original1"}): (_weight_norm, ("original0", "original1")),
    frozenset({"g", "v"}): (_weight_norm, ("g", "v")),
    frozenset({"original", "0._u", "0._v"}): (_spectral_norm, ("original", "0._u", "0._v")),
    frozenset({"orig", "u", "v"}): (_spectral_norm, ("orig", "u", "v")),
    frozenset({"orig", "mask"}): (_pruned, ("orig", "mask")),
}
