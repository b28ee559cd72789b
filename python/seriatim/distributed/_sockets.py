"""Ranks that are processes anywhere, over TCP: no launcher and no package is needed, only each other's addresses."""

from __future__ import annotations

import abc
import json
import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Mapping, Sequence

from seriatim._typing import AnyArray
from seriatim.distributed._engine import HEAD_SIZE, SLICE, Call, Came, TeamError
from seriatim.distributed._mesh import NEWS, Address, connect_all

# What a call to the system moves at most: others get their turn.
_PART = 1 << 19
# How long a rank whose connection ended may take to say why, in seconds.
_LAST_WORDS = 0.5
_BOTH = select.POLLIN | select.POLLOUT
_BYE = b"bye"


class _Message(abc.ABC):
    """A message on its way."""

    event: int
    link: socket.socket

    @property
    @abc.abstractmethod
    def done(self) -> bool:
        """Whether all of it has moved."""

    @abc.abstractmethod
    def move(self) -> None:
        """Move some of it; BlockingIOError where none can be."""


class _Incoming(_Message):
    """From another rank to a buffer."""

    event = select.POLLIN

    def __init__(self, link: socket.socket, rank: int, room: AnyArray, call: Call) -> None:
        self.link, self._rank, self._room, self._call = link, rank, room, call
        self._head = bytearray(HEAD_SIZE)
        self._rest = memoryview(self._head)
        self.came: Came | None = None

    @property
    def done(self) -> bool:
        return self.came is not None and not self._rest

    def move(self) -> None:
        count = self.link.recv_into(self._rest[:_PART])
        if count == 0:
            raise EOFError
        self._rest = self._rest[count:]
        if not self._rest and self.came is None:
            self.came = self._call.check(self._head, self._rank, self._room.size)
            self._rest = self._room[: self.came.n_bytes].data
            # What is small came with its head.
            if self._rest:
                self.move()


class _Outgoing(_Message):
    """From an array to another rank."""

    event = select.POLLOUT

    def __init__(self, link: socket.socket, data: AnyArray, call: Call) -> None:
        self.link = link
        self._parts = [memoryview(call.head(data.size)), data.data]

    @property
    def done(self) -> bool:
        return not self._parts

    def move(self) -> None:
        count = self.link.sendmsg([part[:_PART] for part in self._parts])
        while self._parts and count >= len(self._parts[0]):
            count -= len(self._parts.pop(0))
        if self._parts:
            self._parts[0] = self._parts[0][count:]


_Pair = tuple[int, _Message]


class _Waits:
    """Messages of an exchange that have not all moved, and what tells when they can: told once, for ranks are many."""

    def __init__(self, messages: list[_Pair], news: Mapping[int, socket.socket]) -> None:
        self.left: dict[int, list[_Pair]] = {}
        for pair in messages:
            if not pair[1].done:
                self.left.setdefault(pair[1].link.fileno(), []).append(pair)
        if self.left:
            self._poll = select.poll()
            for number in self.left:
                self._ask(number)
            for link in tuple(news.values()):
                self._poll.register(link.fileno(), select.POLLIN)

    def _ask(self, number: int) -> None:
        events = 0
        for _, one in self.left[number]:
            events |= one.event
        self._poll.register(number, events)

    def able(self) -> tuple[list[_Pair], set[int]]:
        """Return what can be moved, and whose news there are, after a wait of a slice at most."""
        able, news = [], set()
        for number, events in self._poll.poll(SLICE * 1000):
            if number not in self.left:
                news.add(number)
            # What ends a connection is neither in nor out.
            able += [pair for pair in self.left.get(number, ()) if events & ~(_BOTH ^ pair[1].event)]
        return able, news

    def update(self, moved: list[_Pair]) -> None:
        """Ask no more for what has all moved."""
        for _, one in moved:
            number = one.link.fileno()
            if one.done and number in self.left:
                self.left[number] = [pair for pair in self.left[number] if not pair[1].done]
                if self.left[number]:
                    self._ask(number)
                else:
                    del self.left[number]
                    self._poll.unregister(number)

    def forget(self, news: set[int]) -> None:
        """Ask no more for the news of those that have left."""
        for number in news:
            self._poll.unregister(number)


