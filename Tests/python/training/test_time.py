"""A training that ends by the clock."""

import time
import warnings

import pytest
from samples import ragged
from sklearn.exceptions import ConvergenceWarning

from seriatim.models import (
    GRUClassifier,
)

X, Y = ragged()


def test_max_time_ends_training():
    model = GRUClassifier(random_state=0, max_time=0.5)
    began = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match=r"max_time: training ended after 0\.5 s, in epoch \d+ of 500"):
        model.fit(X, Y)
    # A reservoir is made behind it.
    assert time.perf_counter() - began < 5
    assert model.n_iter_ < 500
    # The learning rate has followed the clock down.
    assert model._optimizer.param_groups[0]["lr"] < 1e-3
    assert model.score(X, Y) > 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GRUClassifier(hidden_size=4, max_epochs=2, max_time=100, random_state=0).fit(X, Y)
