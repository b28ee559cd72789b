"""State dicts as people have them: files, checkpoints, wrappers, parametrisations, and what is none."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from support import normal

from seriatim import convert, nn, save

NET = nn.Sequential(nn.Conv2d(1, 2, 1, rng=0), nn.BatchNorm2d(2), nn.GRU(2, 3, rng=1))
STATE = NET.state_dict()
GRU = nn.GRU(2, 3, rng=1).state_dict()


class Tensor:
    """What torch's tensors have in common with these: a type that NumPy may not have, a device, a gradient."""

    def __init__(self, array, **marks):
        self.array, self.shape, self.dtype = array, array.shape, marks.pop("dtype", "torch.float32")
        self.__dict__.update(marks)

    def __array__(self, *args, **kwargs):
        raise RuntimeError("requires grad, or on another device")

    def detach(self):
        return self

    cpu = resolve_neg = float = detach

    def numpy(self):
        return self.array


class Holder:
    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state


def fresh():
    return nn.Sequential(nn.Conv2d(1, 2, 1, rng=5), nn.BatchNorm2d(2), nn.GRU(2, 3, rng=6))


def prefixed(prefix, state=STATE):
    return {prefix + name: value for name, value in state.items()}


def tensors(**marks):
    return {name: Tensor(value, **marks) for name, value in STATE.items()}


WAYS = {
    "module of ours": lambda: NET,
    "module of torch's": lambda: Holder(STATE),
    "pairs": lambda: iter(STATE.items()),
    "parameters of ours": lambda: [*NET.named_parameters(), *NET.named_buffers()],
    "tensors": lambda: tensors(),
    "bfloat16": lambda: tensors(dtype="torch.bfloat16"),
    "DataParallel": lambda: prefixed("module."),
    "a longer prefix": lambda: prefixed("net.encoder.cnn."),
    "compiled": lambda: prefixed("_orig_mod."),
    "compiled within": lambda: {name.replace("2.", "2._orig_mod."): value for name, value in STATE.items()},
    "lightning": lambda: {"state_dict": prefixed("model."), "epoch": 3, "hyper_parameters": {"lr": 0.1}},
    "torch's tutorial": lambda: {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}, "param_groups": []}},
    "counters": lambda: {**STATE, "total_ops": 3, "2.total_params": 1, "0._extra_state": None, "_metadata": {}},
    "DataParallel within": lambda: {name.replace("2.", "2.module."): value for name, value in STATE.items()},
    "averaged": lambda: {"n_averaged": 3, **prefixed("module.")},
    "no count": lambda: {name: value for name, value in STATE.items() if "num_batches" not in name},
    "no count, prefix": lambda: {f"module.{name}": v for name, v in STATE.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("way", WAYS)
def test_states_that_are_taken(way):
    net = fresh()
    found = net.load_state_dict(WAYS[way]())
    assert found.missing_keys == found.unexpected_keys == []
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, STATE[name])