class SocketEngine:
    """One rank of a full mesh of connections; :func:`connect` makes it."""

    parallel = True

    def __init__(self, rank: int, size: int, links: list[dict[int, socket.socket]]) -> None:
        self.rank, self.size = rank, size
        self._links = links
        self._news = dict(links[NEWS])
        self._heard = {other: b"" for other in self._news}
        self._lock = threading.Lock()
        self._inside = 0
        self._closed = False
        self._failed = False
        # Whether the news were bad: both threads of a rank hear of it, whoever read it.
        self._lost = False
        _engines.add(self)
        # A rank whose process ends, or that forgets its engine, has left and is not lost.
        self._leave = weakref.finalize(self, _say_goodbye, os.getpid(), links)

    def exchange(
        self,
        call: Call,
        outgoing: Mapping[int, AnyArray],
        incoming: Mapping[int, AnyArray],
        channel: int,
        limit: float,
    ) -> dict[int, Came]:
        """Send to and receive from other ranks: :meth:`Engine.exchange`."""
        links = self._links[channel]
        coming = {rank: _Incoming(links[rank], rank, room, call) for rank, room in incoming.items()}
        messages: list[_Pair] = [(rank, _Outgoing(links[rank], data, call)) for rank, data in outgoing.items()]
        messages += coming.items()
        with self._lock:
            self._inside += 1
        try:
            self._move(messages)
            waits = _Waits(messages, self._news)
            deadline = time.monotonic() + limit
            while waits.left:
                if self._wait(waits):
                    deadline = time.monotonic() + limit
                elif time.monotonic() > deadline:
                    late = {rank for some in waits.left.values() for rank, _ in some}
                    raise TeamError.late(late, limit, call.operation)
        finally:
            with self._lock:
                self._inside -= 1
        return {rank: one.came for rank, one in coming.items() if one.came is not None}

    def _wait(self, waits: _Waits) -> bool:
        """Move what can be moved, after a wait of a slice at most; return whether there was any. Hear the news."""
        able, news = waits.able()
        moved = self._move(able)
        waits.update(able)
        if waits.left and (news or self._closed or self._lost):
            self._listen()
            waits.forget(news - {link.fileno() for link in self._news.values()})
        return moved

    def _move(self, messages: list[_Pair]) -> bool:
        moved = False
        for rank, one in messages:
            try:
                one.move()
                moved = True
            except BlockingIOError:
                pass
            except (EOFError, ConnectionError):
                self._last_words(rank)
        return moved

    def _last_words(self, rank: int) -> None:
        """Raise why a rank whose connection ended has left, if it says so."""
        end = time.monotonic() + _LAST_WORDS
        while (link := self._news.get(rank)) is not None and time.monotonic() < end:
            poll = select.poll()
            poll.register(link.fileno(), select.POLLIN)
            poll.poll(SLICE * 1000)
            self._listen()
        raise TeamError.gone(rank)

    def _listen(self) -> None:
        """Read the news; raise if a rank says that it has failed, or this one has closed."""
        if self._closed:
            raise TeamError("the team was closed while it waited")
        with self._lock:
            for rank, link in list(self._news.items()):
                try:
                    words = link.recv(1 << 16)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    words = b""
                self._heard[rank] += words
                if not words:
                    del self._news[rank]
            heard = list(self._heard.items())
        for rank, words in heard:
            for line in words.split(b"\n")[:-1]:
                if line != _BYE:
                    self._lost = True
                    raise TeamError.heard(rank, json.loads(line))

    def fail(self, reason: str) -> None:
        """Tell the others that this rank has failed."""
        with self._lock:
            if not self._closed and not self._failed:
                self._failed = True
                _tell(self._links[NEWS], json.dumps(reason[:10_000]).encode() + b"\n")

    def close(self) -> None:
        """Leave."""
        self._closed = True
        end = time.monotonic() + 20 * SLICE
        while self._inside and time.monotonic() < end:
            time.sleep(SLICE / 50)
        self._leave()


def _tell(links: Mapping[int, socket.socket], words: bytes) -> None:
    for link in links.values():
        try:
            link.sendall(words)
        except OSError:
            # Who is gone need not be told.
            continue


def _say_goodbye(process: int, links: list[dict[int, socket.socket]]) -> None:
    # A fork has the same connections, and nothing to say on them.
    if os.getpid() == process:
        _tell(links[NEWS], _BYE + b"\n")
    for some in links:
        for link in some.values():
            link.close()


_engines: weakref.WeakSet[SocketEngine] = weakref.WeakSet()


def _let_go_in_a_fork() -> None:
    """Close a fork's descriptors: while it had them, nobody would see that this rank has ended."""
    for engine in list(_engines):
        engine._closed = True
        engine._leave()


os.register_at_fork(after_in_child=_let_go_in_a_fork)


def connect(
    rank: int, addresses: Sequence[Address], listener: socket.socket, authkey: bytes, limit: float = 60.0
) -> SocketEngine:
    """Connect the ranks of a team with each other; all of them call it at about the same time.

    Parameters
    ----------
    rank : int
        Which of the addresses is this process's own.
    addresses : sequence of tuple of str and int
        Host and port of each rank, in the same order everywhere: what :func:`listen` gave there.
    listener : socket.socket
        This process's, of :func:`listen`; it is closed.
    authkey : bytes
        A secret that all ranks have and nobody else. Each side of a connection has to show that it knows it, by the
        challenges of ``multiprocessing``; what is sent is not encrypted.
    limit : float, default 60.0
        Seconds until all have to be there.

    Returns
    -------
    SocketEngine
        For :class:`Team`.

    Raises
    ------
    TeamError
        When a rank cannot be reached, has another key, or has not called within the limit.
    ValueError
        For a rank that has no address, and without a key.
    """
    if not 0 <= rank < len(addresses):
        raise ValueError(f"rank {rank} has no address among {len(addresses)}")
    if not isinstance(authkey, bytes) or not authkey:
        raise ValueError("authkey is a secret of bytes that all ranks have, and not empty")
    links = connect_all(rank, [(host, port) for host, port in addresses], listener, authkey, limit)
    return SocketEngine(rank, len(addresses), links)
