"""TCP connections between all ranks, each side of which has shown that it knows the team's key."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

from seriatim.distributed._engine import SLICE, TeamError

Address = tuple[str, int]

# Connections of each pair: exchanges of channels 0 and 1, and news of failures.
NEWS = 2
_KINDS = 3
_HELLO = struct.Struct("<8sIII")
_MAGIC = b"seriatim"
# How long a stranger at the door may hold up the ranks behind it, in seconds.
_STRANGER = 5.0


def listen(host: str = "127.0.0.1") -> tuple[socket.socket, Address]:
    """Open the door by which the other ranks come, at a free port.

    Parameters
    ----------
    host : str, default "127.0.0.1"
        The name or number under which the other ranks reach this machine.

    Returns
    -------
    listener : socket.socket
        For :func:`connect`, which closes it.
    address : tuple of str and int
        The host as given, and the port.
    """
    family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server((host, 0), family=family, backlog=1024)
    return listener, (host, listener.getsockname()[1])


def connect_all(
    rank: int, addresses: Sequence[Address], listener: socket.socket, authkey: bytes, limit: float
) -> list[dict[int, socket.socket]]:
    """Return the connections to all other ranks, by kind and rank; the listener is closed."""
    links: list[dict[int, socket.socket]] = [{} for _ in range(_KINDS)]
    deadline = time.monotonic() + limit
    size = len(addresses)
    try:
        with listener:
            # Ranks below are called, those above call: the first only answers, so that every call is answered.
            for other in range(rank):
                for kind in range(_KINDS):
                    links[kind][other] = _call(rank, size, other, kind, addresses[other], authkey, deadline)
            while any(len(some) < size - 1 for some in links):
                _answer(rank, size, listener, links, authkey, deadline, limit)
    except BaseException:
        for some in links:
            for link in some.values():
                link.close()
        raise
    for some in links:
        for link in some.values():
            link.setblocking(False)
    return links


def _call(
    rank: int, size: int, other: int, kind: int, address: Address, authkey: bytes, deadline: float
) -> socket.socket:
    link = None
    try:
        link = socket.create_connection(address, timeout=max(deadline - time.monotonic(), 0.01))
        _patient(link, max(deadline - time.monotonic(), 0.01))
        with _as_connection(link) as connection:
            answer_challenge(connection, authkey)
            deliver_challenge(connection, authkey)
            connection.send_bytes(_HELLO.pack(_MAGIC, rank, size, kind))
            if connection.recv_bytes(_HELLO.size) != _HELLO.pack(_MAGIC, other, size, kind):
                raise TeamError(f"who answers at {address} is not rank {other} of {size}")
        return link
    except (OSError, EOFError, AuthenticationError) as error:
        if link is not None:
            link.close()
        why = "it has another authkey" if isinstance(error, AuthenticationError) else f"{error or 'it hung up'}"
        raise TeamError(f"rank {rank} cannot reach rank {other} at {address[0]}:{address[1]}: {why}") from error


def _answer(
    rank: int,
    size: int,
    listener: socket.socket,
    links: list[dict[int, socket.socket]],
    authkey: bytes,
    deadline: float,
    limit: float,
) -> None:
    """Let one in who calls; a stranger, and who hangs up, is sent away."""
    left = deadline - time.monotonic()
    if left <= 0:
        missing = [other for other in range(rank + 1, size) if any(other not in some for some in links)]
        raise TeamError.late(missing, limit, "connect")
    listener.settimeout(min(left, SLICE))
    try:
        link, _ = listener.accept()
    except TimeoutError:
        return
    try:
        _patient(link, min(left, _STRANGER))
        with _as_connection(link) as connection:
            deliver_challenge(connection, authkey)
            answer_challenge(connection, authkey)
            magic, other, others, kind = _HELLO.unpack(connection.recv_bytes(_HELLO.size))
            if magic != _MAGIC or others != size or not rank < other < size or other in links[kind]:
                raise TeamError(f"a rank {other} of {others} called rank {rank} of {size}")
            connection.send_bytes(_HELLO.pack(_MAGIC, rank, size, kind))
        links[kind][other] = link
    except (OSError, EOFError, AuthenticationError, struct.error):
        link.close()
    except BaseException:
        link.close()
        raise


def _patient(link: socket.socket, seconds: float) -> None:
    """Bound each wait of the plain reads and writes of a handshake, and let none of them be put off."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.settimeout(None)
    for way in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        link.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6) + 1))


def _as_connection(link: socket.socket) -> Connection:
    """Return the socket as what the standard library shakes hands by; it has a descriptor of its own."""
    return Connection(os.dup(link.fileno()))
