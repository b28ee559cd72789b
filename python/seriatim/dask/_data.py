"""What a fit trains on, as futures: sequences, and what belongs to them, in chunks that lie on workers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dask.distributed import Client, Future, wait

from seriatim._typing import ArrayLike
from seriatim.dask._asking import results_of, sent
from seriatim.dask._collections import is_dask, persisted, sequences_of, values_of
from seriatim.dask._placing import Part, Plan, bounds_of, make_plan
from seriatim.dask._rank import COLUMNS, Chunks
from seriatim.dask._sequences import (
    Facts,
    cut_sequences,
    cut_values,
    facts_of_sequences,
    facts_of_values,
    first_sequence,
    joined_values,
)
from seriatim.models._data import read_validation
from seriatim.sequences import Sequences

_logger = logging.getLogger("seriatim")


@dataclass
class Data:
    """Chunks of sequences on workers, and what belongs to them: in chunks of the same sizes, or here.

    Attributes
    ----------
    client : Client
    timeout : float
        Seconds that a worker has for an answer.
    chunks : list of Future
    sizes, n_bytes : list of int
        Sequences and bytes of each chunk.
    holders : list of lists of str
        The workers that hold each chunk.
    columns : dict of str to list of Future, array_like, or None
        Targets, weights and groups.
    sample : Future
        The first sequence.
    held : (chunks of sequences, chunks of targets) or None
        What is validated on.
    """

    client: Client
    timeout: float
    chunks: Sequence[Future]
    sizes: Sequence[int]
    n_bytes: Sequence[int]
    holders: Sequence[Sequence[str]]
    columns: Mapping[str, Any]
    sample: Any = None
    held: tuple[Chunks, Chunks] | None = None
    _kept: list[Future] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Sequences of all chunks."""
        return sum(self.sizes)

    def plan(self, workers: Mapping[str, int], n_shards: int) -> Plan:
        """Return who trains what."""
        plan = make_plan(self.sizes, self.n_bytes, self.holders, workers, n_shards)
        share = 100 * plan.moved / max(plan.total, 1)
        _logger.info(
            "%d sequences in %d chunks, %d shards; %d of %d workers train; %.3g of %.3g MB move (%.0f %%), from worker "
            "to worker", self.n, len(self.sizes), n_shards, len(plan.workers), len(workers), plan.moved / 1e6,
            plan.total / 1e6, share,
        )  # fmt: skip
        return plan

    def of(self, parts: Sequence[Part], worker: str) -> tuple[list[Future], list[Chunks]]:
        """Return the chunks of a rank, cut where they lie if it shares them, and of each column the same."""
        sequences = [self._cut(cut_sequences, self.chunks[part.chunk], part) for part in parts]
        starts = [sum(self.sizes[: part.chunk]) + part.first for part in parts]
        first = min(starts, default=0)
        last = first + sum(part.last - part.first for part in parts)
        columns: list[Chunks] = []
        for name in COLUMNS:
            column = self.columns[name]
            if column is None:
                columns.append(None)
            elif isinstance(column, list):
                columns.append([self._cut(cut_values, column[part.chunk], part) for part in parts])
            else:
                some = cut_values(column, first, last)
                columns.append([sent(self.client, some, [worker], getattr(some, "nbytes", 0), self.timeout)])
        return sequences, columns

    def _cut(self, function: Any, chunk: Future, part: Part) -> Future:
        if part.last - part.first == self.sizes[part.chunk]:
            return chunk
        there = self.holders[part.chunk]
        future = self.client.submit(
            function, chunk, part.first, part.last, workers=there or None, allow_other_workers=bool(there), pure=False
        )
        self._kept.append(future)
        return future


