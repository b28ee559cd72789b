"""Forward and backward of a mini-batch in micro-batches, one of every shard: one answer, whoever computes which.

The gradients of the micro-batches, and their losses, are summed in one fixed tree, here and over the processes of a
team. Where a module sees the whole mini-batch, as batch normalisation does, the micro-batches of a process run in
lockstep (:mod:`_lockstep`), else one behind the other. What a layer's backward has finished in the last of them goes on
its way to the other processes while the layers before it still compute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Array, Doubles
from seriatim.distributed import Pending, Team, TreeSum
from seriatim.nn import Module, Parameter
from seriatim.nn.base._parameter import Gradients, runs
from seriatim.nn.base._together import together
from seriatim.nn.layers._batch_norm import _BatchNorm
from seriatim.training._batches import Batch
from seriatim.training._lockstep import Lockstep, Member

# Numbers that are sent at a time: enough that their time is not the wire's latency, few enough that the first go early.
BUCKET = 1 << 18


@dataclass(frozen=True)
class MicroBatches:
    """One mini-batch.

    Attributes
    ----------
    make : callable
        Gives the micro-batch of one of this process's shards.
    sizes : sequence of int
        How many sequences of each shard are in it.
    weight : float
        What the mean of its loss divides by; 0 says that there is nothing to learn from.
    """

    make: Callable[[int], Batch]
    sizes: Sequence[int]
    weight: float

    @property
    def count(self) -> int:
        """Sequences of all shards."""
        return sum(self.sizes)


class MicroSteps:
    """Leaves the gradients of mini-batches in a module's parameters.

    Parameters
    ----------
    module : Module
    criterion : loss of the sum of a micro-batch
    team : Team
    n_shards : int
    """

    def __init__(self, module: Module, criterion: Any, team: Team, n_shards: int) -> None:
        self.module, self.criterion, self.team, self.n_shards = module, criterion, team, n_shards
        self.own = team.own(n_shards)
        self._lockstep = Lockstep(team, n_shards)
        self._layout: _Layout | None = None
        self._once: set[Parameter] | None = None

    def close(self) -> None:
        """Let threads go."""
        self._lockstep.close()

    def run(self, batch: MicroBatches, seconds: float) -> tuple[float, float]:
        """Compute a mini-batch.

        Parameters
        ----------
        batch : MicroBatches
            Of some weight.
        seconds : float
            A number that all processes are to agree on.

        Returns
        -------
        loss : float
            The mean.
        seconds : float
            The greatest of all processes.
        """
        layout = self._laid_out()
        coupled = any(isinstance(module, _BatchNorm) and module.training for module in self.module.modules())
        filled = [shard for shard in self.own if batch.sizes[shard]]
        # Who has nothing in this mini-batch still takes part in what all exchange.
        shards = filled or (list(self.own[:1]) if coupled else [])
        sending = _Sending(layout, self.team, self.n_shards)
        losses: dict[int, AnyArray | None] = {}

        def work(member: Member) -> None:
            place = shards.index(member.shard)
            last = place == len(shards) - 1
            gradients = layout.gradients(place if coupled else 0, sending if last else None, self._once)
            sending.begin(member.shard, gradients)
            losses[member.shard] = np.array([self._one(batch, member.shard, gradients), seconds])
            self._once = gradients.often(self._once)
            sending.complete(member.shard)

        members = [Member(shard, self.n_shards, first=shard == shards[0]) for shard in shards]
        if coupled:
            self._lockstep.run(members, work)
        else:
            for member in members:
                # In a context of its own, which ends with the call wherever Ctrl-C arrives.
                context = copy_context()
                context.run(together.set, member)
                context.run(work, member)
        sending.rest()
        found = self.team.fold(losses, self.n_shards, _sum_and_greatest)
        sending.wait()
        layout.hand_over()
        assert found is not None
        return float(found[0]) / batch.weight, float(found[1])

    def _one(self, batch: MicroBatches, shard: int, gradients: Gradients) -> float:
        """Run one micro-batch forward and backward; gives the sum of its losses."""
        part = batch.make(shard)
        output, context = self.module.trace(part.x)
        loss, of_loss = self.criterion.trace(output, part.target, part.weight)
        gradients.receive(self.module.pullback, context, self.criterion.pullback(of_loss, 1 / batch.weight))
        gradients.fill()
        return float(loss)

    def _laid_out(self) -> _Layout:
        """Return where gradients lie: anew where others are trained than in the last step."""
        trained = [p for p in self.module.parameters() if p.requires_grad]
        if self._layout is None or self._layout.parameters != trained:
            self._layout = _Layout(trained, self.own, self.n_shards)
        return self._layout


def _sum_and_greatest(a: Doubles, b: Doubles) -> Doubles:
    return np.array([a[0] + b[0], max(a[1], b[1])])


class _Layout:
    """Where the gradients of a module's parameters lie behind each other, and the sums of each piece.

    Attributes
    ----------
    parameters : list of Parameter
    buckets : list of (int, int)
        What is sent at a time, the last parameters first: backward comes to them first.
    """

    def __init__(self, parameters: list[Parameter], own: Sequence[int], n_shards: int) -> None:
        self.parameters = parameters
        ends = np.cumsum([p.size for p in parameters], dtype=np.int64).tolist()
        self._places = list(zip([0, *ends], ends, strict=False))
        self.total: Array = np.zeros(ends[-1] if ends else 0, np.float32)
        self._leaves: list[Array] = []
        self.buckets: list[tuple[int, int]] = []
        self.homes: list[set[Parameter]] = []
        high, within = len(self.total), set[Parameter]()
        for p, (low, _) in zip(reversed(parameters), reversed(self._places), strict=True):
            within.add(p)
            if high - low >= BUCKET or low == 0:
                self.buckets.append((low, high))
                self.homes.append(within)
                high, within = low, set()
        self.sums = [TreeSum(n_shards, own[0], own[-1] + 1, high - low) for low, high in self.buckets]

    def gradients(self, number: int, sending: _Sending | None, once: set[Parameter] | None) -> _Watched:
        """Return where the micro-batch with a number writes to."""
        while len(self._leaves) <= number:
            self._leaves.append(np.empty_like(self.total))
        leaf = self._leaves[number]
        views = [leaf[a:b].reshape(p.shape) for p, (a, b) in zip(self.parameters, self._places, strict=True)]
        return _Watched(self.parameters, views, leaf, sending, once)

    def hand_over(self) -> None:
        """Give the parameters what the sum has become."""
        for p in self.parameters:
            p._grad_slot()
        found = runs(self.parameters)
        if len(found) == 1 and len(found[0][2]) == len(self.total):
            found[0][2][...] = self.total
            return
        for p, (a, b) in zip(self.parameters, self._places, strict=True):
            slot, _ = p._grad_slot()
            slot[...] = self.total[a:b].reshape(p.shape)


class _Watched(Gradients):
    """Gradients of one micro-batch, in one array; of the last one, what is complete is sent."""

    __slots__ = ("_counts", "_expected", "_sending", "leaf")

    def __init__(
        self,
        parameters: list[Parameter],
        views: list[Array],
        leaf: Array,
        sending: _Sending | None,
        expected: set[Parameter] | None,
    ) -> None:
        super().__init__(parameters, views)
        self.leaf, self._sending, self._expected = leaf, sending, expected
        self._counts: dict[Parameter, int] = {}

    def slot(self, parameter: Parameter) -> tuple[Array, bool]:
        if self._sending is not None and parameter in self._sending.gone:
            raise RuntimeError(
                f"a parameter of shape {parameter.shape} was given a gradient twice, where all micro-batches before "
                "had one: the module's graph changes from call to call, which a team cannot follow while it computes"
            )
        return super().slot(parameter)

    def written(self, parameters: list[Parameter]) -> None:
        """Count, and send what this was the last missing part of."""
        for p in parameters:
            self._counts[p] = self._counts.get(p, 0) + 1
        if self._sending is not None and self._expected is not None:
            self._sending.early({p for p in self._counts if p in self._expected})

    def often(self, before: set[Parameter] | None) -> set[Parameter]:
        """Return the parameters that a backward writes once, in all micro-batches so far."""
        once = {p for p, count in self._counts.items() if count == 1}
        return once if before is None else once & before


class _Sending:
    """The sums of one mini-batch's gradients on their way, bucket by bucket in one order."""

    def __init__(self, layout: _Layout, team: Team, n_shards: int) -> None:
        self._layout, self._team, self._n_shards = layout, team, n_shards
        self._pending: list[Pending] = []
        self._lock = threading.Lock()
        # Micro-batches whose gradients are not all in the sums yet, in their order.
        self._begun: dict[int, _Watched] = {}
        # Whose gradients are on their way.
        self.gone: set[Parameter] = set()
        for one in layout.sums:
            one.reset()

    def begin(self, shard: int, gradients: _Watched) -> None:
        """Take note of a micro-batch that begins."""
        self._begun[shard] = gradients

    def early(self, complete: set[Parameter]) -> None:
        """Send the next buckets that the last micro-batch has completed; in lockstep the others have, too."""
        if not self._team.overlaps:
            return
        with self._lock:
            while self._left and self._layout.homes[len(self._pending)] <= complete:
                number = len(self._pending)
                self.gone |= self._layout.homes[number]
                for shard, gradients in self._begun.items():
                    self._sum(number, shard, gradients)
                self._start()

    def complete(self, shard: int) -> None:
        """Add what is left of a micro-batch to the sums."""
        gradients = self._begun.pop(shard)
        for number in range(len(self._pending), len(self._layout.buckets)):
            self._sum(number, shard, gradients)

    def rest(self) -> None:
        """Send what has not gone yet."""
        while self._left:
            self._start()

    def wait(self) -> None:
        """Return when all sums are there."""
        for one in self._pending:
            one.wait()

    @property
    def _left(self) -> int:
        return len(self._layout.buckets) - len(self._pending)

    def _sum(self, number: int, shard: int, gradients: _Watched) -> None:
        low, high = self._layout.buckets[number]
        self._layout.sums[number].add(shard, gradients.leaf[low:high])

    def _start(self) -> None:
        number = len(self._pending)
        low, high = self._layout.buckets[number]
        nodes = self._layout.sums[number].nodes()
        self._pending.append(self._team.start_sum(nodes, self._n_shards, self._layout.total[low:high]))