def test_files_that_are_taken(tmp_path):
    from safetensors.numpy import save_file

    save_file(prefixed("module."), tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", **STATE)
    for name in ("a.safetensors", "a.npz"):
        net = fresh()
        net.load_state_dict(tmp_path / name)
        net.load_state_dict(str(tmp_path / name))
        np.testing.assert_array_equal(net[2].weight_hh_l0.data, STATE["2.weight_hh_l0"])


def test_a_prefix_that_not_all_names_have():
    given = {**prefixed("model."), "loss.weight": np.zeros(2)}
    net = fresh()
    with pytest.raises(ValueError, match=r"begin with 'model.' fit, others do not: .* prefix='model.'"):
        net.load_state_dict(given)
    assert net.load_state_dict(given, prefix="model.").unexpected_keys == []
    np.testing.assert_array_equal(net[0].weight.data, STATE["0.weight"])
    with pytest.raises(ValueError, match=r"expected one that some names begin with, got 'decoder.'"):
        net.load_state_dict(given, prefix="decoder.")


def test_without_strict_a_shared_prefix_does_not_make_nothing_of_all():
    given = prefixed("module.", {**STATE, "head.weight": np.zeros(2)})
    del given["module.0.bias"]
    found = fresh().load_state_dict(given, strict=False)
    assert found == (["0.bias"], ["head.weight"])


def test_names_that_are_meant_literally():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight_g, self.weight_v = nn.Parameter([1.0]), nn.Parameter([2.0])
            self.register_buffer("total_ops", np.zeros(1))
            self.module = nn.Linear(1, 1)

    state = Named().state_dict()
    assert list(state) == ["weight_g", "weight_v", "total_ops", "module.weight", "module.bias"]
    Named().load_state_dict(state)
    with pytest.raises(ValueError, match="total_ops: missing"):
        Named().load_state_dict({name: value for name, value in state.items() if name != "total_ops"})
    nn.SequenceWise(nn.Linear(1, 1)).load_state_dict(prefixed("module.", {"weight": [[1.0]], "bias": [2.0]}))


LINEAR = {"weight": normal(2, 3), "bias": np.zeros(2)}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (lambda: NET.parameters(), TypeError, "Parameter without names: give state_dict"),
        (lambda: [list(GRU.values())], TypeError, "of list without names"),
        (lambda: np.zeros(3), TypeError, "got ndarray"),
        (lambda: None, TypeError, "got NoneType"),
        (lambda: {3: np.zeros(2)}, TypeError, "expected names of weights, got 3"),
        (lambda: [("weight", 1), ("weight", 2)], ValueError, "weight is given twice"),
        (lambda: {"weight": 1, "_orig_mod.weight": 2}, ValueError, "are both weight without what wraps them"),
        (lambda: {"model": LINEAR, "epoch": 1}, TypeError, r"under 'model': .* checkpoint\['model'\]"),
        (lambda: {"state": {}, "param_groups": []}, TypeError, "an optimiser's state"),
        (
            lambda: {**LINEAR, "weight": Tensor(LINEAR["weight"], is_quantized=True)},
            ValueError,
            "weight: quantised by torch",
        ),
        (
            lambda: {**LINEAR, "weight": Tensor(LINEAR["weight"], is_meta=True)},
            ValueError,
            "weight: a tensor on torch's device 'meta'",
        ),
        (lambda: {"scale": 1, "_packed_params._packed_params": ()}, ValueError, "weights are quantised by torch"),
        (lambda: {"parametrizations.weight.original": np.zeros(2)}, ValueError, "none of weight_norm, spectral_norm"),
        (
            lambda: {f"parametrizations.weight.original{i}": np.ones(shape) for i, shape in ((0, (3, 1)), (1, (2, 3)))},
            ValueError,
            "none of weight_norm, spectral_norm",
        ),
    ],
)  # fmt: skip
def test_states_that_are_refused(given, error, message):
    net = nn.Linear(3, 2, rng=0)
    before = net.state_dict()
    with pytest.raises(error, match=message):
        net.load_state_dict(given())
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_files_that_are_refused(tmp_path):
    for name, content in (("a.pt", b"PK\3\4"), ("b", b"\x80\2}q."), ("c.ckpt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"a pickle, which can run code, is never read: state = torch.load"):
            NET.load_state_dict(tmp_path / name)
    (tmp_path / "d.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"Keras's: seriatim.convert"):
        NET.load_state_dict(tmp_path / "d.h5")
    save(NET, tmp_path / "e.safetensors")
    with pytest.raises(ValueError, match=r"seriatim.save wrote: seriatim.load\("):
        NET.load_state_dict(tmp_path / "e.safetensors")
    with pytest.raises(FileNotFoundError):
        NET.load_state_dict(tmp_path / "none.safetensors")


def test_what_may_be_the_matter():
    for make, message in (
        (nn.LSTM, "weight_hh_l0 is an LSTM's, of four; wanted here is a GRU's, of three"),
        (nn.RNN, "weight_hh_l0 is an RNN's, of one block of rows; wanted"),
    ):
        with pytest.raises(ValueError, match=message):
            nn.GRU(2, 3).load_state_dict(make(2, 3).state_dict())
    with pytest.raises(ValueError, match="they fit the part '2': call load_state_dict of it"):
        fresh().load_state_dict(GRU)
    with pytest.raises(ValueError, match=r"named_parameters\(\) has no running statistics"):
        fresh().load_state_dict(NET.named_parameters())
    with pytest.raises(ValueError, match=r"names are Keras's: seriatim.convert"):
        nn.GRU(2, 3).load_state_dict({"gru/kernel:0": 0, "gru/recurrent_kernel:0": 0})
    with pytest.raises(ValueError, match=r"\(names without 'a.', which all of them begin with\)\s+bias_hh_l0: missing"):
        nn.GRU(2, 3).load_state_dict(prefixed("a.", {k: v for k, v in GRU.items() if k != "bias_hh_l0"}))


# ---- Weights in parts


def parts(kind):
    """One weight in the parts that torch keeps, and the whole one."""
    v, g = normal(4, 3, seed=1), normal(4, 1, seed=2)
    u, right = normal(4, seed=3), normal(3, seed=4)
    mask = (v > 0).astype(np.float32)
    normed = g * v / np.sqrt(np.sum(v * v, axis=1, keepdims=True))
    new = "parametrizations.weight."
    return {
        "weight_norm": ({f"{new}original0": g, f"{new}original1": v}, normed),
        "old weight_norm": ({"weight_g": g, "weight_v": v}, normed),
        "one norm": ({"weight_g": np.float32(2), "weight_v": v}, 2 * v / np.linalg.norm(v)),
        "spectral_norm": ({f"{new}original": v, f"{new}0._u": u, f"{new}0._v": right}, v / (u @ v @ right)),
        "old spectral_norm": ({"weight_orig": v, "weight_u": u, "weight_v": right}, v / (u @ v @ right)),
        "pruned": ({"weight_orig": v, "weight_mask": mask}, v * mask),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["weight_norm", "old weight_norm", "one norm", "spectral_norm", "old spectral_norm", "pruned"]
)
def test_weights_in_parts(kind):
    given, whole = parts(kind)
    linear = nn.Linear(3, 4)
    linear.load_state_dict(prefixed("head.", {**given, "bias": np.zeros(4)}))
    np.testing.assert_allclose(linear.weight.data, whole, rtol=1e-6)


# ---- Foreign networks


def test_converters_take_what_load_state_dict_takes():
    net = nn.ConvGRU(2, [3], [3], 1, rng=0)
    found = convert.convgru({"state_dict": prefixed("model.", net.state_dict()), "epoch": 1})
    assert list(found) == list(net.state_dict())
    video = nn.VideoSequential(nn.ConvLayer(2, 4, rng=0), nn.ConvRNN(4, 5, rng=1))
    state = video.state_dict()
    memory = {"model.1.timepool.prev_h": np.zeros((1, 5, 0, 0))}
    loss = {"vgg_perc_l1.mean": np.zeros(3)}
    for given in (state, prefixed("model.", state) | memory | loss, {"state_dict": prefixed("model.", state)}):
        assert list(convert.metavision(given)) == list(state)
    deep = nn.DeepGRU(2, 3, {"gru1": 3, "gru2": 3, "gru3": 2, "fc": 3}, rng=0).state_dict()
    theirs = {name.replace("attention.query", "attention.w"): value for name, value in deep.items()}
    assert convert.maghoumi_deepgru(prefixed("module.", theirs)).keys() == deep.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s | {"flow.weight": np.zeros(2)}, "flow.weight: not of the model"),
        (lambda s: {k: v for k, v in s.items() if not k.endswith("conv_f.bias")}, "conv_f.bias: missing"),
        (lambda s: {k: v for k, v in s.items() if not k.endswith("running_var")}, "running_var: missing beside"),
        (lambda s: s | {"model.0.1.bias": np.zeros(3)}, r"0.1.bias: expected shape \(4,\), .* got \(3,\)"),
        (lambda s: {"vgg_perc_l1.mean": np.zeros(3), "model.prev_h": np.zeros(1)}, "vgg_perc_l1|no weights"),
        (lambda s: {}, "no weights"),
    ],
)
def test_what_is_left_over_or_missing_of_metavisions(change, message):
    net = nn.VideoSequential(nn.ConvLayer(2, 4, rng=0), nn.ConvRNN(4, 5, cell="gru", rng=1))
    with pytest.raises(ValueError, match=rf"not a state dict of Metavision's:[\s\S]*({message})"):
        convert.metavision(change(prefixed("model.", net.state_dict())))