@dataclass(frozen=True)
class Reader:
    """Puts what a fit is given on workers.

    Attributes
    ----------
    client : Client
    estimator : a plain estimator, unfitted
    n_shards : int
    workers : sequence of str
        What is given here is spread over these.
    timeout : float
    """

    client: Client
    estimator: Any
    n_shards: int
    workers: Sequence[str]
    timeout: float

    def read(self, X: Any, y: Any, lengths: ArrayLike | None, others: Mapping[str, Any], validation: Any) -> Data:
        """Return what a fit is given, on workers.

        Parameters
        ----------
        X, y, lengths
            As of ``fit``.
        others : mapping of str to object
            Weights and groups, or None.
        validation : (X, y) or (X, y, lengths), or None

        Raises
        ------
        TypeError, ValueError
            It has none of the forms, or what belongs to each other is not of one size.
        TeamError
            A worker does not answer.
        """
        data = self._there(X, lengths) if is_dask(X) else self._from_here(X, y, lengths)
        if data.n == 0:
            raise ValueError("X: expected at least one sequence, got none")
        columns = {"y": y, **others}
        data.columns = {name: self._column(data, name, columns[name]) for name in COLUMNS}
        first = next(number for number, size in enumerate(data.sizes) if size)
        data.sample = self.client.submit(first_sequence, data.chunks[first], pure=False)
        if validation is not None:
            data.held = self._validation(*read_validation(validation))
        return data

    def _there(self, X: Any, lengths: ArrayLike | None) -> Data:
        """Return the chunks of a collection of Dask, when they are computed."""
        chunks = persisted(self.client, sequences_of(X, lengths)[0])
        # However long that takes.
        wait(chunks)
        facts, holders = self._facts("X", facts_of_sequences, chunks)
        sizes, n_bytes = [one.size for one in facts], [one.n_bytes for one in facts]
        return Data(self.client, self.timeout, chunks, sizes, n_bytes, holders, {})

    def _facts(self, name: str, function: Any, chunks: Sequence[Future]) -> tuple[list[Facts], list[list[str]]]:
        known = self.client.who_has(list(chunks))
        holders = [list(known.get(chunk.key, ())) for chunk in chunks]
        asked = [
            self.client.submit(
                function, chunk, workers=there or None, allow_other_workers=bool(there), pure=False, priority=10
            )
            for chunk, there in zip(chunks, holders, strict=True)
        ]
        return results_of(self.client, asked, self.timeout, name), holders

    def _from_here(self, X: Any, y: Any, lengths: ArrayLike | None) -> Data:
        """Return what this process has, a chunk a shard, on the workers that will have the shards."""
        sequences, n_shards, workers = self._read(X, y, lengths), self.n_shards, self.workers
        bounds = bounds_of(len(sequences), n_shards)
        n_ranks = min(len(workers), n_shards)
        chunks, holders, n_bytes = [], [], []
        for number, (first, last) in enumerate(pairwise(bounds)):
            some = sequences[first:last]
            # Of the rank that own() gives the shard to.
            there = [workers[((number + 1) * n_ranks - 1) // n_shards]]
            chunk: Any = Sequences(some.X.copy(), some.lengths) if len(some) else []
            holders.append(there)
            n_bytes.append(some.X.nbytes if len(some) else 0)
            chunks.append(sent(self.client, chunk, there, n_bytes[-1], self.timeout))
        sizes = [last - first for first, last in pairwise(bounds)]
        return Data(self.client, self.timeout, chunks, sizes, n_bytes, holders, {})

    def _read(self, X: Any, y: Any, lengths: ArrayLike | None) -> Sequences:
        n_targets = None if is_dask(y) or not hasattr(y, "__len__") else len(y)
        sequences: Sequences = self.estimator._read_form(X, lengths, None, n_targets).sequences
        return sequences

    def _column(self, data: Data, name: str, value: Any) -> Any:
        """Return a column: a list of futures of chunks as those of the sequences, something to slice, or None."""
        if value is None and name == "y":
            kind = type(self.estimator).__name__
            raise ValueError(f"This {kind} estimator requires y to be passed, but the target y is None.")
        if value is None:
            return None
        if not is_dask(value):
            value = self.estimator._read_targets(value) if name == "y" else joined_values([value])
            _refuse_other(name, len(value), data.n)
            return value
        chunks = persisted(self.client, values_of(name, value, data.sizes))
        wait(chunks)
        sizes = [one.size for one in self._facts(name, facts_of_values, chunks)[0]]
        _refuse_other(name, sum(sizes), data.n)
        if sizes == list(data.sizes):
            return chunks
        # They are small: cut anew where they can be cut as the sequences are.
        return joined_values(results_of(self.client, chunks, self.timeout, name))

    def _validation(self, X: Any, y: Any, lengths: ArrayLike | None) -> tuple[Chunks, Chunks]:
        """Return what every rank validates on, whole."""
        if is_dask(X):
            chunks: Chunks = persisted(self.client, sequences_of(X, lengths)[0])
        else:
            read = self._read(X, y, lengths)
            chunks = [sent(self.client, read, None, read.X.nbytes, self.timeout)]
        if is_dask(y):
            return chunks, persisted(self.client, values_of("validation_data", y, ()))
        return chunks, [sent(self.client, self.estimator._read_targets(y), None, 0, self.timeout)]


def _refuse_other(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"{name}: expected one for each of {wanted} sequences, got {found}")
