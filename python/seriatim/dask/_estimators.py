"""The estimators: those of `seriatim.models`, whose ``fit`` and ``predict`` take what lies on a Dask cluster."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from dask.distributed import Client, get_client, wait
from sklearn.utils.validation import check_is_fitted

from seriatim import models
from seriatim._sklearn import Number, Rules, learns
from seriatim._sklearn._whole import state_of
from seriatim._typing import AnyArray, ArrayLike
from seriatim.dask._asking import results_of
from seriatim.dask._collections import is_dask, persisted, values_of
from seriatim.dask._data import Reader
from seriatim.dask._leading import crew, lead
from seriatim.dask._predicting import predicted
from seriatim.dask._sequences import joined_values
from seriatim.models._shards import MICRO_SHARDS

Self = TypeVar("Self", bound="DaskEstimator")
Class = TypeVar("Class", bound=type)

_OWN = ("client", "timeout", "workers")
_DOCUMENTATION = """
Parameters
----------
client : dask.distributed.Client, optional
    By default the current one. Copies and pickles of an estimator have none.
timeout : float, default 300.0
    Seconds after which a worker that does not begin, or from which the others hear nothing, ends the fit with an
    error. A worker whose process ends does so at once.
workers : list of str, optional
    Addresses or names of the workers that may train; by default all that are running.
**parameters
    Those of :class:`seriatim.models.{name}`. ``micro_shards`` None is 8 here: at most so many workers train.
    ``callbacks`` are called, and ``checkpoint_dir`` is written, by the first rank's process.

Attributes
----------
As of :class:`seriatim.models.{name}`.

Notes
-----
X may be a list of futures or of delayed objects, each a list of sequences (or :class:`seriatim.Sequences`, or an array
``(n, T, ...)``); a bag of sequences; an array ``(n, T, ...)`` chunked along n; an array ``(sum T, ...)`` with
``lengths`` whose chunks end where sequences end; or what the plain estimator takes, which is sent to the workers. What
goes with it has the same chunks, or is plain.

Every worker process is a rank at most, and runs the kernels with as many threads as Dask gives it. The result has the
bits of ``seriatim.models.{name}(micro_shards=8, ...)`` fitted in one process, whatever the number of workers and of
chunks.

