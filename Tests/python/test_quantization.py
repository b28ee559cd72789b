"""quantize(): the bits of rounded weights, files, ONNX, and that nothing trains what serves inference alone."""

import copy
import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from support import normal

import seriatim
from seriatim import nn, optim
from seriatim.models import CharacterModel, DeepGRUClassifier, GRUClassifier, ReservoirClassifier
from seriatim.preprocessing import Standardize

FORMS = ("bfloat16", "int8")
DIMS = {"gru1": 5, "gru2": 4, "gru3": 3, "fc": 4}
MODULES = [
    nn.GRU(4, 5, 2, bidirectional=True, rng=0),
    nn.GRU(4, 5, bias=False, reset_after=False, rng=0),
    nn.GRU(4, 5, zoneout=0.2, rng=0),
    nn.LSTM(4, 6, proj_size=3, dropout=0.1, rng=0),
    nn.LSTM(4, 6, peephole=True, rng=0),
    nn.RNN(4, 5, nonlinearity="relu", rng=0),
    nn.Sequential(nn.Linear(4, 6, rng=0), nn.Tanh(), nn.Linear(6, 2, rng=1)),
    nn.DeepGRU(4, 3, dims=DIMS),
]


def first(output):
    return output[0] if isinstance(output, tuple) else output


def output(module):
    x = normal(6, 3, 4)
    return first(module(x.transpose(1, 0, 2) if isinstance(module, nn.DeepGRU) else x))


def rounded(module, quantised):
    """The float32 module with the weights that a quantised one stands for."""
    other = copy.deepcopy(module).eval()
    other.load_state_dict(quantised.state_dict())
    return other


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("module", MODULES, ids=lambda m: repr(m).split("\n")[0])
def test_modules(module, form, tmp_path):
    before = module.state_dict()
    small = seriatim.quantize(module, form)
    assert type(small) is type(module)
    assert not small.training
    assert f"weights={form!r}" in repr(small)
    assert module.training
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    wanted, found = output(rounded(module, small)), output(small)
    if form == "bfloat16":
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert abs(found - output(copy.deepcopy(module).eval())).max() < 2e-2
    path = tmp_path / "small.safetensors"
    seriatim.save(small, path)
    for again in (seriatim.load(path), pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        assert repr(again) == repr(small)
        np.testing.assert_array_equal(output(again), found)


@pytest.mark.parametrize("cell", [nn.GRUCell(4, 5, rng=0), nn.LSTMCell(4, 5, rng=0), nn.RNNCell(4, 5, rng=0)], ids=repr)
def test_cells(cell):
    small = seriatim.quantize(cell)
    x = normal(3, 4)
    np.testing.assert_array_equal(first(small(x)), first(rounded(cell, small)(x)))


def test_what_keeps_float32():
    table = nn.Embedding(5, 4)
    tied = nn.Linear(4, 5, rng=0)
    tied.weight = table.weight
    module = nn.Sequential(
        table, nn.GRU(4, 4, norm="layer", rng=0), nn.MinGRU(4, 4, rng=0), tied, nn.Linear(5, 2, rng=0)
    )
    small = seriatim.quantize(module, "int8")
    kept = {name: p.form for name, p in small.named_parameters()}
    assert [name for name, form in kept.items() if form == "int8"] == ["4.weight"]
    assert small[3].weight is small[0].weight
    with pytest.raises(ValueError, match="Conv2d has no weights that are quantised"):
        seriatim.quantize(nn.Conv2d(1, 1, 1))


def test_training_is_refused():
    small = seriatim.quantize(nn.Sequential(nn.Linear(3, 3, rng=0), nn.Linear(3, 2, rng=0)), "int8")
    outer = nn.Sequential(nn.Linear(3, 3, rng=1))
    outer.add_module("small", small)
    y = outer(normal(2, 3))
    weight = small[0].weight
    for attempt in (
        small.train,
        outer.train,
        lambda: setattr(small, "training", True),
        lambda: small.requires_grad_(True),
        lambda: small.backward(y),
        lambda: outer.backward(y),
        lambda: small.load_state_dict(small.state_dict()),
    ):
        with pytest.raises(RuntimeError, match="quantised to int8 and serves inference alone: train the float32 model"):
            attempt()
    for name, value in (("data", np.zeros((3, 3))), ("grad", np.zeros((3, 3))), ("requires_grad", True)):
        with pytest.raises(AttributeError, match="the parameter is quantised to int8"):
            setattr(weight, name, value)
    assert not weight.data.flags.writeable
    assert not small.training
    small.requires_grad_(False)
    small.zero_grad()
    optim.SGD(small.parameters(), lr=0.1)
    np.testing.assert_array_equal(outer(normal(2, 3)), y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.weight.data.__setitem__((1, 0), np.nan), r"weight: expected finite numbers, got nan at \(1, 0\)"),
        (lambda m: m.weight.data.__setitem__((0, 0), 3.4e38), "weight: expected numbers up to 3.3895e38"),
    ],
)
def test_weights_that_cannot_be(change, message):
    module = nn.Linear(2, 2, rng=0)
    change(module)
    with pytest.raises(ValueError, match=message):
        seriatim.quantize(module)


