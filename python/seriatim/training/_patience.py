"""Early stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.nn import Module

_STATE = ("best", "best_loss", "best_epoch", "best_state", "waited")
# Equal scores, and a loss that is lower by so much, is better: nats, or parts of the targets' variance.
_LOSS_TOL = 1e-4


@dataclass(frozen=True)
class Measured:
    """What a validation says of the weights of now.

    Attributes
    ----------
    loss, score : float
        Of the history; the higher the score the better.
    watched : float
        What early stopping goes by, the higher the better.
    monitor : str
        Its name. It has a column of its own in the history, ``validation_<monitor>``, if it is neither loss nor score.
    """

    loss: float
    score: float
    watched: float
    monitor: str = "score"


class Patience:
    """Keeps the best weights, in memory, and says when ``n_iter_no_change`` epochs brought nothing better.

    Of equal scores the one with the lower loss is better: where the share of right answers stands still, as it does
    while a rare class is not predicted yet, the loss still tells that the network learns.

    Parameters
    ----------
    module : Module
    n_iter_no_change : int
    tol : float
        What counts as better.
    """

    def __init__(self, module: Module, n_iter_no_change: int, tol: float) -> None:
        self.module, self.limit, self.tol = module, n_iter_no_change, tol
        self.best, self.best_loss = -np.inf, np.inf
        self.best_epoch: int | None = None
        self.best_state: dict[str, AnyArray] | None = None
        self.waited = 0

    def exhausted(self, score: float, loss: float = np.inf, epoch: int | None = None) -> bool:
        """Take an epoch's validation score, the higher the better, and the module's weights of now.

        Parameters
        ----------
        score : float
            NaN is worse than anything.
        loss : float, default infinite
            Decides between equal scores.
        epoch : int, optional
            Its number, kept as ``best_epoch`` if it is the best one.

        Returns
        -------
        bool
            Whether there is nothing left to wait for.
        """
        score, loss = (-np.inf if np.isnan(score) else score), (np.inf if np.isnan(loss) else loss)
        lower = score == self.best and loss < self.best_loss - _LOSS_TOL
        if self.best_state is None or score > self.best + self.tol or lower:
            self.best, self.best_loss, self.best_epoch = score, loss, epoch
            self.best_state, self.waited = self.module.state_dict(), 0
        else:
            self.waited += 1
        return self.waited >= self.limit

    def restore(self) -> None:
        """Put the best weights back."""
        if self.best_state is not None:
            self.module.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        """Return all state.

        Returns
        -------
        dict
        """
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take all state.

        Parameters
        ----------
        state : dict
            Of :meth:`state_dict`.
        """
        for name in _STATE:
            setattr(self, name, state[name])
