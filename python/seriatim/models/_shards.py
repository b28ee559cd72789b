"""A training set in shards: what a process has of it, and what all processes know of all.

It is cut into ``micro_shards`` blocks of sequences, in the order in which they are given, and a process has some of
them. What is small, every process knows of all: lengths, targets, weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Array, Integers
from seriatim._warnings import muted
from seriatim.distributed import Team
from seriatim.models._data import Examples, read_weights
from seriatim.models._splitting import check_groups
from seriatim.models._validation import given_validation
from seriatim.preprocessing._targets import Targets, repetitions
from seriatim.sequences import Sequences
from seriatim.training._identity import identity

# How many shards a training set is cut into where nobody says.
MICRO_SHARDS = 8


@dataclass(frozen=True)
class Sharded:
    """Sequences in shards, of which a process has some, and what all know of all.

    Attributes
    ----------
    own : dict of int to Sequences
    target, given : list of ndarray
        Of each shard the targets as the loss takes them, and as they were given.
    weights, groups : list of ndarray, or None
    """

    own: Mapping[int, Sequences]
    target: Sequence[AnyArray]
    given: Sequence[AnyArray]
    weights: Sequence[Array] | None = None
    groups: Sequence[Integers] | None = None

    @classmethod
    def cut(cls, examples: Examples, team: Team, n_shards: int, groups: Any = None) -> Sharded:
        """Cut what every process has into blocks.

        Raises
        ------
        ValueError
            Processes were given other data, or there is not a group for each sequence.
        """
        _refuse_others(team, examples)
        n, X, lengths = len(examples), examples.sequences.X, examples.sequences.lengths
        bounds = [number * n // n_shards for number in range(n_shards + 1)]
        rows = np.concatenate([examples.sequences.starts, [len(X)]])
        own = {}
        for number in team.own(n_shards):
            first, end = bounds[number : number + 2]
            own[number] = Sequences(X[rows[first] : rows[end]], lengths[first:end])
        weights = None if examples.weights is None else blocks(examples.weights, bounds)
        numbers = None if groups is None else blocks(check_groups(groups, n), bounds)
        given = examples.target if examples.given is None else examples.given
        return cls(own, blocks(examples.target, bounds), blocks(given, bounds), weights, numbers)

    @property
    def sizes(self) -> list[int]:
        """How many sequences each shard has."""
        return [len(part) for part in self.target]

    def take(self, index: Sequence[Integers]) -> Sharded:
        """Return some of each shard."""
        own = {number: part[index[number]] for number, part in self.own.items()}
        weights, groups = (None if parts is None else _each(parts, index) for parts in (self.weights, self.groups))
        return Sharded(own, _each(self.target, index), _each(self.given, index), weights, groups)

    def in_order(self, team: Team) -> Sharded:
        """Return each shard in an order that depends on its sequences alone."""
        orders = {number: Examples(part, self.target[number]).order() for number, part in self.own.items() if len(part)}
        return self.take(of_all(team, orders, self.sizes))

    def repeated(self) -> Sharded:
        """Return whole weights as repetition, as of :meth:`Examples.in_order`."""
        counts = repetitions(or_none(self.weights))
        if counts is None:
            return self
        parts = blocks(counts, [0, *accumulate(self.sizes)])
        return replace(self.take([np.repeat(np.arange(len(part)), part) for part in parts]), weights=None)


def blocks(values: AnyArray, bounds: Sequence[int]) -> list[AnyArray]:
    return [values[first:end] for first, end in pairwise(bounds)]


def _each(parts: Sequence[AnyArray], index: Sequence[Integers]) -> list[AnyArray]:
    return [part[some] for part, some in zip(parts, index, strict=True)]


def joined(parts: Sequence[AnyArray]) -> AnyArray:
    """Return what shards have, behind each other."""
    return np.concatenate(list(parts))


def or_none(parts: Sequence[AnyArray] | None) -> AnyArray | None:
    return None if parts is None else joined(parts)


def _refuse_others(team: Team, examples: Examples) -> None:
    """Raise ValueError if processes were given other sequences than the first; their numbers are compared in part."""
    if team.size == 1:
        return
    X = examples.sequences.X
    some = X[:: max(1, len(X) // 1000)]
    found = team.gather(identity([examples.sequences.lengths, examples.target, examples.weights, some]))
    others = [rank for rank, digest in enumerate(found) if digest != found[0]]
    if others:
        raise ValueError(
            f"expected the same sequences, targets and weights in every process, of which each computes its part; got "
            f"others in process {others[0]} than in process 0. Read them in the same order, and seed what draws them."
        )


def of_all(team: Team, own: Mapping[int, Any], sizes: Sequence[int]) -> list[Any]:
    """Return what the processes know of their shards, of all shards; nothing of those that are empty."""
    known: dict[int, Any] = {}
    for some in team.gather(dict(own)):
        known.update(some)
    return [known[number] if size else np.zeros(0, np.int64) for number, size in enumerate(sizes)]


def shards_of(estimator: Any, team: Team) -> int:
    """Return in how many shards an estimator's training set is cut.

    Raises
    ------
    ValueError
        There are fewer shards than processes.
    """
    shards = MICRO_SHARDS if estimator.micro_shards is None else int(estimator.micro_shards)
    if shards < team.size:
        raise ValueError(
            f"micro_shards: expected at least one for each of {team.size} processes, got {shards}. The same number "
            "gives the same bits on any number of processes."
        )
    return shards


class Elsewhere:
    """Validation sequences that lie on several processes: of those a scorer can see predictions alone."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{name}: expected a scorer that looks at predictions and targets alone: with micro_shards the sequences "
            "lie in several places"
        )