def test_arguments():
    module = nn.Linear(2, 2, rng=0)
    with pytest.raises(ValueError, match="weights: expected 'bfloat16' or 'int8', got 'int4'"):
        seriatim.quantize(module, "int4")
    with pytest.raises(ValueError, match="expected float32 weights, got bfloat16: they have been rounded already"):
        seriatim.quantize(seriatim.quantize(module), "int8")
    with pytest.raises(TypeError, match=r"expected a module of seriatim\.nn, a fitted estimator"):
        seriatim.quantize([module])
    with pytest.raises(TypeError, match="got Standardize, which has none"):
        seriatim.quantize(Standardize().fit(normal(4, 2)))
    with pytest.raises(NotFittedError):
        seriatim.quantize(GRUClassifier())


def test_files_are_small_and_older_versions_refuse_them(tmp_path):
    module = nn.GRU(30, 40, rng=0)
    sizes = {}
    for name, model in (("float32", module), *((form, seriatim.quantize(module, form)) for form in FORMS)):
        path = tmp_path / name
        seriatim.save(model, path)
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        sizes[name] = len(content)
        # Versions that know formats up to 3 say that a newer one reads 4.
        assert json.loads(header["__metadata__"]["seriatim"])["format"] == (3 if name == "float32" else 4)
    assert sizes["bfloat16"] < 0.57 * sizes["float32"]
    assert sizes["int8"] < 0.34 * sizes["float32"]


def test_a_file_without_a_scale_is_refused(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = tmp_path / "m"
    seriatim.save(seriatim.quantize(nn.Linear(3, 2, rng=0), "int8"), path)
    with safe_open(path, "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in list(file.keys()) if name != "weight.scale"}
        save_file(tensors, path, {"seriatim": file.metadata()["seriatim"]})
    with pytest.raises(ValueError, match=r"weight\.scale: missing"):
        seriatim.load(path)


def sequences():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 3)) + n % 2 for n in rng.integers(2, 9, 12)], np.array(["a", "b"])[np.arange(12) % 2]


