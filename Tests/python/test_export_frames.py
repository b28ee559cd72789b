"""Networks and estimators of frames as ONNX models, run by onnxruntime."""

import numpy as np
import pytest
from support import normal

from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.export import export_onnx
from seriatim.models import FrameClassifier, FrameRegressor
from seriatim.nn.containers._ensemble import average

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

LENGTHS = np.array([4, 9, 1, 7])


def run(model, path, lengths=LENGTHS, steps=11, features=5, **options):
    """Return the outputs by name for a padded batch, its padding NaN, and the sequences."""
    export_onnx(model, path, **options)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = np.full((len(lengths), steps, features), np.nan, np.float32)
    rows = [normal(n, features, seed=i) * 3 + 2 for i, n in enumerate(lengths)]
    for place, row in zip(x, rows, strict=True):
        place[: len(row)] = row
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x, "lengths": lengths}), strict=True)), x, rows


@pytest.mark.parametrize("rnn", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("convolution", [None, 1, 2, 5, 12])
def test_modules(tmp_path, rnn, bidirectional, convolution):
    for head, name in (("log_softmax", "log_probs"), ("linear", "y")):
        options = {"rnn": rnn, "bidirectional": bidirectional, "convolution": convolution, "head": head}
        module = nn.FrameRNN(5, 7, 3, num_layers=2, dropout=0.5, rng=0, **options).eval()
        found, x, _ = run(module, tmp_path / "model.onnx")
        np.testing.assert_allclose(found[name], module(x, LENGTHS), atol=2e-6)


@pytest.mark.parametrize("opset_version", [15, 18, 22])
@pytest.mark.parametrize("head", ["log_softmax", "linear"])
def test_ensembles(tmp_path, opset_version, head):
    module = nn.Ensemble(*(nn.FrameRNN(5, 6, 3, convolution=2 * i + 1, head=head, rng=i) for i in range(3))).eval()
    found, x, _ = run(module, tmp_path / "model.onnx", opset_version=opset_version)
    wanted = average(module(x, LENGTHS), head == "log_softmax")
    inside = np.arange(x.shape[1]) < LENGTHS[:, None]
    (values,) = found.values()
    np.testing.assert_allclose(values[inside], wanted[inside], atol=2e-6)
    assert not values[~inside].any()


TRAINING = [normal(5 + i % 4, 5, seed=i) * 3 + 2 for i in range(12)]


@pytest.mark.parametrize("classes", [["a", "b"], [3, -7]])
@pytest.mark.parametrize("options", [{}, {"n_estimators": 2, "convolution": 3}, {"preprocessing": prep.Deltas()}])
def test_classifiers(tmp_path, classes, options):
    y = [np.array(classes)[(x[:, 0] > 2).astype(int)] for x in TRAINING]
    model = FrameClassifier(hidden_size=4, max_epochs=2, random_state=0, **options).fit(TRAINING, y)
    found, _, rows = run(model, tmp_path / "model.onnx")
    assert found["label"].shape == found["probabilities"].shape[:2] == (4, 11)
    for i, (labels, shares) in enumerate(zip(model.predict(rows), model.predict_proba(rows), strict=True)):
        np.testing.assert_allclose(found["probabilities"][i, : len(labels)], shares, atol=1e-5)
        assert found["label"][i, : len(labels)].tolist() == labels.tolist()


@pytest.mark.parametrize("outputs", [1, 2])
def test_regressors(tmp_path, outputs):
    y = [x[:, 0] * 50 if outputs == 1 else x[:, :2] * 50 for x in TRAINING]
    model = FrameRegressor(hidden_size=4, max_epochs=2, random_state=0).fit(TRAINING, y)
    found, _, rows = run(model, tmp_path / "model.onnx")
    for i, numbers in enumerate(model.predict(rows)):
        np.testing.assert_allclose(found["prediction"][i, : len(numbers)], numbers, rtol=1e-4, atol=1e-3)
