"""ONNX files: what onnxruntime makes of them is what the library computes."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from support import normal

import seriatim
from seriatim import Sequences, nn, pack_padded_sequence, pad_packed_sequence
from seriatim import preprocessing as prep
from seriatim.export import _graph, _modules, export_onnx
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
    ReservoirRegressor,
)
from seriatim.nn.containers._ensemble import average

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

DIMS = {"gru1": 9, "gru2": 7, "gru3": 5, "fc": 6}
# Lengths and T, one after another through one session: batch and steps are free. Not sorted; of one step; of one
# sequence; none as long as T.
BATCHES = [([3, 9, 1, 6, 6], 9), ([1], 1), ([4], 4), ([1, 1], 3), ([2, 7, 5], 12)]
KINDS = {
    "GRU": lambda **options: nn.GRU(5, 7, **options),
    "GRU reset before": lambda **options: nn.GRU(5, 7, reset_after=False, **options),
    "LSTM": lambda **options: nn.LSTM(5, 7, **options),
    "LSTM with peepholes": lambda **options: nn.LSTM(5, 7, peephole=True, **options),
    "RNN tanh": lambda **options: nn.RNN(5, 7, **options),
    "RNN relu": lambda **options: nn.RNN(5, 7, nonlinearity="relu", **options),
    "MinGRU": lambda **options: nn.MinGRU(5, 7, **options),
    "MinLSTM": lambda **options: nn.MinLSTM(5, 7, **options),
    "IndRNN relu": lambda **options: nn.IndRNN(5, 7, **options),
    "IndRNN tanh": lambda **options: nn.IndRNN(5, 7, nonlinearity="tanh", **options),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def session(model, path, **options):
    """Export, check and open."""
    export_onnx(model, path, **options)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def outputs(opened, **inputs):
    lengths = np.array(inputs.pop("lengths"), np.int64)
    return dict(
        zip([o.name for o in opened.get_outputs()], opened.run(None, {**inputs, "lengths": lengths}), strict=True)
    )


def agree(given, wanted):
    assert list(given) == list(wanted)
    for name, array in wanted.items():
        assert given[name].dtype == np.float32
        np.testing.assert_allclose(given[name], array, rtol=0, atol=1e-5, err_msg=name)


def padded(lengths, steps, features):
    """Sequences ``(B, T, D)`` with NaN behind their ends: nobody may look at it."""
    x = normal(len(lengths), steps, features)
    for row, length in zip(x, lengths, strict=True):
        row[length:] = np.nan
    return x


@pytest.mark.parametrize("initial_state", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent(kind, num_layers, bidirectional, bias, batch_first, initial_state, path):
    options = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
    module = KINDS[kind](rng=0, dropout=0.5, **options).eval()
    names = ("h", "c") if kind.startswith("LSTM") else ("h",)
    opened = session(module, path, initial_state=initial_state)
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 5)
        x = x if batch_first else np.ascontiguousarray(x.swapaxes(0, 1))
        shape = (num_layers * module.num_directions, len(lengths), 7)
        first = {f"{name}0": normal(*shape, seed=i) for i, name in enumerate(names) if initial_state}
        states = tuple(first.values()) if kind.startswith("LSTM") else first.get("h0")
        packed = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
        y, last = module(packed, states or None) if kind.startswith("LSTM") else module(packed, states)
        y, _ = pad_packed_sequence(y, batch_first=batch_first, total_length=steps)
        last = last if kind.startswith("LSTM") else (last,)
        wanted = {"y": y, **{f"{name}_n": state for name, state in zip(names, last, strict=True)}}
        agree(outputs(opened, x=x, lengths=lengths, **first), wanted)


def deepgru(classifier=None):
    """A DeepGRU with statistics as after training, in training mode: the export is as in evaluation."""
    model = nn.DeepGRU(4, 3, DIMS, rng=0)
    if classifier is not None:
        model.classifier = classifier
    for seed, module in enumerate(model.modules()):
        if isinstance(module, nn.BatchNorm1d) and module.track_running_stats:
            size = module.num_features
            module.running_mean, module.running_var = normal(size, seed=seed), 0.5 + normal(size, seed=seed) ** 2
            if module.affine:
                module.weight.data, module.bias.data = normal(size, seed=seed + 100), normal(size, seed=seed + 200)
    return model.train()


def agrees_with_deepgru(model, path, **options):
    opened = session(model, path, **options)
    assert model.training
    model.eval()
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 4)
        agree(outputs(opened, x=x, lengths=lengths), {"log_probs": model(x, lengths)})


@pytest.mark.parametrize("opset_version", [15, 17, 18, 22])
def test_deepgru(opset_version, path):
    agrees_with_deepgru(deepgru(), path, opset_version=opset_version)
    assert [o.version for o in onnx.load(path).opset_import] == [opset_version]


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Flatten(), nn.Linear(10, 3, bias=False, rng=0), nn.LeakyReLU(0.3), nn.Softmax()),
        (nn.Identity(), nn.BatchNorm1d(10, eps=0.1, affine=False), nn.ELU(0.7), nn.Linear(10, 3, rng=0), nn.Sigmoid()),
        (nn.Sequential(nn.Linear(10, 3, rng=0), nn.Dropout(1.0)), nn.Sequential(), nn.Tanh(), nn.LogSoftmax(dim=0)),
    ],
    ids=lambda layers: ", ".join(type(layer).__name__ for layer in layers),
)
def test_other_classifiers(layers, path):
    agrees_with_deepgru(deepgru(nn.Sequential(*layers)), path)


@pytest.mark.parametrize(
    "module",
    [
        *[nn.Flatten(*axes) for axes in [(0,), (1,), (2,), (-2,), (0, 1), (0, -2), (-3, -2), (1, 2), (2, 2)]],
        *[nn.Softmax(dim) for dim in (0, 1, -1)],
        nn.LogSoftmax(1),
        nn.Linear(6, 2, rng=0),
        nn.BatchNorm1d(4),
    ],
    ids=repr,
)
def test_rows_of_more_axes(module, path):
    """Not in any model yet, but every module of rows takes three axes."""
    graph = _graph.Graph(onnx, module)
    y = _graph.emit(graph, _modules.ROWS, module, graph.input("x", np.float32, ("A", "B", "C")))
    x = normal(3, 4, 6)
    wanted = module.eval()(x)
    graph.output("y", y, np.float32, [f"D{axis}" for axis in range(wanted.ndim)])
    model = graph.model("rows", 17, {})
    onnx.checker.check_model(model, full_check=True)
    opened = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    agree({"y": opened.run(None, {"x": x})[0]}, {"y": wanted})


def test_a_module_in_two_places_and_other_stacks(path):
    twice = nn.Linear(10, 10, rng=0)
    model = deepgru(nn.Sequential(twice, nn.Tanh(), twice, nn.Linear(10, 3, rng=1)))
    model.gru1 = nn.LSTM(4, 6, bidirectional=True, rng=2)
    model.gru2 = nn.RNN(12, 7, rng=3)
    agrees_with_deepgru(model, path)


# ---- Classifiers


def fitted(labels, **options):
    rng = np.random.default_rng(0)
    y = np.arange(12) % len(labels)
    rows = [rng.normal(size=(n, 4)) + label for n, label in zip(rng.integers(2, 9, 12), y, strict=True)]
    model = DeepGRUClassifier(dims=DIMS, max_epochs=30, batch_size=4, learning_rate=0.02, random_state=0, **options)
    return model.fit(Sequences.from_list(rows), np.array(labels)[y])


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["up", "down", "größer 上"], np.object_),
        ([-7, 40, -(2**62)], np.int64),
        (np.array([3, 200], np.uint8), np.int64),
        ([False, True], None),
        ([2.0, 5.0, 1.0], None),
        (np.array([0, 2**63], np.uint64), None),
    ],
)
def test_classifier(labels, kind, path):
    model = fitted(labels)
    opened, answers = session(model, path), set()
    metadata = opened.get_modelmeta().custom_metadata_map
    assert metadata == {
        "class_name": "DeepGRUClassifier",
        "seriatim_version": seriatim.__version__,
        "classes": json.dumps(model.classes_.tolist()),
    }
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 4) + (np.arange(len(lengths)) % len(labels)).astype(np.float32)[:, None, None]
        sequences = [row[:length] for row, length in zip(x, lengths, strict=True)]
        given = outputs(opened, x=x, lengths=lengths)
        label = given.pop("label")
        assert label.dtype == (np.int64 if kind is None else kind)
        predicted = model.predict(sequences)
        np.testing.assert_array_equal(model.classes_[label] if kind is None else label, predicted)
        answers |= set(predicted.tolist())
        log_probs, probabilities = model.predict_log_proba(sequences), model.predict_proba(sequences)
        agree(given, {"log_probs": log_probs, "probabilities": probabilities})
    assert len(answers) > 1


# ---- What is refused, and files


class OwnGRU(nn.GRU):
    pass


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (nn.LSTM(5, 7, proj_size=3), {}, ValueError, "model: expected proj_size 0, .* got 3"),
        (nn.GRU(5, 7, norm="layer"), {}, ValueError, "model: expected norm None, as ONNX's GRU .* got 'layer'"),
        (
            nn.Linear(2, 3),
            {},
            TypeError,
            r"model: expected one of \['DeepGRU', 'FrameRNN', 'GRU', 'IndRNN', .*'RNN', 'SequenceRNN'\].* got Linear",
        ),
        (OwnGRU(2, 3), {}, TypeError, "got OwnGRU"),
        ({}, {}, TypeError, "model: expected one of .*'DeepGRU'.* or a fitted estimator of such, got dict"),
        (nn.DeepGRU(4, 3, DIMS), {"initial_state": True}, ValueError, "initial_state: expected False"),
        (DeepGRUClassifier(), {}, NotFittedError, "not fitted"),
        (nn.MinGRU(2, 3, zoneout=0.1), {}, ValueError, "model: expected zoneout 0"),
        (nn.GRU(2, 3), {"opset_version": 14}, ValueError, "opset_version: expected an integer from 15 to .* got 14"),
        (nn.GRU(2, 3), {"opset_version": 999}, ValueError, "got 999"),
        (nn.GRU(2, 3), {"opset_version": "17"}, ValueError, "got '17'"),
        (
            deepgru(nn.Sequential(nn.ReLU(), nn.GRU(10, 3))),
            {},
            TypeError,
            r"classifier\.1: expected one of \['BatchNorm1d', .*'Tanh'\] to export, got GRU",
        ),
        (
            deepgru(nn.Sequential(nn.BatchNorm1d(10, affine=False, track_running_stats=False))),
            {},
            ValueError,
            r"classifier\.0: expected running statistics",
        ),
    ],
)
def test_what_cannot_be_exported(model, options, error, message, path):
    path.write_bytes(b"old")
    with pytest.raises(error, match=message):
        export_onnx(model, path, **options)
    assert path.read_bytes() == b"old"


def test_a_file_is_replaced_as_a_whole(path, monkeypatch):
    path.write_bytes(b"old")

    def crash(*_):
        assert path.read_bytes() == b"old"
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="no space left"):
            export_onnx(nn.GRU(2, 3), path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"
    assert export_onnx(nn.GRU(2, 3), str(path)) is None
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert {p.key for p in onnx.load(path).metadata_props} == {"class_name", "seriatim_version"}


def test_without_onnx(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'seriatim\[onnx\]'"):
        export_onnx(nn.GRU(2, 3), path)


def test_what_no_output_needs_is_left_out(path):
    export_onnx(deepgru(), path)
    graph = onnx.load(path).graph
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    assert {tensor.name for tensor in graph.initializer} <= used
    assert all(used.intersection(node.output) for node in graph.node)


@pytest.mark.parametrize("rnn", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("head", ["log_softmax", "linear"])
def test_sequence_rnn(rnn, bidirectional, num_layers, head, path):
    options = {"rnn": rnn, "bidirectional": bidirectional, "num_layers": num_layers, "head": head}
    module = nn.SequenceRNN(5, 7, 3, rng=0, dropout=0.5, **options).eval()
    opened = session(module, path)
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 5)
        agree(
            outputs(opened, x=x, lengths=lengths), {"log_probs" if head == "log_softmax" else "y": module(x, lengths)}
        )


TRAINING = [normal(3 + i % 4, 5, seed=i) * 3 + 2 for i in range(12)]


@pytest.mark.parametrize("kind", [DeepGRUClassifier, GRUClassifier, LSTMClassifier])
@pytest.mark.parametrize("place", ["before", "inside", "both"])
def test_scalings_are_part_of_the_model(kind, place, path):
    sizes = {"dims": DIMS} if kind is DeepGRUClassifier else {"hidden_size": 6}
    inside = make_pipeline(prep.Center(), prep.MinMaxScale((-1, 1))) if place != "before" else None
    model = kind(max_epochs=1, random_state=0, preprocessing=inside, **sizes)
    if place != "inside":
        model = make_pipeline(prep.Standardize(), model)
    model.fit(TRAINING, ["a", "b"] * 6)
    opened = session(model, path)
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 5)
        rows = [row[:n] for row, n in zip(x, lengths, strict=True)]
        found = outputs(opened, x=x, lengths=lengths)
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-5)
        assert found["label"].tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize("targets", [1, 3])
def test_regressor(targets, path):
    y = normal(12, targets) * 50 + 1000
    model = DeepGRURegressor(dims=DIMS, max_epochs=1, random_state=0).fit(TRAINING, y[:, 0] if targets == 1 else y)
    opened = session(model, path)
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 5)
        rows = [row[:n] for row, n in zip(x, lengths, strict=True)]
        found = outputs(opened, x=x, lengths=lengths)
        np.testing.assert_allclose(found["prediction"], model.predict(rows), rtol=1e-5)


@pytest.mark.parametrize("opset_version", [15, 18, 22])
@pytest.mark.parametrize(
    "module",
    [
        nn.SequenceRNN(5, 7, 3, rnn="lstm", bidirectional=True, pooling=("last", "mean", "max", "positive"), rng=0),
        nn.SequenceRNN(5, 7, 3, rnn="rnn", pooling=("max",), rng=0),
        nn.DeepGRU(5, 3, DIMS, bidirectional=True, pooling=("mean", "max"), rng=0),
        nn.Ensemble(nn.DeepGRU(5, 3, DIMS, rng=0), nn.SequenceRNN(5, 7, 3, pooling=("mean",), rng=1)),
    ],
    ids=lambda m: type(m).__name__,
)
def test_pooling_and_ensembles(module, opset_version, path):
    module.eval()
    opened = session(module, path, opset_version=opset_version)
    for lengths, steps in BATCHES:
        x = padded(lengths, steps, 5)
        wanted = module(x, lengths)
        wanted = average(wanted, True) if isinstance(module, nn.Ensemble) else wanted
        agree(outputs(opened, x=x, lengths=lengths), {"log_probs": wanted})


UNITS = 10.0 ** np.random.default_rng(0).uniform(-4, 3, 12)
LONG = [np.abs(normal(200 + 7 * i, 5, seed=i)) * np.append(unit, [1, 1, 1, 1]) for i, unit in enumerate(UNITS)]


@pytest.mark.parametrize("kind", [DeepGRUClassifier, GRUClassifier, ReservoirClassifier, ReservoirRegressor])
@pytest.mark.parametrize("data", [TRAINING, LONG], ids=["short", "long"])
def test_what_auto_became_is_part_of_the_model(kind, data, path):
    settings = {} if "Reservoir" in kind.__name__ else {"max_epochs": 1, "n_estimators": 2, "reservoir": True}
    model = kind(random_state=0, **settings).fit(data, np.arange(12) % 3)
    if data is LONG:
        assert [type(step).__name__ for _, step in model.scaling_.steps] == ["LevelAndShape", "Standardize"]
        assert type(model.preprocessing_.steps[-1][1]).__name__ == "Stack"
    opened = session(model, path)
    lengths = np.array([len(x) for x in data])
    x = np.full((12, lengths.max(), 5), np.nan, np.float32)
    for row, sequence in zip(x, data, strict=True):
        row[: len(sequence)] = sequence
    found = outputs(opened, x=x, lengths=lengths)
    if hasattr(model, "classes_"):
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(data), atol=1e-4)
    else:
        np.testing.assert_allclose(found["prediction"], model.predict(data), atol=1e-3)


def test_what_has_to_run_before_the_model_is_named(path):
    model = make_pipeline(prep.Downsample(2), GRUClassifier(hidden_size=4, max_epochs=1)).fit(TRAINING, [0, 1] * 6)
    with pytest.raises(ValueError, match=r"got Downsample\(\); transform sequences before the model"):
        export_onnx(model, path)
    with pytest.raises(ValueError, match="SequenceRNN takes no states"):
        export_onnx(nn.SequenceRNN(2, 3, 2), path, initial_state=True)


# ---- Offsets

FAR = [(1.7e9, 1e-2), (5_411_932, 0.4), (0, 1e-25), (0, 1e20)]


def walk(offset, unit, n=12):
    rng = np.random.default_rng(0)
    rows = [offset + unit * np.cumsum(rng.normal(size=(k, 2)), axis=0) for k in rng.integers(4, 9, n)]
    return Sequences.from_list(rows), np.arange(n) % 2


@pytest.mark.parametrize(("offset", "unit"), FAR)
@pytest.mark.parametrize(
    "step",
    [
        prep.Standardize(), prep.Standardize("sequence"), prep.MinMaxScale((-1, 1)),
        make_pipeline(prep.Center(), prep.Standardize()), make_pipeline(prep.Deltas(), prep.Standardize()),
        make_pipeline(prep.Deltas(append=False), prep.Stack(2), prep.Standardize("sequence")),
    ],
    ids=repr,
)  # fmt: skip
def test_offsets_and_units_of_sequences(step, offset, unit, path):
    sequences, y = walk(offset, unit)
    settings = {"hidden_size": 3, "max_epochs": 1, "random_state": 0}
    for model in (
        make_pipeline(step, GRUClassifier(**settings, scaling=None, preprocessing=None)),
        GRUClassifier(**settings, preprocessing=step),
    ):
        model.fit(sequences, y)
        opened = session(model, path)
        assert opened.get_inputs()[0].type == "tensor(double)"
        x, lengths = padded_of(sequences)
        given = outputs(opened, x=x, lengths=lengths)
        np.testing.assert_allclose(given["log_probs"], model.predict_log_proba(sequences), atol=2e-5)


def test_units_of_float32_whose_squares_vanish(path):
    sequences, y = walk(0, 1e-25)
    sequences = Sequences(sequences.X.astype(np.float32), sequences.lengths)
    step = prep.Standardize("sequence")
    model = GRUClassifier(hidden_size=3, max_epochs=1, random_state=0, preprocessing=step).fit(sequences, y)
    x, lengths = padded_of(sequences)
    given = outputs(session(model, path), x=x.astype(np.float64), lengths=lengths)
    np.testing.assert_allclose(given["log_probs"], model.predict_log_proba(sequences), atol=2e-5)
    assert model.predict_log_proba(sequences).std(axis=0).min() > 1e-4, "not all the same"


def padded_of(sequences):
    x = np.full((len(sequences), sequences.lengths.max(), sequences.X.shape[1]), np.nan)
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    return x, sequences.lengths


def test_level_and_shape_at_an_offset(path):
    rng = np.random.default_rng(0)
    rows = [4e6 + u * rng.normal(size=(9, 1)) for u in np.repeat(10.0 ** np.arange(-2, 4), 2)]
    sequences = Sequences.from_list(rows)
    model = GRUClassifier(hidden_size=3, max_epochs=1, random_state=0).fit(sequences, np.arange(12) % 2)
    assert isinstance(model.scaling_.steps[0][1], prep.LevelAndShape)
    x, lengths = padded_of(sequences)
    given = outputs(session(model, path), x=x, lengths=lengths)
    np.testing.assert_allclose(given["log_probs"], model.predict_log_proba(sequences), atol=1e-4)


@pytest.mark.parametrize(("offset", "unit"), [*FAR, (0, 1e200)])
@pytest.mark.parametrize("outputs_of_y", [1, 2])
def test_offsets_and_units_of_targets(offset, unit, outputs_of_y, path):
    sequences, _ = walk(0, 1)
    y = offset + unit * np.random.default_rng(1).normal(size=(12, outputs_of_y))
    y = y[:, 0] if outputs_of_y == 1 else y
    model = ReservoirRegressor(hidden_size=5, random_state=0).fit(sequences, y)
    x, lengths = padded_of(sequences)
    given = outputs(session(model, path), x=x.astype(np.float32), lengths=lengths)["prediction"]
    assert given.dtype == np.float64
    np.testing.assert_allclose((given - offset) / unit, (model.predict(sequences) - offset) / unit, atol=1e-5)


def test_a_type_of_ones_own(path):
    sequences, y = walk(3, 1)
    model = GRUClassifier(hidden_size=3, max_epochs=1, random_state=0).fit(sequences, y)
    x, lengths = padded_of(sequences)
    for dtype, kind in ((None, "float"), (np.float32, "float"), ("float64", "double")):
        opened = session(model, path, dtype=dtype)
        assert opened.get_inputs()[0].type == f"tensor({kind})"
        given = outputs(opened, x=x.astype(np.float64 if kind == "double" else np.float32), lengths=lengths)
        np.testing.assert_allclose(given["log_probs"], model.predict_log_proba(sequences), atol=1e-5)
    with pytest.raises(ValueError, match="dtype: expected float32, float64 or None, got 'int8'"):
        export_onnx(model, path, dtype="int8")
    with pytest.raises(ValueError, match="dtype: expected None for a module"):
        export_onnx(nn.GRU(2, 3), path, dtype="float64")
