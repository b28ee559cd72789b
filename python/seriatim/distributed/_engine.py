"""What carries bytes between ranks, and the error when it cannot."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from seriatim._typing import AnyArray

# How long a wait lasts before Ctrl-C, failures of others and the limit are looked for, in seconds.
SLICE = 0.05
OPERATIONS = ("gather", "broadcast", "barrier", "fold", "sum_arrays")
_HEAD = struct.Struct("<4sIQQQQQ")
_MAGIC = b"srt1"
HEAD_SIZE = _HEAD.size


class TeamError(RuntimeError):
    """A rank of the team is gone, has failed, has not answered within the limit, or does another thing than this one.

    Whatever was being computed is not complete. The team is of no more use: close it, and begin again, from a
    checkpoint if there is one.
    """

    # As users import it, and see it in a traceback.
    __module__ = "seriatim.distributed"

    # Whether another rank has said so: then it has told all others too.
    told = False

    @classmethod
    def heard(cls, rank: int, reason: str) -> TeamError:
        """Return the error of a rank that was told of a failure by another."""
        error = cls(f"rank {rank} has failed: {reason}")
        error.told = True
        return error

    @classmethod
    def gone(cls, rank: int) -> TeamError:
        """Return the error of a rank that lost another."""
        return cls(
            f"rank {rank} is gone: its process ended, was killed, or closed the team before this one was done; what "
            f"it printed last may say why"
        )

    @classmethod
    def late(cls, ranks: Iterable[int], limit: float, operation: str) -> TeamError:
        """Return the error of a rank that has waited for others for too long."""
        names = sorted(ranks)
        text = ", ".join(map(str, names))
        return cls(
            f"{operation}: rank{'s' * (len(names) > 1)} {text} did not answer for {limit:g} seconds; look there for "
            f"what hangs, or give the team a larger timeout if that is how long its work takes"
        )


class Came(NamedTuple):
    """What a rank has sent: how many bytes of the buffer it fills, and the note that came with it."""

    n_bytes: int
    note: int


class Call(NamedTuple):
    """What an exchange is part of: every rank must be at the same one, so that no bytes are taken for others."""

    operation: str
    # The how manieth exchange on its channel.
    sequence: int
    # What all ranks must have in common; each operation has its own.
    size: int = 0
    leaves: int = 0
    # What a rank says of itself.
    note: int = 0

    def head(self, n_bytes: int) -> bytes:
        """Return what goes before a message of some bytes."""
        return _HEAD.pack(
            _MAGIC, OPERATIONS.index(self.operation), self.sequence, self.size, self.leaves, self.note, n_bytes
        )

    def check(self, head: bytes | bytearray | memoryview, rank: int, room: int) -> Came:
        """Return what the head of another rank's message announces; refuse one of another call."""
        magic, operation, sequence, size, leaves, note, n_bytes = _HEAD.unpack(head)
        if magic != _MAGIC or operation >= len(OPERATIONS):
            raise TeamError(f"{self.operation}: rank {rank} sent what is no message of this version of seriatim")
        other = Call(OPERATIONS[operation], sequence, size, leaves, note)
        if other[:4] != self[:4]:
            raise TeamError(
                f"ranks do different things: this one is at {self._words()}, rank {rank} at {other._words()}; every "
                f"rank must make the same calls in the same order, with the same data and parameters"
            )
        if n_bytes > room:
            raise TeamError(f"{self.operation}: rank {rank} sent {n_bytes} bytes where at most {room} are expected")
        return Came(n_bytes, note)

    def _words(self) -> str:
        sizes = f" of {self.size} numbers" if self.operation == "sum_arrays" else ""
        leaves = f" over {self.leaves} shards" if self.leaves else ""
        return f"exchange {self.sequence} ({self.operation}{sizes}{leaves})"


class Engine(Protocol):
    """What a team needs of whatever carries its bytes.

    ``rank`` and ``size`` say who of how many this process is. ``parallel`` says whether two threads may be in
    ``exchange`` at once, on different channels (0 and 1).
    """

    rank: int
    size: int
    parallel: bool

    def exchange(
        self,
        call: Call,
        outgoing: Mapping[int, AnyArray],
        incoming: Mapping[int, AnyArray],
        channel: int,
        limit: float,
    ) -> dict[int, Came]:
        """Send to and receive from other ranks, all at once; return what came when all is done.

        Buffers are contiguous arrays of bytes (uint8). One that is received may be larger than what comes; the rest
        of it stays. Each message goes behind ``call.head(its bytes)``, and ``call.check`` sees the head of the other
        rank's before its bytes are taken. Raises TeamError when a rank is gone or has failed, when no byte has moved
        for `limit` seconds, and from another thread's ``close``; every wait is in slices, so that Ctrl-C works.
        """

    def fail(self, reason: str) -> None:
        """Tell the others that this rank has failed: what they wait for then raises TeamError with the reason."""

    def close(self) -> None:
        """Leave. Threads of this rank that are in ``exchange`` raise TeamError; calling it twice does nothing."""


def as_bytes(array: AnyArray) -> AnyArray:
    """Return a contiguous array's memory as uint8."""
    return array.reshape(-1).view("u1")
