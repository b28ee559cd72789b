"""The model of the live page: makes gestures, trains on them by the recipe for strokes, and says how often it is right.

    python docs/live_gestures.py [--strokes 1500] [--epochs 25] [--hidden 64] [--out docs/web/live]

Nobody drew these strokes. A seeded generator draws ten shapes that are drawn without lifting the pen, as many hands
might: any size, turned and stretched, corners cut, lines that sway and shake, closed shapes from any corner and either
way round. What is held out are strokes of another seed.

Two files are written: ``gestures.safetensors``, the estimator as ``seriatim.save`` writes it, and ``gestures.json``: a
stroke of each class, and how often the model is right.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

import seriatim
from seriatim.recipes import strokes
from seriatim.recipes._strokes import EvenStroke
from seriatim.sequences import Sequences

# Of the side of the square that is drawn in: what the pen moves in a step. live.js has the same.
STEP = 0.03
POINTS = 128
# The seed of what is held out.
HELD_OUT = 3
SHARES = (0.25, 0.5, 0.75, 1.0)
Rng = np.random.Generator


def corners(rng: Rng, n: int, shape: list[tuple[float, float]]) -> np.ndarray:
    """Return closed paths through a shape's corners, from any of them, either way round: (n, corners + 1, 2)."""
    k = len(shape)
    way, first = rng.choice([-1, 1], (n, 1)), rng.integers(k, size=(n, 1))
    path = np.array(shape)[(first + way * np.arange(k + 1)) % k]
    # The end misses the beginning.
    path[:, -1] += rng.normal(0, 0.09, (n, 2))
    return path + rng.normal(0, 0.07, path.shape)


def turning(rng: Rng, n: int, turns: tuple[float, float], inner: tuple[float, float]) -> np.ndarray:
    """Return paths round a centre, whose distance from it goes from ``inner`` to 1 or back: (n, 96, 2)."""
    part = np.linspace(0, 1, 96)
    angle = rng.uniform(0, 2 * np.pi, (n, 1)) + 2 * np.pi * rng.uniform(*turns, (n, 1)) * part
    low = rng.uniform(*inner, (n, 1))
    radius = low + (1 - low) * part
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    path[:, :, 1] *= rng.choice([-1, 1], (n, 1))
    return np.where(rng.random((n, 1, 1)) < 0.5, path, path[:, ::-1])


def circle(rng: Rng, n: int) -> np.ndarray:
    """Once round."""
    return turning(rng, n, (0.92, 1.12), (0.86, 1.0))


def spiral(rng: Rng, n: int) -> np.ndarray:
    """Two or three times round, outwards or inwards."""
    return turning(rng, n, (1.9, 3.1), (0.03, 0.2))


def triangle(rng: Rng, n: int) -> np.ndarray:
    """Standing on a side."""
    return corners(rng, n, [(0, -1), (1, 0.8), (-1, 0.8)])


def rectangle(rng: Rng, n: int) -> np.ndarray:
    """Standing on a side."""
    return corners(rng, n, [(-1, -0.8), (1, -0.8), (1, 0.8), (-1, 0.8)])


def star(rng: Rng, n: int) -> np.ndarray:
    """Of five points, through the middle."""
    angle = 2 * np.pi * (0.75 + 0.4 * np.arange(5))
    return corners(rng, n, list(zip(np.cos(angle), np.sin(angle), strict=True)))


def along(rng: Rng, n: int, path: list[tuple[float, float]]) -> np.ndarray:
    """Return an open path, as it is given, n times: (n, points, 2)."""
    points = np.repeat(np.array(path)[None], n, axis=0)
    return points + rng.normal(0, 0.08, points.shape)


def check(rng: Rng, n: int) -> np.ndarray:
    """Short down, long up."""
    path = along(rng, n, [(-0.8, 0.1), (-0.3, 0.8), (0.9, -0.9)])
    path[:, 0] += rng.uniform(-0.15, 0.15, (n, 2))
    return path


