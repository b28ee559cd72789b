"""How a training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._brief import brief
from seriatim._typing import AnyArray
from seriatim.plotting._axes import BLUE, GREY, ORANGE, colours, make_axes

# A loss that falls by more than this is drawn on a logarithmic axis; longer trainings have no marks.
_DECADE, _MARKED = 10.0, 40
_STYLES = ("--", "-.", ":")


def training_curves(
    history: Mapping[str, Sequence[float]] | Any, ax: Any = None, *, best_epoch: int | None = None
) -> Any:
    """Draw the loss of every epoch and, where there is one, the validation score on a second axis.

    Parameters
    ----------
    history : estimator or mapping
        A fitted estimator, a pipeline or search that ends in one, or its ``history_``.
    ax : matplotlib Axes, optional
    best_epoch : int, optional
        From 1: it is marked. By default an estimator's ``best_epoch_``, if early stopping chose one.

    Returns
    -------
    matplotlib Axes
        Of the loss.

    Raises
    ------
    ValueError
        There is no epoch, as in a reservoir's history.
    TypeError
        It is neither, or is not fitted.
    """
    fitted = _last_step(history)
    if best_epoch is None:
        best_epoch = getattr(fitted, "best_epoch_", None)
    found = getattr(fitted, "history_", fitted)
    if not isinstance(found, Mapping):
        raise TypeError(f"history: expected a fitted estimator or its history_, got {brief(history)}")
    columns = {name: np.asarray(values, float) for name, values in found.items()}
    if not columns.get("loss", np.empty(0)).size:
        raise ValueError("history: expected a 'loss' for every epoch, got none; a reservoir is not trained in epochs")
    ax = make_axes(ax, (6, 3.8))
    marks = len(columns["loss"]) <= _MARKED
    lines = [_draw(ax, columns["loss"], "training loss", color=BLUE, marker="o" if marks else "")]
    drawn = columns["loss"]
    if "validation_loss" in columns:
        drawn = np.concatenate([drawn, columns["validation_loss"]])
        lines.append(
            _draw(ax, columns["validation_loss"], "validation loss", color=ORANGE, marker="s" if marks else "")
        )
    ax.set(xlabel="epoch", ylabel="loss", yscale=_scale(drawn))
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if len(columns["loss"]) == 1:
        ax.set_xlim(0.5, 1.5)
    ax.spines[["top", "right"]].set_visible(False)
    # The score, and what early stopping goes by if that is neither it nor the loss.
    scores = [name for name in columns if name.startswith("validation_") and name != "validation_loss"]
    other = ax.twinx() if scores else None
    for name, style in zip(scores, _STYLES, strict=False):
        lines.append(_draw(other, columns[name], name.replace("_", " "), color=GREY, ls=style))
    if other is not None:
        other.set_ylabel("validation score", color=GREY)
        other.spines[["top", "left"]].set_visible(False)
        other.spines["right"].set_visible(True)
    if best_epoch is not None:
        lines.append(ax.axvline(best_epoch, color=colours(ax)[-1], lw=1, ls=":", label=f"best epoch: {best_epoch}"))
    _legend_below(ax, lines)
    return ax


def _last_step(model: Any) -> Any:
    """Return the estimator at the end of a search or a pipeline."""
    model = getattr(model, "best_estimator_", model)
    return model[-1] if hasattr(model, "named_steps") else model


def _draw(ax: Any, values: AnyArray, label: str, **look: Any) -> Any:
    # One epoch is a point, and has to be seen.
    look = look if len(values) > 1 else {**look, "marker": look.get("marker") or "o"}
    return ax.plot(np.arange(1, len(values) + 1), values, ms=4, label=label, **look)[0]


def _scale(losses: AnyArray) -> str:
    finite = losses[np.isfinite(losses)]
    return "log" if len(finite) and finite.min() > 0 and finite.max() > _DECADE * finite.min() else "linear"


def _legend_below(ax: Any, lines: list[Any]) -> None:
    """Put the legend below the axis: 'best' does not see the lines of the second one, and above is the title."""
    import matplotlib as mpl
    from matplotlib.transforms import offset_copy

    below = offset_copy(ax.transAxes, ax.figure, y=-3.6 * mpl.rcParams["font.size"], units="points")
    ax.legend(
        handles=lines, frameon=False, fontsize="small", ncols=2 if len(lines) == 4 else 3, loc="upper center",
        bbox_to_anchor=(0.5, 0), bbox_transform=below, borderaxespad=0,
    )  # fmt: skip
