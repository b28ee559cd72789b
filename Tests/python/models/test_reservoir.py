"""Reservoirs: made and solved at once."""

import numpy as np
import pytest
from samples import ragged

import seriatim
from seriatim.models import (
    ReservoirClassifier,
    ReservoirRegressor,
)

X, Y = ragged()


def test_a_reservoir_fits_at_once(tmp_path):
    model = ReservoirClassifier(random_state=0).fit(X, Y)
    assert model.score(X, Y) == 1.0
    test, y = ragged(seed=1)
    assert model.score(test, y) > 0.95
    assert model.hidden_size_ == 1024
    assert model.history_ == {}
    assert not hasattr(model, "partial_fit")
    np.testing.assert_array_equal(ReservoirClassifier(random_state=0).fit(X, Y).predict(test), model.predict(test))
    seriatim.save(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        seriatim.load(tmp_path / "model.safetensors").predict_proba(test), model.predict_proba(test)
    )
    weighed = ReservoirClassifier(hidden_size=32, random_state=0, class_weight={0: 1.0, 1: 1e-6, 2: 1e-6})
    assert (weighed.fit(X, Y).predict(X) == 0).mean() > 0.9
    target = np.array([x[-1, 0] - x[0, 0] for x in X])
    assert ReservoirRegressor(random_state=0).fit(X, target).score(X, target) > 0.99
    with pytest.raises(ValueError, match="spectral_radius"):
        ReservoirClassifier(spectral_radius=-1).fit(X, Y)
