"""Estimators that train on a Dask cluster, on data that stays there, with the bits of one process.

Not imported by ``import seriatim``; needs dask and distributed, which come with ``pip install 'seriatim[dask]'``.
"""

from __future__ import annotations

try:
    import dask.array
    import dask.distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"seriatim.dask: expected dask and distributed, got: {error}; install them by pip install 'seriatim[dask]'"
    ) from error

from seriatim.dask._estimators import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
    VideoClassifier,
)

__all__ = ["DeepGRUClassifier", "DeepGRURegressor", "GRUClassifier", "LSTMClassifier", "VideoClassifier"]
