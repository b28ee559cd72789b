"""Estimators that train on all processes of an MPI launch: ``mpirun -n 4 python train.py``, and the same three lines.

    from seriatim.mpi import DeepGRUClassifier

    model = DeepGRUClassifier(random_state=0).fit(X, y)

Every process runs the program, with the same data; each computes the part of its shards, and has the same model, bit
by bit the one that a single process gets. The first alone shows what goes on. Needs mpi4py: ``pip install
'seriatim[mpi]'``, and ``pip install mpich`` where the system has no MPI.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from seriatim import models
from seriatim._sklearn._whole import state_of
from seriatim.distributed import current, team

Self = TypeVar("Self", bound="_OnAllRanks")

__all__ = ["DeepGRUClassifier", "DeepGRURegressor", "GRUClassifier", "LSTMClassifier", "VideoClassifier"]


def __dir__() -> list[str]:
    return sorted(__all__)


class _OnAllRanks:
    """What the estimators share; the plain estimator is the last of their bases."""

    def fit(self: Self, X: Any, y: Any, *given: Any, **named: Any) -> Self:
        """Train on all processes, each of which calls it, with the same data.

        Parameters
        ----------
        X, y, *given, **named
            As of the plain estimator.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As of the plain estimator; or processes have different data, or different instruction sets.
        TeamError
            A process has failed, is gone, or has not answered for 300 seconds (a RuntimeError; it says which). Within
            ``with seriatim.distributed.team("mpi", timeout=3600):`` the limit is another.
        ImportError
            There is no mpi4py, or no MPI.
        KeyboardInterrupt
            Ctrl-C in one ends all. The estimator is as it was.
        """
        plain: Any = super()
        if current() is not None:
            plain.fit(X, y, *given, **named)
        else:
            with team("mpi"):
                plain.fit(X, y, *given, **named)
        return self

    def to_local(self) -> Any:
        """Return the plain estimator: with the same parameters, and what was learned.

        Returns
        -------
        estimator
            Of the class of the same name in ``seriatim.models``; it shares nothing with this one.
        """
        local: Any = object.__new__(type(self).__bases__[-1])
        vars(local).update(copy.deepcopy(state_of(self)))
        return local


class GRUClassifier(_OnAllRanks, models.GRUClassifier):
    """:class:`seriatim.models.GRUClassifier`, trained by all processes of an MPI launch."""


class LSTMClassifier(_OnAllRanks, models.LSTMClassifier):
    """:class:`seriatim.models.LSTMClassifier`, trained by all processes of an MPI launch."""


class DeepGRUClassifier(_OnAllRanks, models.DeepGRUClassifier):
    """:class:`seriatim.models.DeepGRUClassifier`, trained by all processes of an MPI launch."""


class VideoClassifier(_OnAllRanks, models.VideoClassifier):
    """:class:`seriatim.models.VideoClassifier`, trained by all processes of an MPI launch."""


class DeepGRURegressor(_OnAllRanks, models.DeepGRURegressor):
    """:class:`seriatim.models.DeepGRURegressor`, trained by all processes of an MPI launch."""