@pytest.mark.parametrize("form", FORMS)
def test_estimators(form, tmp_path):
    X, y = sequences()
    model = DeepGRUClassifier(dims=DIMS, max_epochs=1, random_state=0, warm_start=True).fit(X, y)
    probabilities = model.predict_proba(X)
    small = seriatim.quantize(model, form)
    found = small.predict_proba(X)
    assert 0 < abs(found - probabilities).max() < 1e-2
    np.testing.assert_array_equal(model.predict_proba(X), probabilities)
    assert small.get_params()["dims"] == DIMS
    for attempt in (small.fit, small.partial_fit):
        with pytest.raises(RuntimeError, match=f"quantised to {form} and serves inference alone"):
            attempt(X, y)
    np.testing.assert_array_equal(small.predict_proba(X), found)
    assert small.attention(X[:1])[0].shape == (len(X[0]),)
    path = tmp_path / "small"
    seriatim.save(small, path)
    for again in (seriatim.load(path), pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        np.testing.assert_array_equal(again.predict_proba(X), found)
    fresh = clone(small)
    assert not hasattr(fresh, "module_")
    np.testing.assert_array_equal(fresh.fit(X, y).predict_proba(X), probabilities)
    # The original goes on.
    model.fit(X, y)


def test_ensembles_pipelines_and_characters():
    X, y = sequences()
    model = GRUClassifier(hidden_size=3, max_epochs=1, n_estimators=2, reservoir=False, random_state=0)
    pipeline = make_pipeline(Standardize(), model).fit(X, y)
    small = seriatim.quantize(pipeline, "int8")
    forms = [p.form for p in small[-1].module_.parameters()]
    assert forms.count("int8") >= 8
    assert abs(small.predict_proba(X) - pipeline.predict_proba(X)).max() < 1e-2
    assert {p.form for p in pipeline[-1].module_.parameters()} == {"float32"}
    text = CharacterModel(hidden_size=3, max_epochs=1, random_state=0).fit("ababab" * 20)
    small = seriatim.quantize(text)
    assert small.bits_per_character("abab") == pytest.approx(text.bits_per_character("abab"), abs=0.01)
    with pytest.raises(RuntimeError, match="quantised to bfloat16"):
        small.fit("ab")


@pytest.mark.parametrize("form", FORMS)
def test_onnx_has_the_rounded_weights(form, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from seriatim.export import export_onnx

    X, y = sequences()
    model = GRUClassifier(hidden_size=4, max_epochs=1, n_estimators=1, reservoir=False, random_state=0).fit(X, y)
    small = seriatim.quantize(model, form)
    path = tmp_path / "small.onnx"
    export_onnx(small, path)
    opened = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    longest = max(map(len, X))
    padded = np.zeros((len(X), longest, 3), np.float32)
    for row, sequence in zip(padded, X, strict=True):
        row[: len(sequence)] = sequence
    lengths = np.array([len(sequence) for sequence in X], np.int64)
    found = next(value for value in opened.run(None, {"x": padded, "lengths": lengths}) if np.ndim(value) == 2)
    np.testing.assert_allclose(np.exp(found), small.predict_proba(X), atol=1e-6)
    assert abs(small.predict_proba(X) - model.predict_proba(X)).max() > 1e-5


def test_a_layers_weights_are_in_one_form():
    lstm = nn.LSTM(3, 5, rng=0)
    mixed = seriatim.quantize(lstm, "int8")
    mixed.weight_ih_l0 = lstm.weight_ih_l0
    with pytest.raises(ValueError, match="one form, got weight_ih_l0: float32, weight_hh_l0: int8: assign the other"):
        mixed(np.zeros((2, 3)))
    mixed.weight_hh_l0 = lstm.weight_hh_l0
    np.testing.assert_array_equal(mixed(np.ones((2, 3)))[0], lstm.eval()(np.ones((2, 3)))[0])


def test_what_cannot_be_quantised_is_told_with_the_way_on():
    with pytest.raises(TypeError, match="GridSearchCV: give its best_estimator_"):
        seriatim.quantize(GridSearchCV(GRUClassifier(), {}))
    with pytest.raises(TypeError, match="ends with an estimator of seriatim, got one that ends with SVC"):
        seriatim.quantize(make_pipeline(GRUClassifier(), SVC()))


@pytest.mark.parametrize("form", FORMS)
def test_reservoirs_keep_their_weights(form):
    X, y = [normal(n, 2) for n in (5, 7, 6, 8)], [0, 1, 0, 1]
    model = GRUClassifier(hidden_size=3, max_epochs=1, n_estimators=1, reservoir=True, random_state=0).fit(X, y)
    kinds = {name: type(p).__name__ for name, p in seriatim.quantize(model, form).module_.named_parameters()}
    assert kinds["0.rnn.weight_hh_l0"] == "NarrowParameter"
    assert {kind for name, kind in kinds.items() if name.startswith("1.")} == {"Parameter"}
    with pytest.raises(ValueError, match="reservoirs, too"):
        seriatim.quantize(ReservoirClassifier(hidden_size=8, random_state=0).fit(X, y), form)
