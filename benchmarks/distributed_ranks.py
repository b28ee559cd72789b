"""The ranks that ``distributed.py`` measures: processes on cores, on one machine or behind emulated network cards.

Each emulated machine is a network namespace with one card; all cards are on one switch. Cards and the switch's ports
send no faster than the rate given (``tc``'s token bucket; it wants root, ``ip`` and ``tc``). How long the way is, the
ranks emulate (``distributed_rank.Late``): ``netem`` is not in every kernel.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_RANK = Path(__file__).with_name("distributed_rank.py")
# Of this process, so that two runs do not meet.
_PREFIX = f"srt{os.getpid()}"
# What goes at once, and what waits in a card: nothing is dropped, for TCP's answer to that is not what is measured.
_BUCKET = "burst 256kb limit 256mb"


def why_not() -> str:
    """Return why no network can be emulated here, nothing where it can."""
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"no {' and no '.join(missing)} (iproute2)"
    if os.geteuid() != 0:
        return "not root"
    try:
        with Network(2, 1.0):
            return ""
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True, text=True)


class Network:
    """Namespaces of some machines on one switch; a context manager.

    Parameters
    ----------
    size : int
        Machines.
    gigabits : float
        A second, of each card, either way.
    """

    def __init__(self, size: int, gigabits: float) -> None:
        self.size, self.gigabits = size, gigabits
        self.names = [f"{_PREFIX}n{number}" for number in range(size)]
        self.hosts = [f"10.77.0.{number + 1}" for number in range(size)]
        self._switch = f"{_PREFIX}sw"

    def __enter__(self) -> Network:
        try:
            _run(f"ip netns add {self._switch}")
            inside = f"ip netns exec {self._switch}"
            _run(f"{inside} ip link add switch type bridge")
            _run(f"{inside} ip link set switch up")
            for number, (name, host) in enumerate(zip(self.names, self.hosts, strict=True)):
                _run(f"ip netns add {name}")
                _run(f"ip -n {name} link add card type veth peer name port{number} netns {self._switch}")
                _run(f"ip -n {name} addr add {host}/24 dev card")
                _run(f"ip -n {name} link set card up")
                _run(f"ip -n {name} link set lo up")
                _run(f"{inside} ip link set port{number} master switch up")
            self.set(self.gigabits)
        except BaseException:
            self.__exit__()
            raise
        return self

    def set(self, gigabits: float) -> None:
        """Change how fast the cards are."""
        self.gigabits = gigabits
        for number, name in enumerate(self.names):
            for where, card in ((name, "card"), (self._switch, f"port{number}")):
                _run(f"tc -n {where} qdisc replace dev {card} root tbf rate {gigabits:g}gbit {_BUCKET}")

    def __exit__(self, *_: object) -> None:
        for name in (*self.names, self._switch):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class Ranks:
    """Processes of a team; a context manager.

    Parameters
    ----------
    size : int
    network : Network, optional
        Where they are; without one, all on the machine's own.
    """

    def __init__(self, size: int, network: Network | None = None) -> None:
        self.size, self.network = size, network
        self.processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Ranks:
        cores = sorted(os.sched_getaffinity(0))
        # When who began to send what.
        self._shared = tempfile.NamedTemporaryFile(prefix=_PREFIX)
        self._shared.truncate(8 * 2 * 64 * self.size)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            for rank in range(self.size):
                where, host = [], "127.0.0.1"
                if self.network is not None:
                    where, host = ["ip", "netns", "exec", self.network.names[rank]], self.network.hosts[rank]
                pinned = ["taskset", "-c", str(cores[rank % len(cores)])]
                self.processes.append(
                    subprocess.Popen(
                        [*where, *pinned, sys.executable, str(_RANK), host],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment,
                    )
                )  # fmt: skip
            addresses = [self._hear(rank) for rank in range(self.size)]
            common = {"addresses": addresses, "key": secrets.token_hex(16), "shared": self._shared.name}
            self._tell("connect", range(self.size), [{"rank": rank} for rank in range(self.size)], **common)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _hear(self, rank: int) -> Any:
        out = self.processes[rank].stdout
        line = out.readline() if out is not None else ""
        if not line:
            raise SystemExit(f"rank {rank} ended with {self.processes[rank].wait()}; see above")
        return json.loads(line)

    def _tell(self, do: str, ranks: range, own: list[dict[str, Any]], **common: Any) -> list[Any]:
        for rank in ranks:
            pipe = self.processes[rank].stdin
            assert pipe is not None
            pipe.write(json.dumps({"do": do, **common, **own[rank]}) + "\n")
            pipe.flush()
        return [self._hear(rank) for rank in ranks]

    def all(self, do: str, **what: Any) -> list[Any]:
        """Let all ranks do something at once; gives what each has found."""
        return self._tell(do, range(self.size), [{}] * self.size, **what)

    def first(self, do: str, **what: Any) -> Any:
        """Let the first rank do something while the others are idle."""
        return self._tell(do, range(1), [{}], **what)[0]

    def be_far(self, gigabits: float, milliseconds: float) -> None:
        """Set the network's rate, and a round trip."""
        if self.network is not None:
            self.network.set(gigabits)
        self.all("be_far", milliseconds=milliseconds, gigabits=gigabits)

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._shared.close()
