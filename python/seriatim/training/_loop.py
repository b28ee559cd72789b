"""The loop over epochs and mini-batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from seriatim._warnings import warn
from seriatim.nn import Ensemble, Module, Parameter
from seriatim.optim import Optimizer, WeightAverage, clip_grad_norm_
from seriatim.training._checkpoint import Checkpoint, refused
from seriatim.training._interrupt import called_by_hand
from seriatim.training._patience import Measured, Patience
from seriatim.training._progress import Progress
from seriatim.training._verdict import improves, verdict

_logger = logging.getLogger("seriatim")

Validation = Callable[[], Measured]


@dataclass
class Training:
    """One run of the loop.

    Parameters
    ----------
    module, criterion, optimizer
        ``criterion(module(x), target, weight)`` is minimised; ``module`` takes a PackedSequence.
    rng : Generator
        What the mini-batches are drawn with; its state is part of a checkpoint.
    scheduler : object with ``step``, ``state_dict`` and ``load_state_dict``, or None
        Stepped after every mini-batch, or, with ``by_epoch``, after every epoch with what the validation watches, by
        its ``mode`` the higher or the lower the better (with the loss of the training if there is none).
    clip_norm : float or None
        Bound of the gradients' common norm.
    average : WeightAverage or None
        Updated after every step; its weights are validated, and are the module's at the end.
    verbose : int
        0: silent; 1: a progress bar.
    callbacks : sequence of callables
        Each called with the history after every epoch; a true result ends the training.
    history : dict of lists
        One value an epoch and name; added to.
    checkpoint : Checkpoint or None
    max_time : float or None
        Seconds after which training ends, between two mini-batches. The scheduler then is stepped more often, so that
        it is through when the time is.
    judged : bool
        Whether a course of the loss that went wrong is warned of; losses that class weights make go up and down are
        better not judged.
    """

    module: Module
    criterion: Any
    optimizer: Optimizer
    rng: np.random.Generator
    scheduler: Any = None
    by_epoch: bool = False
    clip_norm: float | None = None
    average: WeightAverage | None = None
    verbose: int = 0
    callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] = ()
    history: dict[str, list[float]] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    max_time: float | None = None
    judged: bool = True

    def run(
        self,
        make_batches: Callable[[], Iterable[Any]],
        n_batches: int,
        epochs: int,
        validate: Validation | None = None,
        patience: Patience | None = None,
    ) -> bool:
        """Train; returns False when Ctrl-C ended it. The module is left in evaluation mode.

        A search that called would take a cut training for a whole one: there Ctrl-C raises KeyboardInterrupt.

        Parameters
        ----------
        make_batches : callable
            Gives an epoch's mini-batches.
        n_batches : int
            An epoch.
        epochs : int
        validate : callable, optional
            Says how good the module is; called after every epoch.
        patience : Patience, optional
            Says when to stop, and keeps the best weights.

        Returns
        -------
        bool

        Raises
        ------
        ValueError
            Training has diverged: a loss is not finite.
        """
        interrupted, over = False, False
        self._began, self._all_steps, self._scheduled = time.perf_counter(), epochs * n_batches, 0
        begin = len(self.history.get("loss", []))
        # The gradients of each module of an ensemble are clipped for themselves.
        members = self.module if isinstance(self.module, Ensemble) else [self.module]
        parameters = [list(member.parameters()) for member in members]
        with Progress(self.verbose, epochs, n_batches, self.max_time) as progress:
            first, over = self._resume(patience, progress, n_batches)
            try:
                for number in range(first, epochs + 1):
                    if over:
                        break
                    progress.epoch(number)
                    self._epoch(make_batches(), parameters, progress)
                    over = self._is_over(validate, patience, progress) or self._time_is_up()
                    self._log(number, epochs)
                    self._keep(number, over, patience)
            except KeyboardInterrupt:
                if not self._keeps_interrupted():
                    raise
                interrupted = True
            finally:
                self.module.eval()
            self._end(progress, interrupted, patience, over, epochs)
        if patience is not None and patience.best_state is not None:
            patience.restore()
        elif self.average is not None:
            self.average.copy_to(self.module)
        if self.checkpoint is not None and not interrupted:
            self.checkpoint.remove()
        self._warn(interrupted, patience, over, self.history.get("loss", [])[begin:], epochs)
        return not interrupted

    def _time_is_up(self) -> bool:
        return self.max_time is not None and self._elapsed() >= self.max_time

    def _elapsed(self) -> float:
        """Return the seconds since training began, with those before a checkpoint."""
        return time.perf_counter() - self._began

    def _epoch(self, batches: Iterable[Any], parameters: list[list[Parameter]], progress: Progress) -> None:
        began = time.perf_counter()
        total, weight = 0.0, 0.0
        self.module.train()
        for batch in batches:
            loss, amount = self._step(batch, parameters)
            if amount > 0:
                total, weight = total + loss * amount, weight + amount
            progress.batch()
            if self._time_is_up():
                break
        self._note(loss=total / weight if weight else float("nan"), seconds=time.perf_counter() - began)

    def _step(self, batch: Any, parameters: list[list[Parameter]]) -> tuple[float, float]:
        """One step of the optimiser; gives the loss and the weight it has in the epoch's mean."""
        if batch.weight is not None and not batch.weight.any():
            # Nothing to learn from, and no mean to divide by; nor do running statistics see it.
            return 0.0, 0.0
        self.optimizer.zero_grad()
        output, context = self.module.trace(batch.x)
        loss = float(self.criterion(output, batch.target, batch.weight))
        self._refuse_diverged(loss)
        self.module.pullback(context, self.criterion.backward())
        self._move(parameters)
        return loss, float(len(batch.index))

    @staticmethod
    def _refuse_diverged(loss: float) -> None:
        if not np.isfinite(loss):
            raise ValueError(
                f"training has diverged: the loss of a mini-batch is {loss}. The observations may be too large and "
                "need scaling, or the learning rate is too high."
            )

    def _move(self, parameters: list[list[Parameter]]) -> None:
        """Step optimiser, average and schedule."""
        if self.clip_norm is not None:
            for part in parameters:
                clip_grad_norm_(part, self.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        if self.scheduler is not None and not self.by_epoch:
            self._schedule()

    def _schedule(self) -> None:
        """Step the scheduler, at least as far as the time has gone."""
        wanted = self._scheduled + 1
        if self.max_time is not None:
            gone = self._elapsed() / self.max_time
            wanted = min(max(wanted, int(gone * self._all_steps)), self._all_steps)
        while self._scheduled < wanted:
            self.scheduler.step()
            self._scheduled += 1

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Evaluate with the averaged weights, if there are such."""
        self.module.eval()
        if self.average is None:
            yield
        else:
            with self.average.applied():
                yield

    def _is_over(self, validate: Validation | None, patience: Patience | None, progress: Progress) -> bool:
        shown, over = {"loss": self.history["loss"][-1]}, False
        watched = shown["loss"]
        if validate is not None:
            with self._averaged():
                found = validate()
                self._note_validation(found)
                done = len(self.history["loss"])
                over = patience is not None and patience.exhausted(found.watched, found.loss, done)
            shown |= {"validation": found.score}
            watched = found.loss if found.monitor == "loss" else found.watched
        if self.scheduler is not None and self.by_epoch:
            self.scheduler.step(watched)
        for column in self.history.values():
            self._fill(column, len(self.history["loss"]))
        progress.show(**shown)
        return self._are_to_stop() or over

    def _are_to_stop(self) -> bool:
        """Call what is to be called after an epoch; returns whether one of it ends the training."""
        stop = [bool(callback(self.history)) for callback in self.callbacks]
        return any(stop)

    def _keeps_interrupted(self) -> bool:
        """Return whether Ctrl-C leaves the model as it is, as a person wants it."""
        return called_by_hand()

    def _note(self, **values: float) -> None:
        for name, value in values.items():
            column = self.history.setdefault(name, [])
            if name != "loss":
                self._fill(column, len(self.history["loss"]) - 1)
            column.append(float(value))

    @staticmethod
    def _fill(column: list[float], length: int) -> None:
        """Make columns equally long: a data frame of them has one row an epoch."""
        column += [float("nan")] * (length - len(column))

    def _note_validation(self, found: Measured) -> None:
        own = {} if found.monitor in ("loss", "score") else {f"validation_{found.monitor}": found.watched}
        self._note(validation_loss=found.loss, validation_score=found.score, **own)

    def _log(self, number: int, epochs: int) -> None:
        if _logger.isEnabledFor(logging.INFO):
            last = ", ".join(f"{name} {column[-1]:.4g}" for name, column in self.history.items() if column)
            _logger.info("epoch %d of %d: %s", number, epochs, last)

    # ---- Checkpoints

    def _keep(self, number: int, over: bool, patience: Patience | None) -> None:
        if self.checkpoint is None or (number % self.checkpoint.every and not over):
            return
        self.checkpoint.save(
            {
                "epoch": number,
                "over": over,
                "module": self.module.state_dict(),
                "dropout": {name: [m.seed, m.calls] for name, m in self.module._dropouts()},
                "optimizer": self.optimizer.state_dict(),
                "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "patience": None if patience is None else patience.state_dict(),
                "rng": self.rng.bit_generator.state,
                "history": self.history,
                "scheduled": self._scheduled,
                "elapsed": self._elapsed(),
            }
        )

    def _resume(self, patience: Patience | None, progress: Progress, n_batches: int) -> tuple[int, bool]:
        """Take the state of the last checkpoint, if there is one; returns the next epoch, and whether all is over."""
        checkpoint = self.checkpoint
        state = None if checkpoint is None else checkpoint.load()
        if checkpoint is None or state is None:
            return 1, False
        try:
            return self._take_up(state, patience, progress, n_batches)
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"{refused(checkpoint.path)} ({error!r})") from error

    def _take_up(
        self, state: dict[str, Any], patience: Patience | None, progress: Progress, n_batches: int
    ) -> tuple[int, bool]:
        self.module.load_state_dict(state["module"])
        for name, module in self.module._dropouts():
            module.seed, module.calls = state["dropout"][name]
        self.optimizer.load_state_dict(state["optimizer"])
        for part, name in ((self.scheduler, "scheduler"), (self.average, "average"), (patience, "patience")):
            if part is not None:
                part.load_state_dict(state[name])
        self.rng.bit_generator.state = state["rng"]
        self.history.clear()
        self.history.update(state["history"])
        self._scheduled = state["scheduled"]
        self._began -= state["elapsed"]
        for _ in range(state["epoch"] * n_batches):
            progress.batch()
        _logger.info(
            "training goes on after epoch %d, from %s", state["epoch"], self.checkpoint and self.checkpoint.path
        )
        return state["epoch"] + 1, state["over"]

    # ---- The end

    def _end(self, progress: Progress, interrupted: bool, patience: Patience | None, over: bool, epochs: int) -> None:
        """Let the bar say how it went."""
        done = len(self.history.get("loss", []))
        best = "" if patience is None or patience.best_epoch is None else f", best {patience.best_epoch}"
        if interrupted:
            progress.end(f"interrupted after {_epochs(done)}{best}", "warning")
        elif self._time_is_up():
            progress.end(f"time is up at {done}{best}")
        else:
            progress.end(f"stopped at {done}{best}" if over else f"{_epochs(epochs)}{best}")

    def _warn(self, interrupted: bool, patience: Patience | None, over: bool, losses: list[float], epochs: int) -> None:
        done = len(self.history.get("loss", []))
        text, kind = None, ConvergenceWarning
        if interrupted:
            text = f"training was interrupted after {done} whole epochs; the model is usable as it is"
            kind = RuntimeWarning
        elif self._time_is_up() and len(losses) < epochs:
            text = (
                f"max_time: training ended after {self.max_time} s, in epoch {len(losses)} of {epochs}; the model has "
                + ("the weights of the best epoch" if patience is not None else "the weights of then")
            )
        elif patience is not None:
            if not over and patience.waited == 0 and improves(self.history["validation_loss"]):
                text = (
                    f"training reached its last epoch ({done}) while the validation score was still improving; "
                    "a larger max_epochs may give a better model"
                )
        elif self.judged and not over:
            text = verdict(losses)
        if text is not None:
            warn(text, kind)


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