def test_what_is_left_over_or_missing_of_other_networks():
    net = nn.ConvGRU(2, [3, 3], [3, 3], 2, rng=0).state_dict()
    gap = {name.replace("_01", "_02"): value for name, value in net.items()}
    with pytest.raises(
        ValueError, match=r"expected cells 00, 01, ... without a gap, got ConvGRUCell_00, ConvGRUCell_02"
    ):
        convert.convgru(gap)
    with pytest.raises(ValueError, match=r"other.bias: not known"):
        convert.convgru(prefixed("model.", net) | {"other.bias": np.zeros(3)})
    with pytest.raises(ValueError, match=r"several models, under 'a.', 'b.': give one"):
        convert.maghoumi_deepgru(prefixed("a.", {"gru1.weight_ih_l0": 0}) | prefixed("b.", {"gru1.weight_ih_l0": 0}))
    with pytest.raises(ValueError, match=r"gru1.weight_hh_l0: expected .* got \(16, 4\), which is an LSTM's"):
        convert.maghoumi_deepgru({f"gru1.{name}": value for name, value in nn.LSTM(3, 4).state_dict().items()})


# ---- What names and shapes do not say


def canton(size=3):
    return [normal(2 + size, size, seed=seed) for seed in range(3)]


def keras_gru(biases):
    bias = {0: {}, 1: {"bias": normal(9)}, 2: {"bias": normal(2, 9)}}[biases]
    return {"kernel": normal(2, 9), "recurrent_kernel": normal(3, 9), **bias}


