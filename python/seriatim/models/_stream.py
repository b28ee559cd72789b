"""Fitted estimators over sequences whose frames are still arriving."""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from seriatim._arrays import as_numbers
from seriatim._sklearn import answers
from seriatim._typing import AnyArray, Array
from seriatim.models._prediction import members
from seriatim.models._preparation import as_float32
from seriatim.nn.base import _init
from seriatim.nn.base._stream import hold, read_mask
from seriatim.nn.containers._ensemble import average
from seriatim.preprocessing._spans import Arriving, span, transformed
from seriatim.sequences import Sequences


class EstimatorStream:
    """Sequences whose frames arrive one by one, and what an estimator says of each so far.

    Made by ``estimator.stream(n_streams)``. It keeps the estimator's network as it was then.

    Parameters
    ----------
    estimator : SequenceEstimator
        Fitted.
    n_streams : int
        Sequences that run side by side, each at its own place.
    **options
        Of the network's own ``stream``: of DeepGRU ``window``.

    Attributes
    ----------
    n_streams : int
    delay : int
        Frames that must follow a frame before it is heard: the sum of what ``Filter`` and ``Deltas`` look
        ahead. What is put out behind frame t is of the frames up to ``t - delay``.

    Notes
    -----
    Outputs are ``(n_streams, n_classes)`` class probabilities, of a regressor ``(n_streams,)`` or ``(n_streams,
    n_outputs)`` numbers, in the estimator's own types. Of one stream, a frame without the first axis gives one without.
    While a stream is shorter than ``delay`` they are NaN.
    """

    def __init__(self, estimator: Any, n_streams: int, **options: Any) -> None:
        _init.positive(n_streams=n_streams)
        self.n_streams = int(n_streams)
        self._answer, self._meant = estimator._answer, estimator._meant
        self._log_probs = hasattr(estimator, "predict_proba")
        self._parts: list[Any] = []
        for step in estimator._transformers():
            if isinstance(step, Pipeline):
                self._parts += [part for _, part in step.steps if part is not None and part != "passthrough"]
            elif step is not None:
                self._parts.append(step)
        spans = [span(part) for part in self._parts]
        self._back, self.delay = sum(back for back, _ in spans), sum(ahead for _, ahead in spans)
        self._shape = tuple(estimator._frame_shape or (estimator.n_features_in_,))
        self._networks = [member.stream(self.n_streams, **options) for member in members(estimator.module_)]
        self._outputs = estimator._targets().n_outputs
        self._arriving = [self._begin() for _ in range(self.n_streams)]
        # What the networks said of each stream last, and whose end has come.
        self._last = np.full((self.n_streams, self._outputs), np.nan, np.float32)
        self._ended = np.zeros(self.n_streams, bool)
        self._names = getattr(estimator, "feature_names_in_", None)
        self._lock = threading.Lock()

    def _begin(self) -> Arriving:
        return Arriving(self._parts, self._back, self.delay)

    # ---- Frames in, answers out

    def step(self, x_t: Any) -> Any:
        """Run one frame of every stream.

        Parameters
        ----------
        x_t : array_like, shape (n_streams, n_features)
            Of one stream also ``(n_features,)``.

        Returns
        -------
        ndarray, shape (n_streams, ...)
            What is said behind this frame; of one frame without the first axis without it.

        Raises
        ------
        ValueError
            Another shape, numbers that are not finite, or a stream that has ended. Nothing has changed.
        """
        x = self._read("x_t", x_t)
        single = self.n_streams == 1 and x.shape == self._shape
        if not single and x.shape != (self.n_streams, *self._shape):
            raise ValueError(f"x_t: expected shape {(self.n_streams, *self._shape)}, got {x.shape}")
        with hold(self._lock):
            rows = self._rows(x[None, None] if single else x[None])
        return self._said(rows[0, 0] if single else rows[0])

    def push(self, frames: Any) -> Any:
        """Run several frames of every stream.

        Parameters
        ----------
        frames : array_like, shape (T, n_streams, n_features), or a list of n_streams arrays (T_b, n_features)
            An array: as many of every stream; of one stream also ``(T, n_features)``. A list: of each stream its own,
            which may be none.

        Returns
        -------
        ndarray, shape (T, n_streams, ...), or list of ndarrays (T_b, ...)
            What is said behind every frame, in the form of the input.

        Raises
        ------
        ValueError
            As of :meth:`step`.
        """
        if isinstance(frames, (list, tuple)):
            if len(frames) != self.n_streams:
                raise ValueError(f"frames: expected a list of {self.n_streams} arrays, one a stream, got {len(frames)}")
            given = [self._read(f"frames[{index}]", one) for index, one in enumerate(frames)]
            for index, one in enumerate(given):
                if one.shape[1:] != self._shape:
                    raise ValueError(f"frames[{index}]: expected shape ({self._wanted('T')}), got {one.shape}")
            with hold(self._lock):
                outputs = self._rows_of_each(given)
            return [self._said(rows) for rows in outputs]
        x = self._read("frames", frames)
        if self.n_streams == 1 and x.shape[1:] == self._shape:
            with hold(self._lock):
                rows = self._rows(x[:, None])[:, 0]
            return self._said(rows)
        if x.shape[1:] != (self.n_streams, *self._shape):
            raise ValueError(
                f"frames: expected shape ({self._wanted('T', self.n_streams)}), or a list of {self.n_streams} arrays, "
                f"got {x.shape}"
            )
        with hold(self._lock):
            rows = self._rows(x)
        return self._said(rows)

    def _read(self, name: str, values: Any) -> AnyArray:
        """Return frames as numbers; refuses columns that have not the names of ``fit``, in its order."""
        if self._names is not None:
            wanted = list(self._names)
            given = getattr(
                values, "columns", getattr(values, "index", None) if getattr(values, "ndim", 0) == 1 else None
            )
            names = [] if given is None or callable(given) else list(given)
            if names != wanted and names and all(isinstance(one, str) for one in names):
                raise ValueError(
                    f"{name}: expected the columns {wanted}, in the order of fit, got {names}: give {name}[{wanted}]"
                )
        return _numbers(name, values)

    def _wanted(self, *axes: Any) -> str:
        return ", ".join(map(str, (*axes, *self._shape)))

    def finish(self, mask: Any = None) -> Any:
        """Say that sequences have ended: run the ``delay`` frames that are still waited with.

        Parameters
        ----------
        mask : array_like of bool, shape (n_streams,), optional
            Which; all by default. They take no more frames until they are reset.

        Returns
        -------
        ndarray, shape (n_streams, ...)
            What is said of each stream behind the last frame it was given; NaN of those without any.
        """
        meant = read_mask(mask, self.n_streams) & ~self._ended
        none = np.zeros((0, *self._shape), np.float32)
        with hold(self._lock):
            self._rows_of_each([none] * self.n_streams, ends=meant)
            self._ended |= meant
            last = self._last.copy()
        return self._said(last)

    def reset(self, mask: Any = None) -> None:
        """Begin anew: all streams, or those where ``mask (n_streams,)`` is True."""
        meant = read_mask(mask, self.n_streams)
        with hold(self._lock):
            for network in self._networks:
                network.reset(meant)
            for index in np.flatnonzero(meant):
                self._arriving[index] = self._begin()
            self._last[meant] = np.nan
            self._ended[meant] = False

    # ---- What is kept

    @property
    def state(self) -> dict[str, Any]:
        """What streams keep between frames, a dict of plain values and arrays of their own.

        May be set to what another stream of the same estimator gave.
        """
        with hold(self._lock):
            return {
                "networks": [network.state for network in self._networks],
                "arriving": [(copy.copy(one.kept), one.first, one.given) for one in self._arriving],
                "last": self._last.copy(),
                "ended": self._ended.copy(),
            }

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        wanted = {"networks", "arriving", "last", "ended"}
        lists = ("networks", "arriving")
        if (
            not isinstance(state, Mapping)
            or set(state) != wanted
            or not all([isinstance(state[name], (list, tuple)) for name in lists])
        ):
            raise ValueError(f"state: expected a dict of {sorted(wanted)}, as `stream.state` gives")
        last, ended, networks = np.array(state["last"], np.float32), np.array(state["ended"]), list(state["networks"])
        counts = len(networks), len(state["arriving"]), last.shape, ended.shape
        fitting = len(self._networks), self.n_streams, self._last.shape, self._ended.shape
        if counts != fitting:
            raise ValueError(f"state: expected that of {self.n_streams} streams of this estimator, got another's")
        if ended.dtype != bool:
            raise ValueError(f"state['ended']: expected an array of bool, got {ended.dtype}")
        waiting = [self._read_arriving(f"state['arriving'][{i}]", one) for i, one in enumerate(state["arriving"])]
        with hold(self._lock):
            before = [network.state for network in self._networks]
            try:
                for network, one in zip(self._networks, networks, strict=True):
                    network.state = one
            except BaseException:
                for network, one in zip(self._networks, before, strict=True):
                    network.state = one
                raise
            for arriving, (kept, first, given) in zip(self._arriving, waiting, strict=True):
                arriving.kept, arriving.first, arriving.given = kept, first, given
            self._last[...], self._ended[...] = last, ended

    def _read_arriving(self, name: str, given: Any) -> tuple[AnyArray | None, int, int]:
        """Return what a state says of frames that are waited with, in memory of its own."""
        kept, first, done = given if isinstance(given, (tuple, list)) and len(given) == 3 else (None, -1, -1)
        rows = None if kept is None else _numbers(name, kept).copy()
        numbers = [operator.index(one) if hasattr(type(one), "__index__") else -1 for one in (first, done)]
        end = numbers[0] + (0 if rows is None else len(rows))
        if (rows is not None and rows.shape[1:] != self._shape) or not 0 <= numbers[0] <= numbers[1] <= end:
            raise ValueError(
                f"{name}: expected (frames ({self._wanted('T')}) or None, their first place, the number that has "
                "gone through), as `stream.state` gives"
            )
        return rows, numbers[0], numbers[1]

    # ---- Inside

    def _refuse_ended(self, index: int) -> None:
        raise ValueError(f"frames: stream {index} has ended: reset it before it takes frames of a new sequence")

    def _said(self, rows: Array) -> Any:
        """Return what is said of rows ``(..., n_outputs)`` of what the networks gave."""
        answers = self._answer(rows.reshape(-1, rows.shape[-1]))
        if isinstance(answers, list):
            return [one.reshape((*rows.shape[:-1], *one.shape[1:])) for one in answers]
        return answers.reshape((*rows.shape[:-1], *answers.shape[1:]))

    def _networks_say(self, x: Any) -> Any:
        """Return what the networks mean behind frames, in the forms of a stream's ``push``; of several the mean."""
        if len(self._networks) == 1:
            return self._meaning(self._networks[0].push(x))
        before = [network.state for network in self._networks]
        try:
            found = [self._meaning(network.push(x)) for network in self._networks]
        except BaseException:
            for network, state in zip(self._networks, before, strict=True):
                network.state = state
            raise
        if isinstance(x, list):
            return [average(np.stack(each), self._log_probs) for each in zip(*found, strict=True)]
        return average(np.stack(found), self._log_probs)

    def _meaning(self, output: Any) -> Any:
        """Return what the estimator takes a network's output for."""
        if isinstance(output, list):
            return [self._meant(one) if len(one) else np.zeros((0, self._outputs), np.float32) for one in output]
        if not output.size:
            return np.zeros((*output.shape[:-1], self._outputs), np.float32)
        rows = self._meant(output.reshape(-1, output.shape[-1]))
        return rows.reshape((*output.shape[:-1], rows.shape[-1]))

    def _outputs_of_each(self, ready: list[AnyArray]) -> list[Array]:
        """Return what the networks give behind each stream's frames that are ready, which may be none of all."""
        some = next((one for one in ready if len(one)), None)
        if some is None:
            return [np.zeros((0, self._outputs), np.float32) for _ in ready]
        found: list[Array] = self._networks_say([one if len(one) else some[:0] for one in ready])
        return found

    def _rows(self, x: AnyArray) -> Array:
        """Return what the networks give, ``(T, n_streams, n_outputs)``, behind as many frames of every stream."""
        if self._back or self.delay:
            return np.stack(self._rows_of_each([x[:, index] for index in range(self.n_streams)]), axis=1)
        if len(x) and self._ended.any():
            self._refuse_ended(int(self._ended.argmax()))
        ready = _rounded(transformed(self._parts, x.reshape(-1, *self._shape)))
        rows: Array = self._networks_say(ready.reshape(*x.shape[:2], *ready.shape[1:]))
        if len(rows):
            self._last[...] = rows[-1]
        return rows

    def _rows_of_each(self, given: Sequence[AnyArray], ends: Any = None) -> list[Array]:
        """Return the same of each stream behind its own frames; nothing has changed after an error."""
        for index, frames in enumerate(given):
            if len(frames) and self._ended[index]:
                self._refuse_ended(index)
        before = [(one.kept, one.first, one.given) for one in self._arriving]
        try:
            ready = [
                _rounded(one.push(frames, ends=ends is not None and bool(ends[index])))
                for index, (one, frames) in enumerate(zip(self._arriving, given, strict=True))
            ]
            outputs = self._outputs_of_each(ready)
        except BaseException:
            for one, values in zip(self._arriving, before, strict=True):
                one.kept, one.first, one.given = values
            raise
        found = []
        for index, (frames, output) in enumerate(zip(given, outputs, strict=True)):
            kept, first, done = before[index]
            seen = first + (0 if kept is None else len(kept)) + np.arange(1, len(frames) + 1)
            place = np.maximum(seen - self.delay, done) - done
            rows = np.concatenate([self._last[index][None], output])
            found.append(rows[place])
            self._last[index] = rows[-1]
        return found


