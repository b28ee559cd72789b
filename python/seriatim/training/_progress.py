"""A progress bar, and how it ends."""

from __future__ import annotations

import html
import importlib
import importlib.util
import multiprocessing
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

# How a training ends, and the colour of its bar then; in words, too, for those who cannot tell the colours apart.
_COLOURS = {"": "#0072B2", "success": "#2E9E5B", "warning": "#E69F00", "danger": "#D1343B"}
# Of what is not a file: an update of a page is a message to a browser.
_SECONDS = 0.25
# What makes a bar of the number of mini-batches, in the place of one of this process; and what shows a line.
_elsewhere: ContextVar[tuple[Callable[[int], Any], Callable[[str], None]] | None] = ContextVar(
    "elsewhere", default=None
)


@contextmanager
def shown_by(bar: Callable[[int], Any], say: Callable[[str], None]) -> Iterator[None]:
    """Let somebody else show the progress of trainings in this thread, whatever their ``verbose``.

    Parameters
    ----------
    bar : callable
        Makes, of the number of mini-batches, what is told of each: as a bar of tqdm is.
    say : callable
        Takes what is said in a line.
    """
    token = _elsewhere.set((bar, say))
    try:
        yield
    finally:
        _elsewhere.reset(token)


def say(text: str) -> None:
    """Show a line; a worker of a search shows none."""
    elsewhere = _elsewhere.get()
    if elsewhere is not None:
        elsewhere[1](text)
    elif not in_worker():
        print(text)


@dataclass
class Progress:
    """A progress bar over all mini-batches of a fit; silent unless ``verbose``.

    In a terminal it is tqdm's, in a notebook with widgets tqdm's, too; in a notebook without widgets it is a piece of
    HTML. What a notebook keeps of it, however it is shown later, is its last state. A worker of a search, of which
    several would write over each other, shows nothing but a line at the end.

    Parameters
    ----------
    verbose : int
    epochs : int
    batches : int
        An epoch.
    max_time : float or None
        Seconds that all may take.
    """

    verbose: int
    epochs: int
    batches: int
    max_time: float | None = None
    bar: Any = field(default=None, init=False)
    _at: int = field(default=0, init=False)
    _ended: bool = field(default=False, init=False)

    def __enter__(self) -> Progress:
        elsewhere = _elsewhere.get()
        if elsewhere is not None:
            self.bar = elsewhere[0](self.epochs * self.batches)
        elif self.verbose > 0:
            self.bar = make_bar(self.epochs * self.batches)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.end(f"interrupted in epoch {self._at} of {self.epochs}", "warning")
        elif kind is not None:
            self.end(f"failed in epoch {self._at} of {self.epochs}: {kind.__name__}", "danger")
        else:
            self.end(f"{self._at} of {self.epochs} epochs")

    def epoch(self, number: int) -> None:
        """Show which epoch has begun.

        Parameters
        ----------
        number : int
            From 1.
        """
        self._at = number
        if self.bar is not None:
            limit = "" if self.max_time is None else f", at most {self.max_time:g} s"
            self.bar.set_description(f"epoch {number}/{self.epochs}{limit}")

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

    def end(self, text: str, how: str = "success") -> None:
        """Show how the training ended; what is said first holds.

        Parameters
        ----------
        text : str
        how : {'success', 'warning', 'danger'}
            A success is complete, however many of the epochs it took.
        """
        if self.bar is None or self._ended:
            return
        self._ended = True
        bar = self.bar
        if how == "success":
            # A bar that is closed before its total is taken for one that failed.
            bar.total = bar.n
        bar.set_description(text, refresh=False)
        bar.how = how
        bar.refresh()
        bar.close()


def in_worker() -> bool:
    """Return whether this is one of several processes, as in a search, which had better write little.

    Returns
    -------
    bool
    """
    return multiprocessing.parent_process() is not None


def make_bar(total: int) -> Any:
    """Return a bar of so many mini-batches, of a kind that suits where this runs."""
    with warnings.catch_warnings():
        # In notebooks without widgets tqdm.auto warns and falls back to text, for which there is a bar of our own.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    settings = {"total": total, "unit": "batch", "dynamic_ncols": True}
    if in_worker():
        return _worker_bar(settings)
    if not _in_notebook():
        return tqdm(**settings)
    if importlib.util.find_spec("ipywidgets") is None:
        return _page_bar(settings)
    return _widget_bar(tqdm, settings)


def _in_notebook() -> bool:
    """Return whether a kernel runs this, whose frontend shows HTML."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _worker_bar(settings: dict[str, Any]) -> Any:
    from tqdm.std import tqdm

    class WorkerBar(tqdm):  # type: ignore[misc]
        """Nothing but its last line, in one piece."""

        def display(self, *_: Any, **__: Any) -> None:
            pass

        def close(self) -> None:
            if not self.disable:
                super().close()
                print(self.format_meter(**{**self.format_dict, "ncols": 0}) + "\n", end="", flush=True)

    return WorkerBar(gui=True, **settings)


def _page_bar(settings: dict[str, Any]) -> Any:
    from tqdm.std import tqdm

    display = _display()

    class PageBar(tqdm):  # type: ignore[misc]
        """HTML that is shown anew."""

        how = ""
        _shown: Any = None

        def display(self, *_: Any, **__: Any) -> None:
            if self._shown is None:
                self._shown = display(_bundle(self), raw=True, display_id=True)
            else:
                self._shown.update(_bundle(self), raw=True)

    return PageBar(gui=True, mininterval=_SECONDS, **settings)


def _widget_bar(tqdm: Any, settings: dict[str, Any]) -> Any:
    display = _display()

    class WidgetBar(tqdm):  # type: ignore[misc]
        """tqdm's widget, which leaves HTML: a notebook that is read elsewhere has no widgets."""

        how = ""

        def __init__(self) -> None:
            super().__init__(display=False, **settings)
            self._shown = display(self.container, display_id=True)

        def close(self) -> None:
            if not self.disable:
                last = _bundle(self)
                self.container.children[1].max = self.total
                super().close()
                self._shown.update(last, raw=True)

    return WidgetBar()


def _display() -> Any:
    # IPython comes with the notebook, and is none of this library's needs.
    return importlib.import_module("IPython.display").display


def _bundle(bar: Any) -> dict[str, str]:
    """Return a bar as text and as HTML, whose colours suit light pages and dark ones."""
    text = bar.format_meter(**{**bar.format_dict, "ncols": None, "bar_format": "{l_bar}<bar/>{r_bar}"})
    left, right = (html.escape(part) for part in re.split(r"\|?<bar/>\|?", text, maxsplit=1))
    share = 100 * bar.n / max(bar.total or 1, 1)
    colour = _COLOURS[bar.how]
    outer = "flex:1 1 8em;max-width:24em;height:0.9em;border:1px solid #8888;border-radius:3px;overflow:hidden"
    inner = f"display:block;height:100%;width:{share:.0f}%;background:{colour}"
    line = "display:flex;flex-wrap:wrap;align-items:center;gap:0 0.7em;font-family:monospace"
    shown = (
        f'<div style="{line}"><span>{left}</span><span style="{outer}"><span style="{inner}"></span></span>'
        f"<span>{right.strip()}</span></div>"
    )
    return {"text/plain": bar.format_meter(**{**bar.format_dict, "ncols": 0}), "text/html": shown}
