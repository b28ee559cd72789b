"""Recurrent layers of Keras as ours: against their equations in float64, files that Keras wrote, and mistakes."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from support import close, normal

from seriatim import convert, nn

FIXTURES = Path(__file__).parents[1] / "fixtures"
GATES = {"keras_gru": 3, "keras_lstm": 4, "keras_rnn": 1}
OURS = {"keras_gru": nn.GRU, "keras_lstm": nn.LSTM, "keras_rnn": nn.RNN}
NAMES = ("kernel", "recurrent_kernel", "bias")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(function, inputs=3, units=4, seed=0):
    gates = GATES[function]
    bias = (2, 3 * units) if function == "keras_gru" else (gates * units,)
    return {
        "kernel": normal(inputs, gates * units, seed=seed),
        "recurrent_kernel": normal(units, gates * units, seed=seed + 1),
        "bias": normal(*bias, seed=seed + 2),
    }


def named(path, arrays):
    return {f"{path}/{name}": array for name, array in arrays.items()}


def lstm_in_doubles(x, w):
    h = c = np.zeros((x.shape[1], len(w["recurrent_kernel"])))
    outputs = []
    for step in x.astype(np.float64):
        i, f, g, o = np.split(step @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def test_lstm():
    x, w = normal(5, 2, 3), cell("keras_lstm")
    lstm = nn.LSTM(3, 4)
    lstm.load_state_dict(convert.keras_lstm(w))
    close(lstm(x)[0], lstm_in_doubles(x, w))


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_simple_rnn(nonlinearity):
    x, w = normal(5, 2, 3), cell("keras_rnn")
    del w["bias"]
    rnn = nn.RNN(3, 4, nonlinearity=nonlinearity)
    rnn.load_state_dict(convert.keras_rnn(w))
    h, outputs = np.zeros((2, 4)), []
    for step in x.astype(np.float64):
        h = step @ w["kernel"] + h @ w["recurrent_kernel"]
        h = np.tanh(h) if nonlinearity == "tanh" else np.maximum(h, 0)
        outputs.append(h)
    close(rnn(x)[0], np.stack(outputs))


@pytest.mark.parametrize("function", ["keras_gru", "keras_lstm"])
def test_cudnns_layout_is_the_same_weights(function):
    gates, w = GATES[function], cell(function)
    both = w["bias"] if function == "keras_gru" else np.stack([w["bias"], normal(16, seed=5)])
    cudnn = {
        # Each gate's kernel is transposed, but keeps its shape.
        "kernel": np.hstack([k.T.reshape(k.shape) for k in np.hsplit(w["kernel"], gates)]),
        "recurrent_kernel": np.hstack([k.T for k in np.hsplit(w["recurrent_kernel"], gates)]),
        "bias": both.reshape(-1),
    }
    x, results = normal(5, 2, 3), []
    if function == "keras_lstm":
        w["bias"] = both.sum(axis=0)
    for given in (cudnn, w):
        ours = OURS[function](3, 4)
        ours.load_state_dict(getattr(convert, function)(given))
        results.append(ours(x)[0])
    close(*results)


# ---- ConvLSTM2D


def same(x, kernel):
    """A convolution with Keras's padding, which is larger behind if it cannot be equal."""
    kh, kw = kernel.shape[:2]
    padded = np.pad(x, [(0, 0), (0, 0), ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(2, 3))
    return np.einsum("bihwkl,klio->bohw", windows, kernel)


def conv_lstm_in_doubles(x, w, dilation=1):
    h = c = np.zeros((x.shape[1], w["recurrent_kernel"].shape[2], *x.shape[3:]))
    kernel = w["kernel"]
    whole = np.zeros((*(dilation * (k - 1) + 1 for k in kernel.shape[:2]), *kernel.shape[2:]))
    whole[::dilation, ::dilation] = kernel
    outputs = []
    for step in x.astype(np.float64):
        sums = same(step, whole) + same(h, w["recurrent_kernel"])
        i, f, g, o = np.split(sums + w["bias"][:, None, None], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def conv_cell(kh, kw, inputs=2, filters=3, seed=0):
    shapes = (kh, kw, inputs, 4 * filters), (kh, kw, filters, 4 * filters), (4 * filters,)
    return {name: normal(*shape, seed=seed + i) for i, (name, shape) in enumerate(zip(NAMES, shapes, strict=True))}


@pytest.mark.parametrize(("kh", "kw"), [(3, 3), (2, 2), (1, 3), (4, 3)])
def test_conv_lstm(kh, kw):
    x, w = normal(3, 2, 2, 5, 6), conv_cell(kh, kw)
    state = convert.keras_conv_lstm(w)
    ours = nn.ConvLSTM(2, 3, state["ConvLSTMCell_00.gates_conv.weight"].shape[-1], 1)
    ours.load_state_dict(state)
    close(ours(x)[0], conv_lstm_in_doubles(x, w))


def test_conv_lstms_stack_and_dilation():
    x, first, second = normal(3, 2, 2, 7, 6), conv_cell(3, 3), conv_cell(3, 3, 3, 5, seed=7)
    given = {**named("conv_lstm2d_1/cell", second), **named("conv_lstm2d/cell", first)}
    ours = nn.ConvLSTM(2, [3, 5], 3, 2)
    ours.load_state_dict(convert.keras_conv_lstm(given))
    close(ours(x)[0], conv_lstm_in_doubles(conv_lstm_in_doubles(x, first), second))
    layer = model_layer("ConvLSTM2D", first, dilation_rate=[2, 2], padding="same", strides=[1, 1])
    ours = nn.ConvLSTM(2, 3, 5, 1)
    ours.load_state_dict(convert.keras_conv_lstm(layer))
    close(ours(x)[0], conv_lstm_in_doubles(x, first, 2))


def test_conv_lstm_whose_input_shrinks():
    w = conv_cell(3, 3)
    layer = model_layer("ConvLSTM2D", w, padding="valid", strides=(2, 1))
    with pytest.raises(ValueError, match=r"got 'valid' and \(2, 1\); split=True .*\(2, 12, \(3, 3\), stride=\(2, 1\)"):
        convert.keras_conv_lstm(layer)
    ours = nn.Sequential(nn.SequenceWise(nn.Conv2d(2, 12, 3, stride=(2, 1))), nn.ConvLSTMCell(3, 3))
    ours.load_state_dict(convert.keras_conv_lstm(layer, split=True))
    x = normal(3, 2, 2, 7, 6)
    # A convolution that keeps the size, of which the steps inside are taken.
    whole = np.stack([same(step, w["kernel"]) for step in x])[..., 1:-1:2, 1:-1]
    zero = {**w, "kernel": np.eye(12)[None, None]}
    close(ours(x), conv_lstm_in_doubles(whole, zero))


def test_keras_2s_gates_are_warned_of():
    w = {f"conv_lstm2d/{name}:0": array for name, array in conv_cell(3, 3).items()}
    with pytest.warns(UserWarning, match="recurrent_activation='hard_sigmoid'"):
        convert.keras_conv_lstm(w)
    convert.keras_conv_lstm(w, ignore=("recurrent_activation",))


# ---- Layers, models and their files


class Variable:
    def __init__(self, path, array):
        self.path, self._array = path, array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype)


def model_layer(kind, arrays, name="layer", **config):
    """What a layer of Keras looks like from outside."""
    weights = [Variable(f"net/{name}/cell/{part}", array) for part, array in arrays.items()]
    found = type(kind, (), {"get_config": lambda self: {"name": name, **config}})()
    found.name, found.weights = name, weights
    return found


def model_of(*layers, kind="Sequential", before=None):
    entries = []
    for place, layer in enumerate(layers):
        entry = {"class_name": type(layer).__name__, "config": layer.get_config()}
        if before is not None:
            entry["inbound_nodes"] = [[[name, 0, 0, {}] for name in before[place]]]
        entries.append(entry)
    found = type(kind, (), {"get_config": lambda self: {"name": "net", "layers": entries}})()
    found.name, found.layers = "net", list(layers)
    found.weights = [weight for layer in layers for weight in layer.weights]
    return found


def lstm_layers(*names, inputs=(3, 4)):
    return [
        model_layer("LSTM", cell("keras_lstm", size, seed=place), name)
        for place, (name, size) in enumerate(zip(names, inputs, strict=True))
    ]


def test_a_model_says_its_layers_order():
    first, second = lstm_layers("zebra", "ape")
    dropout = model_layer("Dropout", {}, "dropout")
    dense = model_layer("Dense", {"kernel": normal(4, 2)}, "dense")
    found = convert.keras_lstm(model_of(first, dropout, second, dense))
    np.testing.assert_array_equal(found["weight_ih_l1"], second.weights[0].__array__().T)
    again = convert.keras_lstm(model_of(first, dense, second), layer=["zebra", "ape"])
    one = convert.keras_lstm(model_of(first, dense, second), layer="ape")
    for name, array in one.items():
        np.testing.assert_array_equal(array, again[name.replace("l0", "l1")])
    with pytest.raises(ValueError, match="ape: does not take the output of zebra alone"):
        convert.keras_lstm(model_of(first, dense, second))
    chain = model_of(first, dropout, second, kind="Functional", before=[[], ["zebra"], ["dropout"]])
    assert len(convert.keras_lstm(chain)) == 8
    branches = model_of(*lstm_layers("zebra", "ape", inputs=(4, 4)), kind="Functional", before=[[], ["input"]])
    with pytest.raises(ValueError, match="ape: does not take the output of zebra alone"):
        convert.keras_lstm(branches)


def test_variables_know_their_names():
    first, second = lstm_layers("lstm", "lstm_1")
    found = convert.keras_lstm([*second.weights, *first.weights])
    np.testing.assert_array_equal(found["weight_ih_l0"], first.weights[0].__array__().T)
    with pytest.raises(ValueError, match="two weights have this name"):
        convert.keras_lstm([*first.weights, *first.weights])


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("activation", "relu", "expected activation='tanh', which ours has, got 'relu'"),
        ("activation", None, "got 'linear'"),
        ("recurrent_activation", {"class_name": "function", "config": "hard_sigmoid"}, "got 'hard_sigmoid'"),
        ("go_backwards", True, "reverse x, and the outputs"),
        ("stateful", True, "give the states that a call returns"),
    ],
)
def test_what_a_layer_does_otherwise_is_refused(setting, value, message):
    layer = model_layer("LSTM", cell("keras_lstm"), **{setting: value})
    with pytest.raises(ValueError, match=message):
        convert.keras_lstm(layer)
    assert len(convert.keras_lstm(layer, ignore=(setting,))) == 4