@pytest.mark.parametrize(
    ("given", "reset_after"),
    [
        (lambda: convert.canton_gru(canton()), False),
        (lambda: convert.canton_gru(canton()).copy(), False),
        (lambda: copy.deepcopy(convert.keras_gru(keras_gru(1))), False),
        (lambda: convert.keras_gru(keras_gru(2)), True),
        (lambda: nn.GRU(2, 3), True),
        (lambda: nn.GRU(2, 3, reset_after=False), False),
        (lambda: nn.Sequential(nn.GRU(2, 3, reset_after=False)), False),
    ],
)
def test_a_grus_reset_is_held_against_what_is_known(given, reset_after):
    nn.GRU(2, 3, reset_after=reset_after).load_state_dict(given())
    other = nn.GRU(2, 3, reset_after=not reset_after, rng=0)
    before = other.state_dict()
    message = (
        f"weights: expected those of a layer with reset_after={not reset_after}, got .* with reset_after={reset_after}"
    )
    for strict in (True, False):
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(given(), strict=strict)
    np.testing.assert_array_equal(other.state_dict()["weight_hh_l0"], before["weight_hh_l0"])
    plain = given()
    other.load_state_dict({**(plain if isinstance(plain, dict) else plain.state_dict())})


def test_manners_of_parts():
    net = nn.Sequential(nn.Identity(), nn.RNN(2, 3))
    with pytest.raises(ValueError, match=r"1: expected those of a layer with nonlinearity='tanh', got .*'relu'"):
        net.load_state_dict(nn.Sequential(nn.Identity(), nn.RNN(2, 3, nonlinearity="relu")))
    with pytest.raises(ValueError, match="reset_after"):
        nn.GRUCell(2, 3, reset_after=False).load_state_dict(nn.GRUCell(2, 3))


def test_what_converters_return_is_a_dict(tmp_path):
    from safetensors.numpy import save_file

    found = convert.keras_gru(keras_gru(1))
    assert isinstance(found, dict)
    again = pickle.loads(pickle.dumps(found)).copy()
    assert list(again) == list({**found}) == list(found)
    with pytest.raises(ValueError, match="reset_after"):
        nn.GRU(2, 3).load_state_dict(again)
    save_file({name: np.ascontiguousarray(array) for name, array in found.items()}, tmp_path / "a.safetensors")
    nn.GRU(2, 3, reset_after=False).load_state_dict(tmp_path / "a.safetensors")


