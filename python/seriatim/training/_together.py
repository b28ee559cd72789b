"""The loop over epochs where mini-batches run in micro-batches, here or on the processes of a team."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from seriatim._typing import Array
from seriatim.distributed import Team, TeamError, alone
from seriatim.nn import Parameter
from seriatim.training._checkpoint import Checkpoint
from seriatim.training._loop import Training, Validation
from seriatim.training._micro import MicroBatches, MicroSteps
from seriatim.training._patience import Measured, Patience


class TeamCheckpoint:
    """A team's one file, which its first process has: the others are told what is in it.

    Parameters
    ----------
    team : Team
    checkpoint : Checkpoint or None
        None but in the first process.
    every : int
        Epochs from file to file.
    """

    def __init__(self, team: Team, checkpoint: Checkpoint | None, every: int) -> None:
        self.team, self._own, self.every = team, checkpoint, every
        self.drawn: dict[str, Any] = team.broadcast(None if checkpoint is None else checkpoint.drawn)

    @property
    def path(self) -> Any:
        """Where the file is; None but in the first process."""
        return None if self._own is None else self._own.path

    def save(self, state: dict[str, Any]) -> None:
        """Write a state, which is the same in all processes."""
        if self._own is not None:
            self._own.drawn = self.drawn
            self._own.save(state)

    def load(self) -> dict[str, Any] | None:
        """Return what the file says, in every process."""
        found: dict[str, Any] | None = self.team.broadcast(None if self._own is None else self._own.load())
        return found

    def remove(self) -> None:
        """Remove the file."""
        if self._own is not None:
            self._own.remove()


@dataclass
class TeamTraining(Training):
    """One run of the loop over mini-batches that are given as :class:`MicroBatches`.

    What time, a callback or a scorer decides, the first process decides for all, so that none goes on alone; and after
    every epoch all make sure that their weights are the same bits.

    Parameters
    ----------
    criterion : loss of the sum of a micro-batch
    team : Team
    n_shards : int
    """

    team: Team = field(default_factory=alone)
    n_shards: int = 1

    def run(
        self,
        make_batches: Callable[[], Iterable[Any]],
        n_batches: int,
        epochs: int,
        validate: Validation | None = None,
        patience: Patience | None = None,
    ) -> bool:
        """Train, as of :class:`Training`; with others in the team, Ctrl-C in one process ends it in all by an error."""
        self._steps = MicroSteps(self.module, self.criterion, self.team, self.n_shards)
        self._agreed = 0.0
        try:
            return super().run(make_batches, n_batches, epochs, validate, patience)
        finally:
            self._steps.close()

    def _step(self, batch: MicroBatches, parameters: list[list[Parameter]]) -> tuple[float, float]:
        if batch.weight == 0:
            return 0.0, 0.0
        self.optimizer.zero_grad()
        loss, self._agreed = self._steps.run(batch, super()._elapsed())
        self._refuse_diverged(loss)
        for _, dropout in self.module._dropouts():
            dropout.calls += 1
        self._move(parameters)
        return loss, float(batch.count)

    def _elapsed(self) -> float:
        return self._agreed

    def _is_over(self, validate: Validation | None, patience: Patience | None, progress: Any) -> bool:
        self._refuse_apart()

        def agreed() -> Measured:
            # A scorer may draw, or look at a clock.
            found: Measured = self.team.broadcast(None if validate is None else validate())
            return found

        return super()._is_over(None if validate is None else agreed, patience, progress)

    def _are_to_stop(self) -> bool:
        stop: bool = self.team.broadcast(super()._are_to_stop() if self.team.rank == 0 else None)
        return stop

    def _keeps_interrupted(self) -> bool:
        return self.team.size == 1 and super()._keeps_interrupted()

    def _refuse_apart(self) -> None:
        """Raise TeamError unless all processes have the same weights."""
        if self.team.size == 1:
            return
        digest = hashlib.sha256()
        for array in self.module.state_dict().values():
            digest.update(_bytes(array))
        found = self.team.gather(digest.hexdigest())
        if len(set(found)) > 1:
            raise TeamError(
                "the weights of the processes are not the same any more, which must not be: do all run the same "
                f"version of seriatim and of NumPy? ({', '.join(text[:8] for text in found)})"
            )


def _bytes(array: Array) -> bytes:
    return array.tobytes()