def within(index: Integers, bounds: Sequence[int]) -> list[Integers]:
    """Return indices into all as indices into each block."""
    return [index[(index >= first) & (index < end)] - first for first, end in pairwise(bounds)]


# ---- Where no process has all


def read_own(
    estimator: Any,
    team: Team,
    sample: AnyArray,
    own: Mapping[int, Sequence[AnyArray]],
    targets: Mapping[int, Any],
    weights: Mapping[int, Any] | None,
    groups: Mapping[int, Any] | None,
    validation: tuple[Any, Any] | None,
) -> tuple[Any, Sharded, Targets, Array | None, Examples | None]:
    """Return what every process has of its shards, and knows of all: reading, data, targets, class weights, validation.

    Parameters
    ----------
    sample : ndarray, shape (T, ...)
        A sequence that every process has, to read the form from.
    own : dict of int to list of ndarray
        The sequences of this process's shards.
    targets, weights, groups : dict of int to array_like
        Of the same shards, one for each sequence.
    validation : (list of ndarray, array_like) or None
        Whole in every process.

    Raises
    ------
    ValueError, TypeError
        As of ``fit``; or processes have sequences of other features, or targets of another kind.
    """
    n_shards = shards_of(estimator, team)
    if sorted(own) != list(team.own(n_shards)):
        raise ValueError(f"expected the sequences of the shards {list(team.own(n_shards))}, got those of {sorted(own)}")
    counts = [len(own[number]) for number in sorted(own)]
    try:
        reading = estimator._read_form([sample, *(one for number in sorted(own) for one in own[number])], None)
    except (TypeError, ValueError) as error:
        where = (
            f"counted from the data set's first sequence, then those of shards {min(own)} to {max(own)} of {n_shards}"
        )
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{error} ({where})") from error
    bounds = [1, *(1 + end for end in accumulate(counts))]
    parts = {n: reading.sequences[slice(*ends)] for n, ends in zip(sorted(own), pairwise(bounds), strict=True)}
    read = {n: estimator._read_targets(targets[n]) for n in own if len(own[n])}
    for number, some in read.items():
        if len(some) != len(own[number]):
            raise ValueError(f"y: expected a target for each of {len(own[number])} sequences, got {len(some)}")
    sizes = [size for some in team.gather(counts) for size in some]
    if sum(sizes) < max(1, estimator._least_batch):
        raise ValueError(f"X: expected at least {max(1, estimator._least_batch)} sequences, got {sum(sizes)}")
    given = _alike(of_all(team, read, sizes), sizes)
    ends = [0, *accumulate(sizes)]
    whole = joined([part for part, size in zip(given, sizes, strict=True) if size])
    said = _of_each(team, weights, sizes)
    weight = None if said is None else read_weights(said, sum(sizes))
    numbers = _of_each(team, groups, sizes)
    known = estimator._learn_targets(whole, weight, False)
    data = Sharded(
        parts,
        blocks(known.encode(whole), ends),
        blocks(whole, ends),
        None if weight is None else blocks(weight, ends),
        None if numbers is None else blocks(check_groups(numbers, sum(sizes)), ends),
    )
    if len(set().union(*team.gather(set(reading.sequences.lengths.tolist())))) > 1:
        # What is remembered of the form depends on all sequences.
        reading = reading._replace(form="sequences")
    labelled = Examples(Elsewhere(sum(sizes)), joined(data.target), weight)  # type: ignore[arg-type]
    with muted() if team.rank else nullcontext():
        estimator._advise(known, labelled.target)
        held = None if validation is None else given_validation(estimator, validation, reading, known)
    return reading, data, known, estimator._class_weights(known, labelled), held


def _of_each(team: Team, own: Mapping[int, Any] | None, sizes: Sequence[int]) -> AnyArray | None:
    """Return what processes have for each sequence of their shards, of all sequences."""
    every = team.gather(None if own is None else {number: np.asarray(some) for number, some in own.items()})
    if any(some is None for some in every):
        return None
    known = {number: part for some in every for number, part in some.items()}
    found = [known[number] for number, size in enumerate(sizes) if size]
    if any(len(part) != size for part, size in zip(found, [size for size in sizes if size], strict=True)):
        raise ValueError("sample_weight, groups: expected a value for each sequence")
    return joined(found)


def _alike(parts: Sequence[AnyArray], sizes: Sequence[int]) -> Sequence[AnyArray]:
    """Refuse labels of which some are text and others numbers: NumPy would make text of all."""
    kinds = {part.dtype.kind in "USO" for part, size in zip(parts, sizes, strict=True) if size}
    shapes = {part.shape[1:] for part, size in zip(parts, sizes, strict=True) if size}
    if len(kinds) > 1 or len(shapes) > 1:
        raise ValueError("y: expected targets of one kind and shape, got text and numbers, or other numbers of columns")
    return parts
