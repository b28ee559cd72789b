"""Files: what comes back, and what is said of files that are not whole, not ours, or too new."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import seriatim
from seriatim import models, nn
from seriatim import preprocessing as prep
from seriatim.models import DeepGRUClassifier
from seriatim.persistence._files import read

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
        nn.LSTM(3, 4, proj_size=2, batch_first=True),
        nn.LSTM(3, 4, bidirectional=True, norm="layer"),
        nn.RNN(3, 4, nonlinearity="relu"),
        nn.GRUCell(3, 4),
        nn.MinGRU(3, 4, 2, bidirectional=True, zoneout=0.1),
        nn.MinLSTM(3, 4, bias=False),
        nn.IndRNN(3, 4, nonlinearity="tanh"),
        nn.IndRNNCell(3, 4),
        nn.Linear(3, 4, bias=False),
        nn.Embedding(5, 3, padding_idx=1),
        nn.Conv2d(2, 4, (3, 2), stride=2, padding=1, groups=2),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.LeakyReLU(0.2), nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten()),
        nn.Sequential({"first": nn.Linear(2, 3), "second": nn.ELU(0.5)}),
        nn.Residual(nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)), nn.Conv2d(2, 2, 1)),
        nn.Concat(nn.Linear(2, 3), nn.Identity(), dim=-1),
        nn.ConvGRU(2, [3, 4], [3, 3], 2),
        nn.ConvLSTM(2, 3, 3, 1),
        nn.ConvLayer(2, 3, separable=True, activation="LeakyReLU"),
        nn.ConvRNN(2, 3, cell="gru"),
        nn.VideoSequential(nn.ConvRNN(2, 3), nn.SequenceWise(nn.MaxPool2d(2))),
        nn.SequenceRNN(3, 4, 2, rnn="lstm", num_layers=2, bidirectional=True, dropout=0.1),
        nn.SequenceRNN(3, 4, 2, rnn="rnn", pooling=("mean", "positive")),
        nn.DeepGRU(3, 2, {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 4}, bidirectional=True, pooling=("max",)),
        nn.Ensemble(nn.SequenceRNN(3, 4, 2), nn.SequenceRNN(3, 4, 2, pooling=("max",))),
        nn.FrameRNN(3, 4, 2, rnn="lstm", num_layers=2, bidirectional=True, dropout=0.1, convolution=3),
        nn.FrameWindow(3, 4, 2, centred=True),
        nn.VideoRNN(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), 3, 4, 2, rnn="gru"),
        nn.VGG16(2, (1, 1, 1, 1, 1), fc=2),
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


X_SETS = {
    "DeepGRURegressor": (models.DeepGRURegressor(dims={"gru1": 4, "gru2": 3, "gru3": 3, "fc": 3}, max_epochs=1), X),
    "GRUClassifier": (models.GRUClassifier(hidden_size=4, max_epochs=1, num_layers=2), X),
    "LSTMClassifier": (models.LSTMClassifier(hidden_size=4, max_epochs=1, bidirectional=False), X),
    "VideoClassifier": (
        models.VideoClassifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), 3, hidden_size=4, max_epochs=1),
        [x.reshape(-1, 1, 2, 1).repeat(2, axis=3) for x in X],
    ),
    "preprocessing inside": (
        models.GRUClassifier(
            hidden_size=4, max_epochs=1, augmentation=prep.Jitter(),
            preprocessing=make_pipeline(prep.Standardize(), prep.Deltas()),
        ),
        X,
    ),
    "pipeline": (
        make_pipeline(
            prep.Standardize(), prep.MinMaxScale(over="sequence"), prep.Pad(),
            models.GRUClassifier(
                hidden_size=4, max_epochs=1, augmentation=prep.Compose([prep.Tempo(0.9), prep.Jitter(0.1)])
            ),
        ),
        X,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", X_SETS)
def test_every_estimator_comes_back(tmp_path, name):
    model, data = X_SETS[name]
    model = clone(model).fit(data, np.arange(12) % 2)
    seriatim.save(model, tmp_path / "m")
    again = seriatim.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(data), model.predict(data))
    if name not in ("pipeline", "preprocessing inside", "VideoClassifier"):
        assert again.get_params() == model.get_params()
    assert repr(again)
    again.fit(data, np.arange(12) % 2)


ESTIMATORS = {
    "classifier": models.GRUClassifier(hidden_size=4, max_epochs=1),
    "attention": models.DeepGRUClassifier(dims={"gru1": 4, "gru2": 3, "gru3": 3, "fc": 3}, max_epochs=1),
    "regressor": models.DeepGRURegressor(dims={"gru1": 4, "gru2": 3, "gru3": 3, "fc": 3}, max_epochs=1),
    "reservoir": models.ReservoirClassifier(hidden_size=8),
    "reservoir of numbers": models.ReservoirRegressor(hidden_size=8),
    "level": prep.LevelAndShape(),
    "scaling": prep.Standardize(),
    "pad": prep.Pad(),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_everything_that_a_fit_leaves_in_public_is_declared(name):
    model = clone(ESTIMATORS[name]).fit(X, np.arange(12) % 2)
    public = {key for key in vars(model) if key.endswith("_") and not key.startswith("_")}
    assert public <= set(model._fitted_state())


def test_a_fitted_attribute_that_is_none_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    seriatim.save(prep.Standardize().fit(X), path)
    header, tensors = read(path)
    header["model"]["fitted"]["fit"] = 1
    save_file(tensors, path, metadata={"seriatim": json.dumps(header)})
    with pytest.raises(ValueError, match=r"Standardize: expected fitted attributes out of its own, got \['fit'\]"):
        seriatim.load(path)


def test_a_file_says_what_the_module_is_now(tmp_path):
    module = nn.Sequential(nn.LeakyReLU(0.1), nn.Dropout(0.1))
    module[0].negative_slope, module[1].p = 0.5, 0.7
    np.testing.assert_allclose(module[0]([-1.0]), -0.5)
    seriatim.save(module, tmp_path / "m")
    again = seriatim.load(tmp_path / "m")
    assert (again[0].negative_slope, again[1].p) == (0.5, 0.7)
    with pytest.raises(AttributeError, match="reset_after"):
        nn.GRU(2, 3).reset_after = False


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
    header, _ = read(path)
    for change, words in (
        ({"format": 99}, "reads formats 3 and 4: a newer version reads it"),
        ({"format": None}, "its header's format is None: expected a number"),
        ({"format": "3"}, "its header's format is '3'"),
        ({"alike": []}, r"its header's alike is \[\]: expected names"),
        ({"alike": {"more": []}}, "its header's alike is"),
        ({"model": None}, "its header's model is None"),
        ({"format": 2, "model": {"class": "Linear", "config": 3}}, "is not as save writes it"),
        ({"format": 1}, "in format 1; .* reads formats 3 and 4: fit and save the model again"),
        ({"model": {**header["model"], "class": "os.system"}}, "does not know"),
        ({"model": {**header["model"], "class": "flatten"}}, "does not know"),
    ):
        save_file(load_file(path), path, metadata={"seriatim": json.dumps({**header, **change})})
        with pytest.raises(ValueError, match=words):
            seriatim.load(path)


def test_only_known_classes_are_saved(tmp_path):
    class Linear(nn.Linear):
        pass

    with pytest.raises(TypeError, match="state_dict"):
        seriatim.save(Linear(2, 3), tmp_path / "x")
    with pytest.raises(TypeError, match=r"Sequential.1:"):
        seriatim.save(nn.Sequential(nn.Linear(2, 3), Linear(3, 2)), tmp_path / "x")
    with pytest.raises(TypeError, match=r"DeepGRUClassifier.augmentation: expected"):
        seriatim.save(fitted(["a", "b"] * 6, augmentation=lambda s, rng, target: s), tmp_path / "x")
    with pytest.raises(TypeError, match="list"):
        seriatim.save([nn.Linear(2, 3)], tmp_path / "x")
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


def identical(sequences, rng, target):
    """An augmentation that no file can hold."""
    return sequences


@pytest.mark.parametrize("augmentation", [identical, prep.Compose([identical])])
def test_a_function_is_taken_out_before_saving_as_the_error_says(tmp_path, augmentation):
    model = fitted(["a", "b"] * 6, augmentation=augmentation)
    with pytest.raises(TypeError, match=r"augmentation.*got function: .* set_params\(augmentation=None\) before"):
        seriatim.save(model, tmp_path / "model")
    seriatim.save(model.set_params(augmentation=None), tmp_path / "model")
    assert np.array_equal(seriatim.load(tmp_path / "model").predict(X), model.predict(X))
    model = fitted(["a", "b"] * 6, schedule=lambda optimizer, steps: None)
    with pytest.raises(TypeError, match=r"schedule: .* set_params\(schedule='constant'\) before"):
        seriatim.save(model, tmp_path / "model")


def test_what_is_saved_the_wrong_way(tmp_path):
    model = fitted(["a", "b"] * 6)
    with pytest.raises(TypeError, match=r"the model comes first, save\(model, 'a.safetensors'\)"):
        seriatim.save("a.safetensors", model)
    for wrong in (lambda: seriatim.load([]), lambda: seriatim.read_metadata(3), lambda: seriatim.save(model, None)):
        with pytest.raises(TypeError, match=r"path: expected a string or a pathlib.Path, got (list|int|NoneType)"):
            wrong()
    with pytest.raises(FileNotFoundError, match=r"no.model: there is no folder .*no to write it to"):
        seriatim.save(model, tmp_path / "no" / "model")
    for wrong in (lambda: seriatim.save(model, tmp_path), lambda: seriatim.load(tmp_path)):
        with pytest.raises(IsADirectoryError, match="expected the path of a file, got that of a folder"):
            wrong()
    assert not list(tmp_path.iterdir())
