"""A linear readout that is solved for at once, not trained: ridge regression on what a fixed network makes."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.linear_model import RidgeCV

from seriatim._typing import AnyArray, Array

# Penalties on standardised features, from hardly any to nearly all.
ALPHAS = np.logspace(0, 6, 13)
# Logarithms of the factors that scores may be sharpened by.
_SHARPNESS = (-2.0, 4.0)


def solve_readout(features: Array, values: AnyArray, weights: Array | None) -> tuple[Array, Array, AnyArray]:
    """Solve a ridge regression whose penalty has the least error of leaving one out.

    Parameters
    ----------
    features : ndarray, shape (n, width)
    values : ndarray, shape (n, outputs)
    weights : ndarray, shape (n,), or None

    Returns
    -------
    weight : ndarray, shape (outputs, width)
    bias : ndarray, shape (outputs,)
        Of features as they are given: their standardisation is in both.
    left_out : ndarray of float64, shape (n, outputs)
        What is predicted for each row by the others.
    """
    Z = features.astype(np.float64)
    mean, spread = Z.mean(axis=0), Z.std(axis=0)
    steady = spread <= 1e-6 * np.abs(mean) + 1e-12
    scale = np.where(steady, 0, 1 / np.where(steady, 1, spread))
    # Given a scoring, it keeps predictions in the place of squared errors.
    ridge = RidgeCV(ALPHAS, scoring="neg_mean_squared_error", store_cv_results=True)
    ridge.fit((Z - mean) * scale, values, sample_weight=weights)
    best = int(np.flatnonzero(ridge.alpha_ == ALPHAS)[0])
    left_out: AnyArray = ridge.cv_results_.reshape(len(Z), -1, len(ALPHAS))[:, :, best]
    weight = ridge.coef_.reshape(values.shape[1], -1) * scale
    bias = np.atleast_1d(ridge.intercept_) - weight @ mean
    return weight.astype(np.float32), bias.astype(np.float32), left_out


def sharpness(scores: AnyArray, target: AnyArray, weights: Array | None) -> float:
    """Return the factor on scores ``(n, classes)`` whose softmax makes the labels the most probable."""

    def loss(logarithm: float) -> float:
        sharp = scores * np.exp(logarithm)
        of_label = sharp[np.arange(len(target)), target]
        return float(np.average(np.logaddexp.reduce(sharp, axis=1) - of_label, weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=_SHARPNESS, method="bounded").x))
