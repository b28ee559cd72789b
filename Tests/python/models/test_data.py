"""Weights, validation data, and an order that depends on the sequences alone."""

import numpy as np
import pytest
from samples import make, rising, weights_of

X, Y = rising()


def test_whole_weights_are_repetition_and_the_order_of_the_data_does_not_count():
    counts = np.random.default_rng(0).integers(0, 4, 60)
    repeated = np.repeat(np.arange(60), counts)
    shuffled = np.random.default_rng(1).permutation(len(repeated))
    weighted = make().fit(X, Y, sample_weight=counts)
    np.testing.assert_array_equal(
        weights_of(weighted), weights_of(make().fit(X[repeated[shuffled]], Y[repeated[shuffled]]))
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((X,), "expected .X, y. or .X, y, lengths., got tuple of 1"),
        ((X, Y[:3]), "expected observations of shape"),
        (([np.zeros((3, 5))], [0]), "expected observations of shape"),
        ((X, Y + 7), "previously unseen labels"),
    ],
)
def test_bad_validation_data(given, words):
    with pytest.raises(ValueError, match=words):
        make().fit(X, Y, validation_data=given)
