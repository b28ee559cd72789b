"""A progress bar."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """A progress bar over all mini-batches; silent unless ``verbose``.

    Parameters
    ----------
    verbose : int
    epochs : int
    batches : int
        An epoch.
    """

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
        """Show which epoch has begun.

        Parameters
        ----------
        number : int
            From 1.
        """
        if self.bar is not None:
            self.bar.set_description(f"epoch {number}/{self.epochs}")

    def batch(self) -> None:
        """Count a mini-batch."""
        if self.bar is not None:
            self.bar.update()

    def show(self, **values: float) -> None:
        """Show values of the last epoch.

        Parameters
        ----------
        **values : float
        """
        if self.bar is not None:
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()}, refresh=True)