class Streamed:
    """What estimators are while frames arrive."""

    module_: Any

    @answers
    def stream(self, n_streams: int = 1, **options: Any) -> EstimatorStream:
        """Return streams: sequences whose frames arrive one by one, with what is predicted behind each.

        Parameters
        ----------
        n_streams : int, default 1
            Sequences that run side by side, each at its own place.
        **options
            Of the network's own ``stream``: of DeepGRU ``window``, the frames that its attention looks back at.

        Returns
        -------
        EstimatorStream
            With ``step``, ``push``, ``finish``, ``reset``, ``state`` and ``delay``. Behind a sequence's last frame it
            has said what ``predict_proba``, of a regressor :meth:`predict`, says of the sequence: the same bits.

        Raises
        ------
        ValueError
            The network has a second direction, or its preprocessing needs the whole sequence; the message says which.
        sklearn.exceptions.NotFittedError
        """
        if not hasattr(self, "module_"):
            check_is_fitted(self)
        return EstimatorStream(self, n_streams, **options)

    def _meant(self, output: Array) -> Array:
        """Return what is meant by rows of what a network gives, to take the mean of over several."""
        return output

    def _answer(self, output: Array) -> Any:
        """Return what streams put out for rows of what is meant."""
        raise NotImplementedError


def _numbers(name: str, values: Any) -> AnyArray:
    """Return frames as finite floating-point numbers."""
    x = as_numbers(name, values)
    x = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return x


def _rounded(rows: AnyArray) -> AnyArray:
    """Return rows in the networks' type."""
    return as_float32(Sequences(rows, [len(rows)])).X if len(rows) else rows.astype(np.float32)
