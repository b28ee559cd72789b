"""Ranks that train one model: what they tell each other, in one order whatever their number."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from seriatim._typing import AnyArray, Array
from seriatim.distributed._background import Background, Pending
from seriatim.distributed._engine import Call, Came, Engine, TeamError
from seriatim.distributed._sum import Sum
from seriatim.distributed._tree import Node, finish, fold, own

T = TypeVar("T")

# What a rank's first message of a gather may hold; what is longer comes in a second one.
_ROOM = 1 << 16


class _Alone:
    """The engine of a team of one."""

    rank, size, parallel = 0, 1, False

    def exchange(self, *_: Any) -> dict[int, Came]:
        return {}

    def fail(self, reason: str) -> None:
        pass

    def close(self) -> None:
        pass


class Team:
    """Ranks (processes, each with an engine) that exchange values and sum arrays in one fixed order.

    All ranks make the same calls in the same order; one that does another is found out and all raise
    :class:`TeamError`. Results do not depend, bit by bit, on how many ranks there are. Values are pickled: ranks trust
    each other.

    Parameters
    ----------
    engine : Engine
        Carries bytes between this rank and the others. It is the team's from now on: ``close`` closes it.
    timeout : float, default 300.0
        Seconds that a rank waits for others, while nothing comes from them, before it raises TeamError.

    Attributes
    ----------
    rank, size : int
        Who of how many this is.
    timeout : float
        Seconds.

    Raises
    ------
    ValueError
        For a time limit that is not above zero.

    See Also
    --------
    team : a team by the name of what launched the processes.
    alone : a team of one.
    """

    def __init__(self, engine: Engine, *, timeout: float = 300.0) -> None:
        self.timeout = checked_timeout(timeout)
        self._engine = engine
        self.rank, self.size = engine.rank, engine.size
        self._process = os.getpid()
        self._sequence = [0, 0]
        self._broken: str | None = None
        self._lock = threading.Lock()
        self._background: Background | None = None
        self._rooms = [np.empty(0, np.uint8), np.empty(0, np.uint8)]
        self._sums: dict[tuple[int, int, int], Sum] = {}

    def __repr__(self) -> str:
        return f"<Team: rank {self.rank} of {self.size}>"

    @property
    def overlaps(self) -> bool:
        """Whether sums that are begun run beside what the calling thread does."""
        return self.size > 1 and self._engine.parallel

    def own(self, n_leaves: int) -> range:
        """Return which of some shards are this rank's: ``rank * n // size`` up to ``(rank + 1) * n // size``."""
        return own(self.rank, self.size, n_leaves)

    # ---- Values

    def gather(self, value: object) -> list[Any]:
        """Return the values of all ranks, in their order; every rank gets them.

        Parameters
        ----------
        value : object
            This rank's; it is pickled.

        Returns
        -------
        list
            One value of each rank; this rank's own is `value` itself.

        Raises
        ------
        TeamError
            When a rank is gone, has failed, does not answer, or is at another call.
        """
        return self._gather("gather", value)

    def broadcast(self, value: object, root: int = 0) -> Any:
        """Return the value of one rank; every rank gets it.

        Parameters
        ----------
        value : object
            What the rank `root` has to tell; it is pickled. That of other ranks is not looked at.
        root : int, default 0
            The rank whose value it is.

        Returns
        -------
        object
            The root's value; at the root `value` itself.

        Raises
        ------
        ValueError
            For a root that is no rank.
        TeamError
            As in ``gather``.
        """
        if not 0 <= root < self.size:
            raise ValueError(f"root is a rank, from 0 to {self.size - 1}, not {root}")
        return self._gather("broadcast", value if self.rank == root else None, size=root)[root]

    def barrier(self) -> None:
        """Wait until every rank is here.

        Raises
        ------
        TeamError
            As in ``gather``.
        """
        self._gather("barrier", None)

    def fold(
        self, leaves: Mapping[int, T | None], n_leaves: int, combine: Callable[[T, T], T], *, channel: int = 0
    ) -> T | None:
        """Return the shards' small values combined in the fixed tree; every rank gets the result.

        Parameters
        ----------
        leaves : mapping
            The values of this rank's shards (``own(n_leaves)``); those that are None or not there are missing.
        n_leaves : int
            Shards of all ranks.
        combine : callable
            Of a left and a right value; it changes neither.
        channel : int, default 0
            0 or 1. Two threads of a rank may use the two at once if the engine says ``parallel``.

        Returns
        -------
        object or None
            None where all values are missing.

        Raises
        ------
        ValueError
            For a shard that is not this rank's.
        TeamError
            As in ``gather``.
        """
        mine = self.own(n_leaves)
        if any(leaf not in mine for leaf in leaves):
            raise ValueError(f"rank {self.rank} of {self.size} has the shards {mine}, not {sorted(leaves)}")
        nodes = fold(leaves, mine.start, mine.stop, n_leaves, combine)
        every: dict[Node, T | None] = {}
        for some in self._gather("fold", nodes, leaves=n_leaves, channel=channel):
            every.update(some)
        return finish(every, 0, n_leaves, combine)

    def _gather(self, operation: str, value: Any, *, size: int = 0, leaves: int = 0, channel: int = 0) -> list[Any]:
        if self.size == 1:
            return [value]
        body = np.frombuffer(pickle.dumps(value, protocol=5), np.uint8)
        others = [rank for rank in range(self.size) if rank != self.rank]
        if self._rooms[channel].size == 0:
            self._rooms[channel] = np.empty((self.size, _ROOM), np.uint8)
        rooms = self._rooms[channel]
        came = self._exchange(
            channel,
            (operation, size, leaves, body.size),
            dict.fromkeys(others, body[:_ROOM]),
            {rank: rooms[rank] for rank in others},
        )
        bodies = {rank: rooms[rank, : came[rank].n_bytes] for rank in others}
        # Everybody knows how long everybody's is, and whether there is more.
        if max(body.size, *(came[rank].note for rank in others)) > _ROOM:
            whole = {rank: np.empty(came[rank].note, np.uint8) for rank in others}
            for rank in others:
                whole[rank][:_ROOM] = bodies[rank]
            self._exchange(
                channel,
                (operation, size, leaves, 0),
                dict.fromkeys(others, body[_ROOM:]),
                {rank: whole[rank][_ROOM:] for rank in others},
            )
            bodies = whole
        return [value if rank == self.rank else pickle.loads(bodies[rank].data) for rank in range(self.size)]

    # ---- Arrays

    def sum_arrays(self, nodes: Mapping[Node, Array], n_leaves: int, out: Array, *, channel: int = 0) -> None:
        """Sum the shards' arrays in the fixed tree; every rank gets the sum.

        Each rank finishes the tree for its slice of the numbers, then all ranks exchange the slices: twice the array's
        size goes out of and comes into a rank, whatever their number.

        Parameters
        ----------
        nodes : mapping of (int, int) to float32 array, shape (n,)
            Sums over the largest nodes of the tree with this rank's shards alone, what :meth:`TreeSum.nodes` gives;
            those that are not there are missing.
        n_leaves : int
            Shards of all ranks.
        out : float32 array, shape (n,)
            Where the sum goes; it may be one of the nodes' arrays. Zeros where all are missing.
        channel : int, default 0
            As in ``fold``.

        Raises
        ------
        ValueError
            For arrays that are not float32, contiguous and of one size, and for nodes that are not this rank's.
        TeamError
            As in ``gather``; what is in `out` is then of no use.
        """
        key = (channel, n_leaves, out.size)
        if key not in self._sums:
            # A fit has one size: memory for another goes.
            self._sums = {other: kept for other, kept in self._sums.items() if other[0] != channel}
            self._sums[key] = Sum(self.rank, self.size, n_leaves, out.size)

        def exchange(note: int, outgoing: Mapping[int, AnyArray], incoming: Mapping[int, AnyArray]) -> dict[int, Came]:
            return self._exchange(channel, ("sum_arrays", out.size, n_leaves, note), outgoing, incoming)

        self._sums[key].run(nodes, out, exchange)

    def start_sum(self, nodes: Mapping[Node, Array], n_leaves: int, out: Array, *, channel: int = 1) -> Pending:
        """Begin ``sum_arrays`` in the background, behind those that were begun before; its arrays are busy until then.

        Parameters
        ----------
        nodes, n_leaves, out
            As in ``sum_arrays``.
        channel : int, default 1
            As in ``fold``.

        Returns
        -------
        Pending
            Its ``wait()`` returns when the sum is there, or raises what went wrong. Where the engine has no room for
            two threads the sum is there at once.
        """
        if self.size == 1 or not self._engine.parallel:
            self.sum_arrays(nodes, n_leaves, out, channel=channel)
            return Pending.done()
        self._check()
        if self._background is None:
            self._background = Background(f"seriatim team, rank {self.rank}")
        return self._background.submit(lambda: self.sum_arrays(nodes, n_leaves, out, channel=channel))

    # ---- Failures and the end

    @contextmanager
    def wrap(self) -> Iterator[Team]:
        """Tell the other ranks of an exception, whatever it is, before it goes on up.

        Yields
        ------
        Team
            This one.
        """
        try:
            yield self
        except BaseException as error:
            self._fail(error)
            raise

    def close(self) -> None:
        """Leave the team, after the sums that were begun; calling it twice does nothing."""
        if os.getpid() != self._process:
            return
        background, self._background = self._background, None
        if background is not None and self._broken is None:
            background.finish(self.timeout)
        self._break("it was closed")
        self._engine.close()
        if background is not None:
            background.finish(self.timeout)

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise TeamError(
                f"this team is of process {self._process}, and {os.getpid()} is a fork of it; a process that should "
                f"take part has to be a rank of its own"
            )
        if self._broken is not None:
            raise TeamError(
                f"this team is of no more use: {self._broken}. Mend that and make a new team; a search in a team wants "
                "candidates that can all be fitted"
            )

    def _break(self, reason: str) -> bool:
        with self._lock:
            first = self._broken is None
            if self._broken is None:
                self._broken = reason
            return first

    def _fail(self, error: BaseException) -> None:
        """Tell others once, unless they know."""
        reason = str(error) if isinstance(error, TeamError) else f"{type(error).__name__}: {error}".removesuffix(": ")
        if os.getpid() == self._process and self._break(reason) and not getattr(error, "told", False):
            self._engine.fail(reason)

    def _exchange(
        self,
        channel: int,
        what: tuple[str, int, int, int],
        outgoing: Mapping[int, AnyArray],
        incoming: Mapping[int, AnyArray],
    ) -> dict[int, Came]:
        self._check()
        operation, size, leaves, note = what
        self._sequence[channel] += 1
        call = Call(operation, self._sequence[channel], size, leaves, note)
        try:
            return self._engine.exchange(call, outgoing, incoming, channel, self.timeout)
        except BaseException as error:
            self._fail(error)
            raise


def checked_timeout(timeout: float) -> float:
    """Return a number of seconds that ends."""
    if not 0 < timeout < float("inf"):
        raise ValueError(f"timeout is seconds above zero, and never without end, not {timeout!r}")
    return float(timeout)


def alone() -> Team:
    """Return a team of one rank: nothing is sent, and nothing is slower.

    Returns
    -------
    Team
        Of size 1.
    """
    return Team(_Alone())
