"""The training loop, once: mini-batches of similar length, steps, progress, early stopping, Ctrl-C.

It knows modules, losses and optimisers; what the labels mean is the estimators' business.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._typing import AnyArray, Array, Integers
from seriatim.nn import Module, NLLLoss
from seriatim.optim import CosineAnnealingLR, Optimizer, clip_grad_norm_
from seriatim.sequences import PackedSequence, Sequences
from seriatim.sequences._packed import descending

# Sequences are sorted by length within pools of so many mini-batches: neighbours differ little, yet no epoch repeats
# another's batches.
POOL = 16


@dataclass(frozen=True)
class Batch:
    """Some sequences, packed, with their labels and weights in packed order."""

    x: PackedSequence
    index: Integers
    target: Integers | None = None
    weight: Array | None = None


def collate(sequences: Sequences, index: Integers) -> tuple[PackedSequence, Integers]:
    """Pack the sequences ``index``; the second result is their order in the batch."""
    order = index[descending(sequences.lengths[index])]
    observations = sequences.X.reshape(len(sequences.X), -1)
    data, sizes = F.collate_concatenated(observations, sequences.starts[order], sequences.lengths[order], "packed")
    return PackedSequence(data.reshape(-1, *sequences.X.shape[1:]), sizes), order


def bucketed(lengths: Integers, batch_size: int, rng: np.random.Generator) -> list[Integers]:
    """Cut shuffled indices into mini-batches of similar length, in shuffled order.

    No batch has a single sequence unless there is only one: batch normalisation cannot train on it.
    """
    shuffled = rng.permutation(len(lengths))
    batches: list[Integers] = []
    pool = POOL * batch_size
    for first in range(0, len(shuffled), pool):
        part = shuffled[first : first + pool]
        part = part[descending(lengths[part])]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] = np.concatenate([batches[-1], last])
    return [batches[i] for i in rng.permutation(len(batches))]


def by_length(lengths: Integers, batch_size: int) -> Iterator[Integers]:
    """Cut all indices into batches of similar length, the longest first: the order of prediction."""
    order = descending(lengths)
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]


@dataclass
class Progress:
    """A progress bar over all mini-batches; silent unless ``verbose``."""

    verbose: int
    epochs: int
    batches: int
    bar: Any = field(default=None, init=False)

    def __enter__(self) -> Progress:
        if self.verbose > 0:
            with warnings.catch_warnings():
                # In notebooks without widgets tqdm.auto warns and falls back to text: that is what we want.
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm
            self.bar = tqdm(total=self.epochs * self.batches, unit="batch", dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def epoch(self, number: int) -> None:
        """Show which epoch has begun."""
        if self.bar is not None:
            self.bar.set_description(f"epoch {number}/{self.epochs}")

    def batch(self) -> None:
        """Count a mini-batch."""
        if self.bar is not None:
            self.bar.update()

    def show(self, **values: float) -> None:
        """Show figures of the last epoch."""
        if self.bar is not None:
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()}, refresh=True)


class Patience:
    """Keeps the best weights, and says when ``n_iter_no_change`` epochs brought nothing better."""

    def __init__(self, module: Module, n_iter_no_change: int, tol: float) -> None:
        self.module, self.limit, self.tol = module, n_iter_no_change, tol
        self.best = -np.inf
        self.best_state: dict[str, AnyArray] | None = None
        self.waited = 0

    def exhausted(self, score: float) -> bool:
        """Take an epoch's validation score, the higher the better."""
        if score > self.best + self.tol or self.best_state is None:
            self.best, self.best_state, self.waited = score, self.module.state_dict(), 0
        else:
            self.waited += 1
        return self.waited >= self.limit

    def restore(self) -> None:
        """Put the best weights back."""
        if self.best_state is not None:
            self.module.load_state_dict(self.best_state)


@dataclass
class Training:
    """One run of the loop.

    Parameters
    ----------
    module, criterion, optimizer
        ``module(x)`` gives log-probabilities for a PackedSequence.
    scheduler : CosineAnnealingLR or None
        Stepped after every mini-batch.
    clip_norm : float or None
        Bound of the gradients' common norm.
    verbose : int
        0: silent; 1: a progress bar.
    callbacks : sequence of callables
        Each called with the history after every epoch; a true result ends the training.
    """

    module: Module
    criterion: NLLLoss
    optimizer: Optimizer
    scheduler: CosineAnnealingLR | None = None
    clip_norm: float | None = None
    verbose: int = 0
    callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] = ()
    history: dict[str, list[float]] = field(default_factory=dict)

    def run(
        self,
        make_batches: Callable[[], Iterable[Batch]],
        n_batches: int,
        epochs: int,
        validate: Callable[[], tuple[float, float]] | None = None,
        patience: Patience | None = None,
    ) -> bool:
        """Train; returns False when Ctrl-C ended it. The module is left in evaluation mode."""
        interrupted = False
        with Progress(self.verbose, epochs, n_batches) as progress:
            try:
                for number in range(1, epochs + 1):
                    progress.epoch(number)
                    self._epoch(make_batches(), progress)
                    if self._is_over(validate, patience, progress):
                        break
            except KeyboardInterrupt:
                interrupted = True
            finally:
                self.module.eval()
        if patience is not None:
            patience.restore()
        if interrupted:
            done = len(self.history.get("loss", []))
            warnings.warn(
                f"training was interrupted after {done} whole epochs; the model is usable as it is",
                RuntimeWarning,
                stacklevel=3,
            )
        return not interrupted

    def _epoch(self, batches: Iterable[Batch], progress: Progress) -> None:
        began = time.perf_counter()
        total, weight = 0.0, 0.0
        self.module.train()
        for batch in batches:
            loss, amount = self._step(batch)
            if amount > 0:
                total, weight = total + loss * amount, weight + amount
            progress.batch()
        self._note(loss=total / weight if weight else float("nan"), seconds=time.perf_counter() - began)

    def _step(self, batch: Batch) -> tuple[float, float]:
        """One step of the optimiser; gives the loss and the weight it has in the epoch's mean."""
        self.optimizer.zero_grad()
        loss = float(self.criterion(self.module(batch.x), batch.target, batch.weight))  # type: ignore[arg-type]
        if batch.weight is not None and not batch.weight.any():
            # Nothing to learn from, and no mean to divide by.
            self.module.train()
            return 0.0, 0.0
        if not np.isfinite(loss):
            raise ValueError(
                f"training has diverged: the loss of a mini-batch is {loss}. The observations may be too large and "
                "need scaling, or the learning rate is too high."
            )
        self.module.backward(self.criterion.backward())
        if self.clip_norm is not None:
            clip_grad_norm_(self.module.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return loss, float(len(batch.index))

    def _is_over(
        self, validate: Callable[[], tuple[float, float]] | None, patience: Patience | None, progress: Progress
    ) -> bool:
        shown, over = {"loss": self.history["loss"][-1]}, False
        if validate is not None:
            self.module.eval()
            loss, score = validate()
            self._note(validation_loss=loss, validation_score=score)
            shown |= {"validation": score}
            over = patience is not None and patience.exhausted(score)
        progress.show(**shown)
        stop = [bool(callback(self.history)) for callback in self.callbacks]
        return over or any(stop)

    def _note(self, **values: float) -> None:
        for name, value in values.items():
            self.history.setdefault(name, []).append(float(value))
