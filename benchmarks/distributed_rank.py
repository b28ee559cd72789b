"""One rank of ``distributed.py``: a process that does what it is told, a line of JSON in, a line out.

Its team is of sockets, and its core and network namespace are those in which it was started.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import seriatim
from seriatim import nn
from seriatim._typing import AnyArray
from seriatim.distributed import Call, Came, Pending, SocketEngine, Team, TreeSum, alone, connect, listen
from seriatim.models._policy import DIMS
from seriatim.optim import Adam, clip_grad_norm_
from seriatim.sequences import Sequences
from seriatim.training import Batch, bucketed_by_shard, collate
from seriatim.training._micro import MicroBatches, MicroSteps

# The paper's network, and the estimator's own; "tiny" is for tests.
NETWORKS = {"paper": {}, "default": DIMS, "tiny": dict.fromkeys(("gru1", "gru2", "gru3", "fc"), 8)}
FEATURES, CLASSES = 13, 10
PARTS = ("folds", "sums", "waits")


class Late:
    """An engine whose messages arrive late: every exchange returns when they would have come over a long way.

    When a rank has begun to send, it writes into memory that all ranks of this machine see. ``seconds`` is of one way;
    ``gigabits``, of a card, says how long the last byte leaves behind the first. What TCP makes of a long way (windows
    that open slowly behind a pause) is not in it.
    """

    def __init__(self, engine: SocketEngine, began: AnyArray) -> None:
        self._engine, self._began = engine, began
        self.rank, self.size, self.parallel = engine.rank, engine.size, True
        self.seconds, self.gigabits = 0.0, np.inf
        self.fail, self.close = engine.fail, engine.close

    def exchange(
        self, call: Call, outgoing: dict[int, AnyArray], incoming: dict[int, AnyArray], channel: int, limit: float
    ) -> dict[int, Came]:
        place = (channel, call.sequence % self._began.shape[1])
        self._began[place][self.rank] = time.monotonic()
        came = self._engine.exchange(call, outgoing, incoming, channel, limit)
        if self.seconds:
            n_bytes = sum(one.n_bytes for one in came.values())
            due = max(self._began[place][rank] for rank in came) + n_bytes * 8e-9 / self.gigabits + self.seconds
            time.sleep(max(0.0, due - time.monotonic()))
        return came


class TimedTeam(Team):
    """A team that says how long its calls took: `spent` is seconds by kind of call.

    ``folds`` and ``waits`` are the calling thread's; ``sums`` are of whichever thread exchanges.
    """

    spent = dict.fromkeys(PARTS, 0.0)

    def _timed(self, kind: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = call()
        self.spent[kind] += time.perf_counter() - began
        return result

    def fold(self, *arguments: Any, **more: Any) -> Any:
        return self._timed("folds", partial(super().fold, *arguments, **more))

    def sum_arrays(self, *arguments: Any, **more: Any) -> None:
        self._timed("sums", partial(super().sum_arrays, *arguments, **more))

    def start_sum(self, *arguments: Any, **more: Any) -> Pending:
        pending = super().start_sum(*arguments, **more)
        if self.overlaps:
            pending.wait = partial(self._timed, "waits", pending.wait)  # type: ignore[method-assign]
        return pending


class Job:
    """A network and its mini-batches, trained in micro-batches by a team, or whole where there are no shards."""

    def __init__(self, network: str, batch: int, n_batches: int, shards: int, team: Team) -> None:
        rng = np.random.default_rng(0)
        lengths = rng.integers(20, 60, batch * n_batches)
        self.module = nn.DeepGRU(FEATURES, CLASSES, NETWORKS[network], rng=0).train()
        self.parameters = list(self.module.parameters())
        self.optimizer = Adam(self.parameters, lr=1e-4)
        self.steps = MicroSteps(self.module, nn.NLLLoss(reduction="sum"), team, max(shards, 1))
        self.plain = nn.NLLLoss() if shards == 0 else None
        bounds = [number * len(lengths) // max(shards, 1) for number in range(max(shards, 1) + 1)]
        self.data = []
        for first, end in pairwise(bounds):
            rows = int(lengths[first:end].sum())
            X = rng.normal(size=(rows, FEATURES)).astype(np.float32)
            self.data.append((Sequences(X, lengths[first:end]), rng.integers(0, CLASSES, end - first)))
        parts = bucketed_by_shard([sequences.lengths for sequences, _ in self.data], batch, rng)
        self.batches = sorted(parts, key=lambda part: sum(map(len, part)))[-n_batches:]

    @property
    def size(self) -> int:
        return sum(p.size for p in self.parameters)

    def _make(self, parts: Sequence[Any], shard: int) -> Batch:
        sequences, target = self.data[shard]
        x, order = collate(sequences, parts[shard])
        return Batch(x, order, target[order])

    def step(self, parts: Sequence[Any]) -> None:
        """Train on one mini-batch, as ``fit`` does."""
        self.optimizer.zero_grad()
        if self.plain is not None:
            batch = self._make(parts, 0)
            self.plain(self.module(batch.x), batch.target)
            self.module.backward(self.plain.backward())
        else:
            sizes = [len(part) for part in parts]
            self.steps.run(MicroBatches(partial(self._make, parts), sizes, float(sum(sizes))), 0.0)
        self.move()

    def move(self) -> None:
        """Clip and step."""
        clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()


class Rank:
    """What the commands do."""

    def __init__(self, host: str) -> None:
        self.listener, self.address = listen(host)
        self.team: TimedTeam | None = None
        self.engine: Any = None
        self.jobs: dict[tuple[Any, ...], Job] = {}

    def connect(self, rank: int, addresses: list[list[Any]], key: str, shared: str) -> None:
        engine = connect(rank, [(host, port) for host, port in addresses], self.listener, bytes.fromhex(key))
        self.engine = Late(engine, np.memmap(shared, np.float64, "r+", shape=(2, 64, len(addresses))))
        self.team = TimedTeam(self.engine, timeout=60)

    def be_far(self, milliseconds: float, gigabits: float) -> None:
        """Let messages be late by half of a round trip."""
        self.engine.seconds, self.engine.gigabits = milliseconds / 2e3, gigabits

    def steps(
        self, network: str, batch: int, n_batches: int, shards: int, who: str, overlap: bool = True
    ) -> dict[str, Any]:
        """Return when the first step began, when each ended, and what the team's calls took in each."""
        key = (network, batch, n_batches, shards, who)
        if key not in self.jobs:
            self.jobs[key] = Job(network, batch, n_batches, shards, self._team if who == "team" else alone())
            self.jobs[key].step(self.jobs[key].batches[0])
        job, ends, parts = self.jobs[key], [], []
        team = self._team
        self.engine.parallel = overlap
        if who == "team":
            team.barrier()
        began = time.monotonic()
        for some in job.batches:
            team.spent, worked = dict.fromkeys(PARTS, 0.0), time.process_time()
            job.step(some)
            ends.append(time.monotonic())
            parts.append({**team.spent, "cpu": time.process_time() - worked})
        return {"began": [began, *ends[:-1]], "ended": ends, "parts": parts, "size": job.size}

    def move(self, network: str, count: int) -> dict[str, Any]:
        """Return when the optimiser's steps began and ended."""
        job = Job(network, 8, 1, 0, alone())
        job.step(job.batches[0])
        return {**_timed([job.move] * count), "size": job.size}

    def sums(self, size: int, shards: int, count: int) -> dict[str, Any]:
        """Return when sums of arrays began and ended; each rank has summed its own shards before."""
        own, team = self._team.own(shards), self._team
        sums = TreeSum(shards, own.start, own.stop, size)
        one, out = np.ones(size, np.float32), np.empty(size, np.float32)
        for shard in own:
            sums.add(shard, one)
        found = _timed([partial(team.sum_arrays, sums.nodes(), shards, out)] * (count + 1), team.barrier)
        if not (out == shards).all():
            raise AssertionError("the sum is wrong")
        return {name: values[1:] for name, values in found.items()}

    def folds(self, shards: int, numbers: int, count: int) -> dict[str, Any]:
        """Return when folds of what batch normalisation tells began and ended."""
        leaves = {shard: np.ones((3, numbers)) for shard in self._team.own(shards)}
        found = _timed([partial(self._team.fold, leaves, shards, np.add)] * (count + 5), self._team.barrier)
        return {name: values[5:] for name, values in found.items()}

    @property
    def _team(self) -> TimedTeam:
        assert self.team is not None
        return self.team


def _timed(calls: Sequence[Callable[[], Any]], before: Callable[[], Any] | None = None) -> dict[str, Any]:
    found: dict[str, list[float]] = {"began": [], "ended": [], "cpu": []}
    for call in calls:
        if before is not None:
            before()
        worked = time.process_time()
        found["began"].append(time.monotonic())
        call()
        found["ended"].append(time.monotonic())
        found["cpu"].append(time.process_time() - worked)
    return found


def _commands() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    seriatim.set_num_threads(1)
    # Sleeps end when they are to and not 50 us later (PR_SET_TIMERSLACK, in ns).
    ctypes.CDLL(None).prctl(29, 1)
    rank = Rank(sys.argv[1])
    print(json.dumps(rank.address), flush=True)
    for command in _commands():
        name = command.pop("do")
        print(json.dumps(getattr(rank, name)(**command)), flush=True)
    if rank.team is not None:
        rank.team.close()


if __name__ == "__main__":
    main()
