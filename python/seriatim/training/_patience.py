"""Early stopping."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.nn import Module


class Patience:
    """Keeps the best weights, in memory, and says when ``n_iter_no_change`` epochs brought nothing better.

    Parameters
    ----------
    module : Module
    n_iter_no_change : int
    tol : float
        What counts as better.
    """

    def __init__(self, module: Module, n_iter_no_change: int, tol: float) -> None:
        self.module, self.limit, self.tol = module, n_iter_no_change, tol
        self.best = -np.inf
        self.best_state: dict[str, AnyArray] | None = None
        self.waited = 0

    def exhausted(self, score: float) -> bool:
        """Take an epoch's validation score, the higher the better, and the module's weights of now.

        Parameters
        ----------
        score : float

        Returns
        -------
        bool
            Whether there is nothing left to wait for.
        """
        if score > self.best + self.tol or self.best_state is None:
            self.best, self.best_state, self.waited = score, self.module.state_dict(), 0
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
        return {"best": self.best, "best_state": self.best_state, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take all state.

        Parameters
        ----------
        state : dict
            Of :meth:`state_dict`.
        """
        self.best, self.best_state, self.waited = state["best"], state["best_state"], state["waited"]