def caret(rng: Rng, n: int) -> np.ndarray:
    """Up and down."""
    return along(rng, n, [(-0.7, 0.8), (0, -0.8), (0.7, 0.8)])


def arrow(rng: Rng, n: int) -> np.ndarray:
    """A line to the tip, then its head: to one side, back, to the other."""
    path = along(rng, n, [(-1, 0), (1, 0), (0.45, -0.4), (1, 0), (0.45, 0.4)])
    path[:, :, 1] *= rng.choice([-1, 1], (n, 1))
    turn = rng.uniform(0, 2 * np.pi, n)
    return np.einsum("nki,nij->nkj", path, turned(turn))


def zigzag(rng: Rng, n: int) -> np.ndarray:
    """From left to right or back, up and down four to seven times."""
    count, height = rng.integers(4, 8, (n, 1)), rng.uniform(0.25, 0.6, (n, 1))
    k = np.minimum(np.arange(8), count)
    # What is behind the last corner stays there.
    path = np.stack([2 * k / count - 1, height * np.where(k % 2, 1, -1)], axis=-1)
    path += rng.normal(0, 0.05, path.shape)
    path = np.take_along_axis(path, np.repeat(k[:, :, None], 2, axis=2), axis=1)
    return path * rng.choice([-1, 1], (n, 1, 2))


def pigtail(rng: Rng, n: int) -> np.ndarray:
    """A line with a loop, up or down, from either side."""
    part = np.linspace(-1, 1, 96)
    angle = np.pi * part * rng.uniform(1.45, 1.6, (n, 1))
    size, shift = rng.uniform(0.45, 0.65, (n, 1)), rng.uniform(0.8, 1.1, (n, 1))
    path = np.stack([shift * part - size * np.sin(angle), -size * np.cos(angle)], axis=-1)
    return path * rng.choice([-1, 1], (n, 1, 2))


SHAPES: dict[str, Callable[[Rng, int], np.ndarray]] = {
    shape.__name__: shape for shape in (circle, triangle, rectangle, star, spiral, zigzag, pigtail, arrow, caret, check)
}


def turned(angle: np.ndarray) -> np.ndarray:
    """Return matrices that turn points of the plane: (n, 2, 2)."""
    return np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=-1).reshape(-1, 2, 2)


def drawn(rng: Rng, paths: np.ndarray) -> np.ndarray:
    """Return paths as hands draw them, in a square of side 1: (n, POINTS, 2)."""
    n, k, _ = paths.shape
    even = EvenStroke(POINTS, by="path").fit_transform(Sequences(paths.reshape(-1, 2), np.full(n, k)))
    x = even.X.reshape(n, POINTS, 2).astype(np.float64)
    # Corners are cut: each point moves towards the mean of those round it.
    edge = np.pad(x, ((0, 0), (4, 4), (0, 0)), mode="edge")
    soft = np.stack([edge[:, i : i + POINTS] for i in range(9)]).mean(axis=0)
    x += rng.uniform(0, 1, (n, 1, 1)) * (soft - x)
    # Lines sway.
    part = np.linspace(0, 1, POINTS)[None, :, None]
    for waves in (1, 2, 4):
        turn = 2 * np.pi * (waves * part + rng.random((n, 1, 2)))
        x += rng.uniform(0, 0.07 / waves, (n, 1, 1)) * np.sin(turn)
    x *= 1 + rng.uniform(-0.25, 0.25, (n, 1, 2))
    x = np.einsum("nki,nij->nkj", x, turned(rng.uniform(-0.3, 0.3, n)))
    # Of the square, the smallest take a quarter.
    x *= rng.uniform(0.12, 0.42, (n, 1, 1)) / np.abs(x).max(axis=(1, 2), keepdims=True)
    return 0.5 + x + rng.normal(0, 0.0015, x.shape)


