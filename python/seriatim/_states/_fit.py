"""How names fit a module's: the prefix that they share, what is missing and left over, and what may be the matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_COUNT = "num_batches_tracked"
_BLOCKS = {1: "an RNN's, of one block of rows", 3: "a GRU's, of three", 4: "an LSTM's, of four"}


@dataclass(frozen=True)
class Fit:
    """A state under a module's names.

    Attributes
    ----------
    state : dict
    prefix : str
        What was taken off all names.
    missing, unexpected : list of str
    """

    state: dict[str, Any]
    prefix: str
    missing: list[str]
    unexpected: list[str]


def fit(state: Mapping[str, Any], known: Mapping[str, Any], prefix: str | None = None) -> Fit:
    """Return a state without the prefix that all its names share, if without it names fit and with it none does.

    Batch norm's counts may be missing beside their statistics, as in files of torch before 0.4.1: they stay.
    With ``prefix`` only names that begin with it are taken. ``known`` has the memory under each name.
    """
    if prefix is None:
        prefix = _shared(state, known)
        taken = {name[len(prefix) :]: value for name, value in state.items()}
    else:
        taken = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
        if not taken and known:
            raise ValueError(f"prefix: expected one that some names begin with, got {prefix!r} for {list(state)[:5]}")
    taken = _without_wrappers(taken, known)
    # What is tied has several names: one is enough.
    there = {id(known[name]) for name in taken if name in known}
    missing = [
        name
        for name in known
        if id(known[name]) not in there and not (name.endswith(_COUNT) and _statistics(name) in taken)
    ]
    return Fit(taken, prefix, missing, [name for name in taken if name not in known])


def _without_wrappers(state: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without the ``module.`` of parts that were inside DataParallel, where a name fits without it."""
    found: dict[str, Any] = {}
    for name, value in state.items():
        bare = name if name in known else re.sub(r"(^|\.)module\.", r"\1", name)
        found[bare if bare in known and bare not in state and bare not in found else name] = value
    return found


def _statistics(count: str) -> str:
    return count[: -len(_COUNT)] + "running_mean"


def _shared(state: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    if not state or any(name in known for name in state):
        return ""
    prefixes = [""]
    for parts in zip(*(name.split(".")[:-1] for name in state), strict=False):
        if len(set(parts)) > 1:
            break
        prefixes.append(f"{prefixes[-1]}{parts[0]}.")
    return max(prefixes, key=lambda prefix: sum(name[len(prefix) :] in known for name in state))


def hints(found: Fit, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may be the matter with names and shapes that do not fit: mappings are to what has a shape."""
    first = next(iter(known), "")
    if found.prefix:
        yield f"(names without {found.prefix!r}, which all of them begin with)"
    if first and found.missing and found.unexpected:
        for name in found.unexpected:
            prefix = name[: -len(first)]
            if name.endswith(f".{first}") and all(f"{prefix}{one}" in found.state for one in found.missing):
                yield f"names that begin with {prefix!r} fit, others do not: load them alone, by prefix={prefix!r}"
                break
        one = found.unexpected[0]
        for name in known:
            place = name[: -len(one)]
            if name.endswith(f".{one}") and all(f"{place}{other}" in known for other in found.unexpected):
                yield f"they fit the part {place[:-1]!r}: call load_state_dict of it"
                break
        ends = {re.split(r"[./]", name)[-1].split(":")[0] for name in found.unexpected}
        if "recurrent_kernel" in ends:
            yield "names are Keras's: seriatim.convert has functions for its layers"
        if "_packed_params" in ends:
            yield "weights are quantised by torch: give those of the model before quantisation"
        if any(end.startswith("_flat_weights") for end in ends):
            yield "flat weights have no names that say what they are: give the module's state_dict()"
    elif found.unexpected and all(re.search(r"(^|\.)bias_[ih]h(_l\d+(_reverse)?)?$", n) for n in found.unexpected):
        yield "the module was made with bias=False, the weights have biases: construct it with bias=True"
    statistics = [name for name in known if re.search(r"(^|\.)(running_\w+|num_b\w+)$", name)]
    if statistics and not found.unexpected and found.missing == statistics:
        yield "named_parameters() has no running statistics: give state_dict()"
    yield from _other_cell(found, known)


def _other_cell(found: Fit, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield that weights are another cell's."""
    for name, ours in known.items():
        given = getattr(found.state.get(name), "shape", ours.shape)
        if not re.match(r"weight_hh(_l\d|$)", name.rpartition(".")[2]) or len(given) != 2 or len(ours.shape) != 2:
            continue
        (rows, columns), (own_rows, own_columns) = given, ours.shape
        if not columns or not own_columns or rows % columns or own_rows % own_columns:
            continue
        theirs, own = rows // columns, own_rows // own_columns
        if theirs != own and theirs in _BLOCKS and own in _BLOCKS:
            yield f"{name} is {_BLOCKS[theirs]}; wanted here is {_BLOCKS[own]}"
            return