def test_both_directions_and_how_they_are_joined():
    config = {"class_name": "LSTM", "config": {"go_backwards": False}}
    behind = {"class_name": "LSTM", "config": {"go_backwards": True}}
    layer = model_layer("Bidirectional", {}, layer=config, backward_layer=behind, merge_mode="sum")
    for place, side in enumerate(("forward", "backward")):
        arrays = cell("keras_lstm", seed=place)
        layer.weights += [Variable(f"layer/{side}_lstm/lstm_cell/{name}", array) for name, array in arrays.items()]
    with pytest.raises(ValueError, match=r"merge_mode='concat', which ours has, got 'sum'; combine y\[..., :H\]"):
        convert.keras_lstm(layer)
    assert "weight_ih_l0_reverse" in convert.keras_lstm(layer, ignore=("merge_mode",))


@pytest.mark.parametrize("name", ["keras.keras", "keras.h5.gz"])
def test_a_file_of_keras(name, tmp_path):
    pytest.importorskip("h5py")
    kept = load_file(FIXTURES / "keras.safetensors")
    path = tmp_path / name.removesuffix(".gz")
    content = (FIXTURES / name).read_bytes()
    path.write_bytes(gzip.decompress(content) if name.endswith("gz") else content)
    lstm = nn.LSTM(3, 2, 2, batch_first=True, bidirectional=True)
    lstm.load_state_dict(convert.keras_lstm(path))
    close(lstm(kept["x"])[0], kept["y"])
    with pytest.raises(ValueError, match=r"no GRU is in it, .*; convert.keras_lstm are for these"):
        convert.keras_gru(path)