See Also
--------
seriatim.models.{name} : The plain estimator, what ``to_local()`` gives.
"""


def front(cls: Class) -> Class:
    """Give a class the constructor of its plain estimator with parameters of its own, and the documentation."""
    plain: Any = cls.__bases__[-1]
    own = inspect.signature(DaskEstimator._own_parameters).parameters
    known = inspect.signature(plain.__init__).parameters

    def __init__(
        self: Any,
        *positional: Any,
        client: Client | None = None,
        timeout: float = 300.0,
        workers: Sequence[str] | None = None,
        **parameters: Any,
    ) -> None:
        plain.__init__(self, *positional, **parameters)
        self.client, self.timeout, self.workers = client, timeout, workers

    made: Any = __init__
    made.__signature__ = inspect.Signature([*known.values(), *own.values()])
    made.__qualname__ = f"{cls.__name__}.__init__"
    text = _DOCUMENTATION.format(name=plain.__name__)
    vars_of: Any = cls
    vars_of.__init__, vars_of._plain = made, plain
    cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n{text}"
    return cls


class DaskEstimator:
    """What the estimators share."""

    _plain: ClassVar[Any]
    _parameter_rules: ClassVar[Rules] = {"timeout": [Number(above=0, below=np.inf, unit="seconds")]}
    # They say where it runs.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = _OWN

    client: Client | None
    timeout: float
    workers: Sequence[str] | None

    @staticmethod
    def _own_parameters(
        *, client: Client | None = None, timeout: float = 300.0, workers: Sequence[str] | None = None
    ) -> None:
        """Have the signature of what the constructors have beside the plain estimators' parameters."""

    # ---- scikit-learn's manners

    def __sklearn_clone__(self: Self) -> Self:
        bare: Any = copy.copy(self)
        made: Self = super(DaskEstimator, bare).__sklearn_clone__()  # type: ignore[misc]
        made.client = self.client
        return made

    def __getstate__(self) -> dict[str, Any]:
        # A client is this process's.
        return {**state_of(self), "client": None}

    def _client(self) -> Client:
        client = self.client
        if client is None:
            try:
                client = get_client()
            except ValueError:
                raise ValueError(
                    "client: expected a dask.distributed.Client, given or current, got none: Client(...) makes one"
                ) from None
        if not isinstance(client, Client) or client.asynchronous:
            raise TypeError(f"client: expected a dask.distributed.Client that is not asynchronous, got {client!r}")
        return client

    # ---- The plain estimator

    def to_local(self) -> Any:
        """Return the plain estimator: with the same parameters, and what was learned.

        Returns
        -------
        estimator
            Of the class of the same name in `seriatim.models`; it shares nothing with this one.
        """
        local = self._unfitted()
        parameters = {*inspect.signature(type(self).__init__).parameters}
        learned = {name: value for name, value in state_of(self).items() if name not in parameters}
        vars(local).update(copy.deepcopy(learned))
        return local

    def _unfitted(self) -> Any:
        given = self.get_params(deep=False)  # type: ignore[attr-defined]
        return self._plain(**{name: value for name, value in given.items() if name not in _OWN})

    # ---- Training

    @learns
    def fit(
        self: Self,
        X: Any,
        y: Any,
        lengths: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, ...] | None = None,
        groups: Any = None,
    ) -> Self:
        """Train on the cluster.

        Parameters
        ----------
        X : collection of sequences
            In one of the forms of the class's notes.
        y : collection, or array_like, shape (n,) or (n, n_outputs)
        lengths : array_like of int, shape (n,), optional
            Of an array of observations ``(sum T, ...)``.
        sample_weight, groups : collection, or array_like, shape (n,), optional
        validation_data : (X, y) or (X, y, lengths), optional
            Every rank gets it whole.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As of the plain estimator; or chunks do not fit together; or there is no client.
        TeamError
            A worker has died, hangs, or was not to be had in time (a RuntimeError; it says which). The workers can be
            used, and a next fit goes on from the checkpoint, if there is one.
        KeyboardInterrupt
            Ctrl-C ends all ranks. The estimator is as it was.
        """
        client, plain = self._client(), self._unfitted()
        self._check_parameters()  # type: ignore[attr-defined]
        if self.warm_start and hasattr(self, "module_"):  # type: ignore[attr-defined]
            raise ValueError(
                "warm_start: expected a fit that begins anew; to_local() gives an estimator that can go on"
            )
        n_shards = MICRO_SHARDS if plain.micro_shards is None else int(plain.micro_shards)
        workers = crew(client, self.workers)
        others = {"sample_weight": sample_weight, "groups": groups}
        data = Reader(client, plain, n_shards, list(workers), self.timeout).read(X, y, lengths, others, validation_data)
        fitted = lead(client, plain, data, data.plan(workers, n_shards), n_shards, float(self.timeout))
        parameters = {*inspect.signature(type(self).__init__).parameters}
        vars(self).update({name: value for name, value in state_of(fitted).items() if name not in parameters})
        return self

    def partial_fit(self, *_: Any, **__: Any) -> Any:
        """Refuse: pieces are trained in one process.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError("partial_fit: pieces are trained in one process; to_local().partial_fit does it")

    # ---- Prediction

    def predict(self, X: Any, lengths: Any = None) -> Any:
        """Return what is predicted for each sequence.

        Parameters
        ----------
        X : collection of sequences
            In one of the forms of the class's notes.
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        dask.array.Array, shape (n,) or (n, n_outputs)
            Lazy, with a chunk for each chunk of X, computed where that lies. Of what is no collection of Dask an
            ndarray, computed here.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of the plain estimator.
        """
        return self._predicted("predict", X, lengths)

    def _predicted(self, method: str, X: Any, lengths: Any) -> Any:
        check_is_fitted(self)
        if not is_dask(X):
            return getattr(super(), method)(X, lengths)
        shape, dtype = self._kind_of(method)
        return predicted(self._client(), self.to_local(), method, X, lengths, shape, dtype, self.timeout)

    def _kind_of(self, method: str) -> tuple[tuple[int, ...], Any]:
        """Return shape and type of what a method gives for a sequence."""
        raise NotImplementedError

    def score(self, X: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> float:
        """Return the share of labels that are predicted, or R^2; computed now.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.
        y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            As of the plain estimator.
        """
        y, sample_weight = self._here("y", y), self._here("sample_weight", sample_weight)
        local = self.to_local()
        if is_dask(X):
            found = self.predict(X, lengths).compute()
            # What is left is to compare.
            local.predict = lambda *_: found
            X, lengths = found, None
        score: float = local.score(X, y, lengths, sample_weight)
        return score

    def _here(self, name: str, value: Any) -> Any:
        """Return what goes with the sequences in this process."""
        if not is_dask(value):
            return value
        client = self._client()
        chunks = persisted(client, values_of(name, value, ()))
        wait(chunks)
        return joined_values(results_of(client, chunks, self.timeout, name))


class DaskClassifier(DaskEstimator):
    """What the classifiers share."""

    # Answers of workers have one shape a sequence.
    _takes_several = False

    classes_: AnyArray

    def predict_proba(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return class probabilities, as :meth:`predict` does, ``(n, n_classes)``.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.

        Returns
        -------
        dask.array.Array or ndarray, float32
        """
        return self._predicted("predict_proba", X, lengths)

    def predict_log_proba(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return logarithms of class probabilities, as :meth:`predict_proba` does.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.

        Returns
        -------
        dask.array.Array or ndarray, float32
        """
        return self._predicted("predict_log_proba", X, lengths)

    def _kind_of(self, method: str) -> tuple[tuple[int, ...], Any]:
        if method == "predict":
            return (), self.classes_.dtype
        return (len(self.classes_),), np.dtype(np.float32)


@front
class GRUClassifier(DaskClassifier, models.GRUClassifier):
    """A stack of GRU layers that trains on a Dask cluster."""


@front
class LSTMClassifier(DaskClassifier, models.LSTMClassifier):
    """A stack of LSTM layers that trains on a Dask cluster."""


@front
class DeepGRUClassifier(DaskClassifier, models.DeepGRUClassifier):
    """A DeepGRU that trains on a Dask cluster."""


@front
class VideoClassifier(DaskClassifier, models.VideoClassifier):
    """A network of frames and a recurrent net that train on a Dask cluster."""


@front
class DeepGRURegressor(DaskEstimator, models.DeepGRURegressor):
    """A DeepGRU for numbers that trains on a Dask cluster."""

    def _kind_of(self, method: str) -> tuple[tuple[int, ...], Any]:
        targets = self._targets()
        return (() if targets.single else (targets.n_outputs,)), np.dtype(np.float64)
