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
    cell.load_state_dict(convert.canton_gru(dict(zip("abcdef", [*weights, *biases], strict=True))))
    x, h = normal(1, 2, 6, 5), normal(1, 4, 6, 5, seed=3)
    wz, wr, w = [weight.transpose(3, 2, 0, 1) for weight in weights]
    bz, br, b = [bias[:, None, None] for bias in biases]
    both = np.concatenate([h, x], axis=1)
    z, r = sigmoid(same(both, wz) + bz), sigmoid(same(both, wr) + br)
    candidate = np.tanh(same(np.concatenate([r * h, x], axis=1), w) + b)
    close(cell(x, h), (1 - z) * h + z * candidate)


def test_what_is_not_cantons():
    with pytest.raises(ValueError, match="expected three weights of one shape"):
        convert.canton_gru({"a": np.zeros((5, 3)), "b": np.zeros((5, 3))})


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
