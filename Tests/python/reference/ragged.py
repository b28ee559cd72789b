"""Float64 twins of the preprocessing of ragged data: loops over sequences, rows and columns."""

from itertools import pairwise

import numpy as np


def parts(x, offsets):
    x = np.asarray(x, np.float64)
    return [x[a:b] for a, b in pairwise(offsets)]


def _each(x, offsets, what):
    width = x.shape[1]
    return np.array([what(p) if len(p) else np.zeros(width) for p in parts(x, offsets)]).reshape(-1, width)


def moments(x, offsets):
    return _each(x, offsets, lambda p: p.mean(axis=0)), _each(x, offsets, lambda p: p.std(axis=0))


def extrema(x, offsets):
    return _each(x, offsets, lambda p: p.min(axis=0)), _each(x, offsets, lambda p: p.max(axis=0))


def scale(x, offsets, shift, factor):
    return np.concatenate([(p - shift[s]) * factor[s] for s, p in enumerate(parts(x, offsets))])


def window_filter(x, offsets, width, kind):
    what, rows = {"mean": np.mean, "median": np.median}[kind], []
    for p in parts(x, offsets):
        for t in range(len(p)):
            first = t - width // 2
            rows.append(what(p[max(0, first) : first + width], axis=0))
    return np.array(rows)


def deltas(x, offsets, reach):
    norm, rows = 2 * sum(n * n for n in range(1, reach + 1)), []
    for p in parts(x, offsets):
        for t in range(len(p)):
            total = np.zeros(p.shape[1])
            for n in range(1, reach + 1):
                total += n * (p[min(t + n, len(p) - 1)] - p[max(t - n, 0)])
            rows.append(total / norm)
    return np.array(rows)


def rotate(x, offsets, matrices):
    out = []
    for s, p in enumerate(parts(x, offsets)):
        points = p.reshape(len(p), p.shape[1] // 3, 3)
        out.append(np.einsum("ij,tpj->tpi", np.asarray(matrices[s], np.float64), points).reshape(p.shape))
    return np.concatenate(out)


def interpolate_columns(x, offsets, positions):
    out = []
    for s, p in enumerate(parts(x, offsets)):
        at = np.clip(positions[s], 0, x.shape[1] - 1)
        out.append(np.array([np.interp(at, np.arange(x.shape[1]), row) for row in p]).reshape(len(p), len(at)))
    return np.concatenate(out)


def interpolate_rows(x, positions):
    x = np.asarray(x, np.float64)
    return np.stack([np.interp(positions, np.arange(len(x)), x[:, d]) for d in range(x.shape[1])], axis=1)
