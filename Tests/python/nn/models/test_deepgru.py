"""DeepGRU against both originals' outputs and gradients, computed in float64 by Tests/fixtures/make_deepgru.py."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import seriatim
from seriatim import convert, nn

TENSORS = load_file(Path(__file__).parents[3] / "fixtures" / "deepgru.safetensors")
LENGTHS = TENSORS["in/lengths"].tolist()
DIMS = {"gru1": 9, "gru2": 7, "gru3": 5, "fc": 6}
CONVERTERS = {"sequentia": convert.sequentia_deepgru, "maghoumi": convert.maghoumi_deepgru}


def of(kind):
    return {k[len(kind) :]: v for k, v in TENSORS.items() if k.startswith(kind)}


def data():
    """The fixture's sequences, padded with NaN: nobody may look at it."""
    x = TENSORS["in/x"].copy()
    for row, length in zip(x, LENGTHS, strict=True):
        row[length:] = np.nan
    return x


def converted(original):
    model = nn.DeepGRU(4, 3, DIMS, dropout=0.0)
    model.load_state_dict(CONVERTERS[original](of(f"{original}/w/")))
    return model


@pytest.mark.parametrize("original", CONVERTERS)
def test_converted_weights_give_the_corrected_output(original):
    log_probs = converted(original).eval()(data(), LENGTHS)
    np.testing.assert_allclose(log_probs, TENSORS[f"{original}/out/log_probs"], atol=5e-6)


def test_gradients_are_those_of_the_original_in_float64():
    model, criterion = converted("sequentia"), nn.NLLLoss(weight=[1.0, 2.0, 0.5])
    loss = criterion(model.train()(data(), LENGTHS), [0, 2, 1, 1, 0, 2])
    grad_x = model.backward(criterion.backward(), need_input=True)
    assert loss == pytest.approx(float(TENSORS["train/loss"][0]), abs=1e-5)
    buffers = {k: v for k, v in of("sequentia/w/").items() if "running" in k or "tracked" in k}
    wanted = convert.sequentia_deepgru(of("train/grad/w/") | buffers)
    for name, parameter in model.named_parameters():
        want = wanted[name]
        np.testing.assert_allclose(parameter.grad, want, atol=1e-4 * np.abs(want).max() + 1e-5, err_msg=name)
    grads = [TENSORS[f"train/grad/x/{i}"] for i in range(len(LENGTHS))]
    padded, lengths = seriatim.pad_packed_sequence(
        seriatim.pack_sequence(grads, enforce_sorted=False), batch_first=True, total_length=data().shape[1]
    )
    assert lengths.tolist() == LENGTHS
    np.testing.assert_allclose(grad_x, padded, atol=1e-4 * np.abs(padded).max() + 1e-6)
    assert np.all(grad_x[padded == 0] == 0)


def test_the_gradient_of_x_has_its_layout():
    model, grad = nn.DeepGRU(4, 3, DIMS, dropout=0.0, rng=0), np.ones((6, 3), np.float32)
    model(data(), LENGTHS)
    padded = model.backward(grad, need_input=True)
    assert padded.shape == data().shape
    packed = seriatim.pack_padded_sequence(data(), LENGTHS, batch_first=True, enforce_sorted=False)
    model(packed)
    found = model.backward(grad, need_input=True)
    again, _ = seriatim.pad_packed_sequence(found, batch_first=True, total_length=data().shape[1])
    np.testing.assert_array_equal(again, padded)
    model(packed)
    assert model.backward(grad) is None, "training asks for none"


@pytest.mark.parametrize("converter", [convert.sequentia_deepgru, convert.maghoumi_deepgru])
def test_converters_name_what_does_not_fit(converter):
    with pytest.raises(ValueError, match="missing"):
        converter({})
    with pytest.raises(ValueError, match=r"extra\.weight: not known"):
        converter({"extra.weight": np.zeros(3)})


def test_a_sequence_has_the_same_bits_alone_in_a_batch_and_in_any_order():
    model, x = nn.DeepGRU(4, 3, DIMS, rng=0).eval(), data()
    together = model(x, LENGTHS)
    order = [3, 0, 5, 1, 4, 2]
    np.testing.assert_array_equal(model(x[order], np.array(LENGTHS)[order]), together[order])
    for i, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(model(x[i : i + 1, :length]), together[i : i + 1])
    packed = seriatim.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    np.testing.assert_array_equal(model(packed), together)


def test_attention_weights():
    model, x = nn.DeepGRU(4, 3, DIMS, rng=0), data()
    weights = model.attention_weights(x, LENGTHS)
    assert weights.shape == (6, 30)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    for row, length in zip(weights, LENGTHS, strict=True):
        assert np.all(row[:length] > 0)
        assert np.all(row[length:] == 0)
    assert model.training, "looking at the weights changes no mode"


def test_looking_at_attention_leaves_an_open_forward_open():
    model, x = nn.DeepGRU(4, 3, DIMS, dropout=0.0, rng=0), data()
    model(x, LENGTHS)
    model.attention_weights(x, LENGTHS)
    model.backward(np.ones((6, 3), np.float32))
    assert all(p.grad is not None for p in model.parameters())


def test_wrong_inputs():
    model = nn.DeepGRU(4, 3, DIMS)
    with pytest.raises(ValueError, match=r"expected shape \(B, T, 4\)"):
        model(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match="lengths"):
        model(np.zeros((2, 5, 4)), [5, 6])
    with pytest.raises(ValueError, match="dims: expected keys"):
        nn.DeepGRU(4, 3, {"gru4": 3})