def steps(points: np.ndarray) -> Sequences:
    """Return what the network sees of strokes, (n, points, 2): a frame of two numbers whenever the pen is a STEP away.

    The frame is the direction to the pen, and the place from which the next one is measured moves there by a STEP. It
    depends on nothing that comes later; where a stroke begins, and how fast it is drawn, does not count.
    """
    n = len(points)
    at = points[:, 0].copy()
    found, owner = [], []
    for pen in points.transpose(1, 0, 2)[1:]:
        while True:
            way = pen - at
            distance = np.sqrt(way[:, 0] * way[:, 0] + way[:, 1] * way[:, 1])
            far = np.flatnonzero(distance >= STEP)
            if not len(far):
                break
            direction = way[far] / distance[far, None]
            at[far] += STEP * direction
            found.append(direction)
            owner.append(far)
    who = np.concatenate(owner)
    order = np.argsort(who, kind="stable")
    return Sequences(np.concatenate(found)[order].astype(np.float32), np.bincount(who, minlength=n))


def gestures(seed: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``each`` strokes of every shape, as points (n, POINTS, 2), and their names."""
    rng = np.random.default_rng(seed)
    points = np.concatenate([drawn(rng, shape(rng, each)) for shape in SHAPES.values()])
    return points, np.repeat(list(SHAPES), each)


def begun(frames: Sequences, shares: np.ndarray) -> Sequences:
    """Return the beginnings of sequences, a share of each."""
    lengths = np.maximum(1, np.rint(shares * frames.lengths).astype(np.int64))
    inside = np.arange(len(frames.X)) - np.repeat(frames.starts, frames.lengths)
    return Sequences(frames.X[inside < np.repeat(lengths, frames.lengths)], lengths)


def shown(points: np.ndarray, names: np.ndarray, probabilities: np.ndarray) -> dict[str, list[list[float]]]:
    """Return a large stroke of each shape, every second point of the one that is recognised best."""
    large = np.ptp(points, axis=1).max(axis=1) > 0.65
    chosen = {}
    for column, name in enumerate(sorted(SHAPES)):
        best = np.argmax(np.where(large & (names == name), probabilities[:, column], -1))
        chosen[name] = np.append(points[best, ::2], points[best, -1:], axis=0).round(4).tolist()
    return chosen


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=1500, help="of each shape, to train on")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "web" / "live")
    given = parser.parse_args()

    points, names = gestures(1, given.strokes)
    frames = steps(points)
    # Each stroke twice: whole, and only begun, for the page asks while it is drawn.
    half = begun(frames, np.random.default_rng(2).uniform(0.1, 1, len(frames)))
    both = Sequences.from_list([*frames, *half])
    # The recipe's first piece needs the whole stroke; steps of the pen take its place.
    recipe = strokes(
        bidirectional=False, hidden_size=given.hidden, pooling=("last",), max_epochs=given.epochs, scaling=None,
        preprocessing=None, label_smoothing=0.0, n_estimators=1, random_state=0,
    ).set_params(stroke="passthrough")  # fmt: skip
    model = recipe.fit(both, np.concatenate([names, names]))[-1]

    points, names = gestures(HELD_OUT, max(1, given.strokes // 2))
    frames = steps(points)
    right = {str(share): float(model.score(begun(frames, np.full(len(frames), share)), names)) for share in SHARES}
    guessed = model.predict(frames)
    print(right)
    print({name: round(float((guessed[names == name] == name).mean()), 3) for name in SHAPES})
    print(f"{frames.lengths.min()} to {frames.lengths.max()} steps, {frames.lengths.mean():.0f} on average")

    given.out.mkdir(parents=True, exist_ok=True)
    # Nobody trains on: two thirds of the file would be the optimiser's state.
    del model._rng
    seriatim.save(model, given.out / "gestures.safetensors")
    told = {
        "step": STEP,
        "strokes": given.strokes * len(SHAPES),
        "held_out": len(names),
        "right": right,
        "shown": shown(points, names, model.predict_proba(frames)),
    }
    (given.out / "gestures.json").write_text(json.dumps(told, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