def test_the_same_by_names():
    kept = load_file(FIXTURES / "keras.safetensors")
    x, y = kept.pop("x"), kept.pop("y")
    lstm = nn.LSTM(3, 2, 2, batch_first=True, bidirectional=True)
    with pytest.raises(ValueError, match="net/dense/bias: not of a recurrent layer"):
        convert.keras_lstm(kept)
    lstm.load_state_dict(convert.keras_lstm(kept, layer=["first", "behind"]))
    close(lstm(x)[0], y)


def test_what_is_no_file_of_keras(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no such file"):
        convert.keras_lstm(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("a model")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        convert.keras_lstm(tmp_path / "text.keras")
    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace(is_hdf5=lambda path: False))
    with pytest.raises(ValueError, match=r"expected a file of Keras, .keras, .weights.h5 or .h5"):
        convert.keras_lstm(tmp_path / "text.keras")


# ---- Lists, and mistakes


def test_lists_are_read_in_one_way_or_not_at_all():
    first, second = cell("keras_lstm", 4), cell("keras_lstm", 4, seed=5)
    arrays = [*first.values(), *second.values()]
    with pytest.raises(ValueError, match="expected names with the arrays, or units="):
        convert.keras_lstm(arrays)
    with pytest.raises(ValueError, match=r"got 2 layer\(s\); 1 layer\(s\) of two directions: say bidirectional="):
        convert.keras_lstm(arrays, units=4)
    assert "weight_ih_l1" in convert.keras_lstm(arrays, units=4, bidirectional=False)
    found = convert.keras_lstm(arrays, units=4, bidirectional=True)
    np.testing.assert_array_equal(found["weight_ih_l0_reverse"], second["kernel"].T)
    with pytest.raises(ValueError, match="units=3, got none"):
        convert.keras_lstm(arrays, units=3)
    with pytest.raises(TypeError, match="say how a list of arrays is read"):
        convert.keras_lstm(first, units=4)


@pytest.mark.parametrize("function", GATES)
@pytest.mark.parametrize("other", [*GATES, "conv"])
def test_weights_of_another_kind(function, other):
    if function == other:
        return
    given = conv_cell(3, 3) if other == "conv" else cell(other, units=12)
    wanted = "keras_conv_lstm" if other == "conv" else other
    with pytest.raises(ValueError, match=rf"recurrent_kernel: expected shape .*: convert.{wanted}"):
        getattr(convert, function)(given)


def test_mistakes_are_named():
    turned = {name: array.T for name, array in cell("keras_lstm").items()}
    with pytest.raises(ValueError, match=r"got \(16, 4\); it is turned"):
        convert.keras_lstm(turned)
    with pytest.raises(ValueError, match="weight_ih_l0: not known; torch's, whose names and layouts are ours"):
        convert.keras_lstm(nn.LSTM(3, 4).state_dict())
    with pytest.raises(TypeError, match="a layer or model of Keras, its weights, or the path of its file, got int"):
        convert.keras_lstm(3)
    with pytest.raises(ValueError, match="layer='gru': no recurrent layer has this name, got lstm/cell"):
        convert.keras_lstm(named("lstm/cell", cell("keras_lstm")), layer="gru")
    with pytest.raises(ValueError, match="layer: has no weights yet; call it once"):
        convert.keras_lstm(model_layer("LSTM", {}))


def test_a_name_is_one_name():
    layer = model_layer("GRU", cell("keras_gru"), "gru", activation="relu", recurrent_activation="sigmoid")
    with pytest.raises(ValueError, match="expected activation='tanh'"):
        convert.keras_gru(layer, ignore="recurrent_activation")
    assert len(convert.keras_gru(layer, ignore="activation", layer="gru")) == 4
    for function in (convert.keras_gru, convert.keras_conv_lstm):
        with pytest.raises(ValueError, match=r"ignore: expected of activation, .*, merge_mode, got 'relu'"):
            function(layer, ignore=["activation", "relu"])
        with pytest.raises(TypeError, match="ignore: expected names of settings"):
            function(layer, ignore=3)


@pytest.mark.parametrize("layer", [0, 1, [], ["lstm", 1], False])
def test_layers_are_asked_for_by_name(layer):
    with pytest.raises(TypeError, match="layer: expected the name of a layer, or a list of names"):
        convert.keras_lstm(model_of(*lstm_layers("lstm", "lstm_1")), layer=layer)


def test_layers_are_asked_for_by_themselves():
    layers = lstm_layers("zebra", "ape")
    one, both = (convert.keras_lstm(model_of(*layers), layer=layer) for layer in (layers[1], layers))
    np.testing.assert_array_equal(one["weight_ih_l0"], layers[1].weights[0].__array__().T)
    assert len(both) == 8
    with pytest.raises(ValueError, match="layer: expected different names"):
        convert.keras_lstm(model_of(*layers), layer=["ape", layers[1]])


def test_a_layer_that_a_model_applies_twice():
    (layer,) = lstm_layers("lstm", inputs=(4,))
    model = model_of(layer, kind="Functional", before=[["input"]])
    (entry,) = model.get_config()["layers"]
    entry["inbound_nodes"].append([["lstm", 0, 0, {}]])
    nested = model_of(model_of(layer), kind="Functional", before=[["input"]])
    nested.get_config()["layers"][0]["inbound_nodes"] *= 2
    for given in (model, nested):
        with pytest.raises(ValueError, match=r"lstm: is applied 2 times, .* layer='.*lstm' gives it once"):
            convert.keras_lstm(given)
        assert len(convert.keras_lstm(given, layer="lstm")) == 4
