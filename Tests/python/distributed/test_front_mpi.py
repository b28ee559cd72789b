"""The estimators of `seriatim.mpi` in one process: what does not need mpi4py. `test_mpi.py` has the rest."""

import inspect
import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from support import normal

import seriatim
from seriatim import models, mpi
from seriatim.distributed import alone, run_threads, use

SETTINGS = {"hidden_size": 3, "max_epochs": 1, "random_state": 0}


@pytest.fixture
def data():
    return [normal(4 + i % 3, 2) for i in range(16)], np.arange(16) % 2


def test_inside_of_a_team_that_is_there_it_is_used(data):
    def train(team):
        with use(team):
            return mpi.GRUClassifier(**SETTINGS).fit(*data)

    plain = models.GRUClassifier(micro_shards=8, **SETTINGS).fit(*data)
    for model in run_threads(2, train):
        assert type(model) is mpi.GRUClassifier
        for one, other in ((model, plain), (model.to_local(), plain), (pickle.loads(pickle.dumps(model)), plain)):
            for a, b in zip(one.module_.state_dict().values(), other.module_.state_dict().values(), strict=True):
                assert a.tobytes() == b.tobytes()


def test_without_mpi4py_it_says_what_to_install(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    model = mpi.GRUClassifier(**SETTINGS)
    with pytest.raises(ImportError, match=r"pip install 'seriatim\[mpi\]'"):
        model.fit(*data)
    assert not hasattr(model, "module_")


def test_the_plain_estimator_is_what_is_saved(data, tmp_path):
    with use(alone()):
        model = mpi.GRUClassifier(**SETTINGS).fit(*data)
    assert type(clone(model)) is mpi.GRUClassifier
    with pytest.raises(TypeError, match=r"GRUClassifier of seriatim\.mpi: save what its to_local\(\) gives"):
        seriatim.save(model, tmp_path / "model")
    local = model.to_local()
    assert type(local) is models.GRUClassifier
    assert local.module_ is not model.module_
    seriatim.save(local, tmp_path / "model")
    loaded = seriatim.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(data[0]), model.predict_proba(data[0]))


def test_every_estimator_that_learns_by_gradients_is_there_and_only_its_fit_differs():
    learns = {name for name in models.__all__ if "micro_shards" in inspect.signature(getattr(models, name)).parameters}
    assert learns == set(mpi.__all__)
    for name in learns:
        front, plain = getattr(mpi, name), getattr(models, name)
        assert front.__bases__[-1] is plain
        assert front.__init__ is plain.__init__
        assert f":class:`seriatim.models.{name}`" in front.__doc__
