"""One bar for the ranks of a fit, where the client is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seriatim.training._progress import make_bar, say


class Shown:
    """A bar of what the first rank tells; there is none before it tells something."""

    def __init__(self, n_workers: int) -> None:
        self._workers = n_workers
        self._bar: Any = None
        self._over = False

    def take(self, message: Mapping[str, Any]) -> None:
        """Show what a rank has told."""
        if self._over:
            return
        if "said" in message:
            say(message["said"])
            return
        if self._bar is None:
            self._bar = make_bar(message["total"])
        bar: Any = self._bar
        bar.total = message["total"]
        bar.set_description(message["text"], refresh=False)
        bar.set_postfix({**message["postfix"], "workers": self._workers}, refresh=False)
        bar.update(message["n"] - bar.n)
        if message["how"] is not None:
            self._close(message["how"])

    def fail(self, error: BaseException) -> None:
        """Show that the fit has ended with an error."""
        if self._bar is not None and not self._over:
            is_interrupt = isinstance(error, KeyboardInterrupt)
            text = "interrupted" if is_interrupt else f"failed: {type(error).__name__}"
            self._bar.set_description(text, refresh=False)
            self._close("warning" if is_interrupt else "danger")

    def _close(self, how: str) -> None:
        self._over = True
        bar: Any = self._bar
        bar.how = how
        bar.refresh()
        bar.close()