def test_zeros_that_a_converter_made_up():
    gru = nn.GRU(2, 3, bias=False, reset_after=False)
    for given in (convert.canton_gru(canton()), convert.keras_gru(keras_gru(0))):
        assert gru.load_state_dict(given).unexpected_keys == []
    with pytest.raises(ValueError, match="made with bias=False, the weights have biases: construct it with bias=True"):
        gru.load_state_dict(convert.keras_gru(keras_gru(1)))
    with pytest.raises(ValueError, match="made with bias=False"):
        gru.load_state_dict({**convert.keras_gru(keras_gru(0))})
    changed = convert.keras_gru(keras_gru(0))
    changed["bias_ih_l0"] = changed["bias_ih_l0"] + 1
    with pytest.raises(ValueError, match="bias_ih_l0: not known"):
        gru.load_state_dict(changed)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "bool"])
def test_integers_are_no_weights(kind):
    weight = np.ones((2, 3), kind)
    for given in (weight, Tensor(weight, dtype=f"torch.{kind}")):
        with pytest.raises(
            ValueError, match=f"weight: expected floating-point numbers, got {kind}, which may be codes"
        ):
            nn.Linear(3, 2).load_state_dict({**LINEAR, "weight": given})
    with pytest.raises(ValueError, match=f"kernel: expected floating-point numbers, got {kind}"):
        convert.keras_gru({**keras_gru(0), "kernel": np.ones((2, 9), kind)})
    nn.Linear(3, 2).load_state_dict({**LINEAR, "weight": weight.astype(int).tolist()})


def test_numbers_beyond_float32_are_named(tmp_path):
    from safetensors.numpy import save_file

    linear = nn.Linear(3, 2, rng=0)
    before, weight = linear.state_dict(), np.ones((2, 3))
    weight[1, 1] = -1e300
    save_file({"weight": weight}, tmp_path / "a.safetensors")
    for given in (
        {**LINEAR, "weight": weight},
        {"bias": [1, 2], "weight": weight.tolist()},
        tmp_path / "a.safetensors",
    ):
        with pytest.raises(ValueError, match=r"weight: expected numbers that float32 can have, .* got -1e\+300"):
            linear.load_state_dict(given)
    with pytest.raises(ValueError, match="kernel: expected numbers that float32"):
        convert.keras_gru({**keras_gru(0), "kernel": np.full((2, 9), 1e39)})
    with pytest.raises(ValueError, match="weight: expected numbers that float32"):
        linear.load_state_dict({"weight_orig": weight, "weight_mask": np.ones((2, 3)), "bias": [0, 0]})
    for name, array in linear.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    linear.load_state_dict({**LINEAR, "weight": np.full((2, 3), np.inf)})


def test_one_name_of_a_tied_weight_is_enough():
    def tied(rng):
        net = nn.Sequential(nn.Linear(2, 2, rng=rng), nn.Linear(2, 2, rng=rng + 1))
        net[1].weight = net[0].weight
        return net

    theirs = tied(3)
    state = theirs.state_dict()
    for left_out in ("0.weight", "1.weight"):
        ours = tied(0)
        ours.load_state_dict({name: value for name, value in state.items() if name != left_out})
        np.testing.assert_array_equal(ours[1].weight.data, theirs[0].weight.data)
    assert tied(0).load_state_dict(theirs.named_parameters()).missing_keys == []
    with pytest.raises(ValueError, match=r"0.weight: missing\s+1.weight: missing"):
        tied(0).load_state_dict({name: value for name, value in state.items() if "weight" not in name})


def test_what_is_said_of_statistics_and_files_of_keras(tmp_path):
    with pytest.raises(ValueError, match=r"1\.running_mean: missing") as caught:
        fresh().load_state_dict({name: value for name, value in STATE.items() if name != "1.running_mean"})
    assert "named_parameters" not in str(caught.value)
    (tmp_path / "a.keras").write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match=r"a model of Keras: .* convert.keras_gru\(path\)"):
        nn.GRU(2, 3).load_state_dict(tmp_path / "a.keras")
