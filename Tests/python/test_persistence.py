"""Files: what comes back, and what is said of files that are not whole, not ours, or too new."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import seriatim
from seriatim import nn
from seriatim.models import DeepGRUClassifier
from seriatim.persistence import _read

X = [np.random.default_rng(i).normal(size=(4 + i % 3, 2)) for i in range(12)]


def fitted(labels, **parameters):
    dims = {"gru1": 8, "gru2": 7, "gru3": 6, "fc": 5}
    return DeepGRUClassifier(dims=dims, max_epochs=2, random_state=0, **parameters).fit(X, labels)


@pytest.mark.parametrize("labels", [["ja", "nein"], [-3, 8], [2.0, 5.0], [False, True]])
def test_a_classifier_comes_back(tmp_path, labels):
    y = np.array([labels[i % 2] for i in range(12)])
    model = fitted(y, class_weight={labels[0]: 2.0, labels[1]: 1.0})
    path = tmp_path / "model.safetensors"
    seriatim.save(model, path)
    again = seriatim.load(path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.classes_.dtype == model.classes_.dtype
    assert again.get_params() == model.get_params()
    assert again.history_ == model.history_
    assert (again.n_iter_, again.n_features_in_) == (2, 2)
    again.partial_fit(X, y)
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


@pytest.mark.parametrize(
    "module",
    [
        nn.DeepGRU(3, 4, {"gru1": 5, "gru2": 4, "gru3": 3, "fc": 6}, dropout=0.1),
        nn.GRU(3, 4, 2, bidirectional=True, bias=False, reset_after=False),
        nn.Linear(3, 4, bias=False),
        nn.BatchNorm1d(3, eps=1e-3),
        nn.Dropout(0.3),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_module_comes_back(tmp_path, module):
    path = tmp_path / "module.safetensors"
    seriatim.save(module, path)
    again = seriatim.load(path)
    assert repr(again) == repr(module)
    assert not again.training
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], value)


def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    seriatim.save(nn.Linear(3, 4), path)
    whole = path.read_bytes()
    for length in (0, 4, 8, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            seriatim.load(path)


def test_files_that_are_not_ours_or_too_new(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="no such file"):
        seriatim.load(path)
    save_file({"a": np.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"not one of seriatim\.save's"):
        seriatim.load(path)
    seriatim.save(nn.Linear(3, 4), path)
    header, _ = _read(path)
    for change, words in (({"format": 99}, "reads formats up to"), ({"class": "os.system"}, "does not know")):
        save_file(load_file(path), path, metadata={"seriatim": json.dumps({**header, **change})})
        with pytest.raises(ValueError, match=words):
            seriatim.load(path)


def test_only_known_classes_are_saved(tmp_path):
    class Linear(nn.Linear):
        pass

    with pytest.raises(TypeError, match="expected one of"):
        seriatim.save(Linear(2, 3), tmp_path / "x")
    with pytest.raises(TypeError, match="state_dict"):
        seriatim.save(nn.Sequential(), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_an_old_file_survives_a_failed_save(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    seriatim.save(nn.Linear(3, 4, rng=0), path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        seriatim.save(nn.Linear(3, 4, rng=1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
