"""What must not happen unseen: stale weights, half-made changes, lost gradients, thawed modules."""

from __future__ import annotations

import numpy as np
import pytest

from seriatim import nn

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)


def test_a_parameter_in_the_place_of_another_is_used():
    model = nn.Linear(3, 2, bias=False, rng=0)
    model(X)
    model.weight = nn.Parameter(np.zeros((2, 3)))
    np.testing.assert_array_equal(model(X), np.zeros((2, 4, 2)))


def test_an_array_in_the_place_of_a_parameter_is_refused():
    model = nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"Linear\.weight: expected a Parameter or None, got ndarray"):
        model.weight = np.zeros((2, 3))
    model.bias = None
    assert list(model.state_dict()) == ["weight"]
    model.bias = nn.Parameter(np.zeros(2))
    assert list(model.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize("bias", [np.array(["a", "b"]), np.array([1j, 2])])
def test_a_state_of_a_wrong_type_changes_nothing(bias):
    model = nn.Linear(3, 2)
    before = model.state_dict()
    with pytest.raises(ValueError, match="bias: expected real numbers, got"):
        model.load_state_dict({"weight": np.ones((2, 3)), "bias": bias})
    np.testing.assert_array_equal(model.state_dict()["weight"], before["weight"])


def test_a_module_used_twice_has_both_names_as_in_torch():
    part = nn.Linear(3, 3)
    model = nn.Sequential(part, nn.ReLU(), part)
    state = model.state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    model.load_state_dict(state)
    assert len(list(model.parameters())) == 2


def test_a_child_that_stays_frozen_is_asked():
    class Frozen(nn.Linear):
        def train(self, mode=True):
            return super().train(False)

    model = nn.Sequential(nn.Sequential(Frozen(3, 3)), nn.ReLU()).train()
    assert model.training
    assert not model[0][0].training


MODELS = {
    "linear": (lambda: nn.Linear(3, 2, rng=0), X),
    "batch_norm": (lambda: nn.BatchNorm1d(4), X),
    "relu": (nn.ReLU, X),
    "softmax": (nn.Softmax, X),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_backward_that_failed_can_be_tried_again(name):
    make, x = MODELS[name]
    model = make()
    y = model(x)
    grad = np.ones(y.shape, np.float32)
    model.backward(grad)
    model.zero_grad()
    model(x)
    wrong = grad.swapaxes(0, 1)  # as many elements, another shape
    with pytest.raises(ValueError, match="grad_output: expected shape"):
        model.backward(wrong)
    for parameter in model.parameters():
        np.testing.assert_array_equal(parameter.grad, np.zeros(parameter.shape))
    assert model.backward(grad).shape == x.shape


def test_a_gru_backward_that_failed_leaves_the_gradients():
    model = nn.GRU(3, 4, rng=0)
    model.backward(np.ones_like(model(X)[0]))
    model.zero_grad()
    model(X)
    with pytest.raises(TypeError, match="grad_y: expected real numbers"):
        model.backward(np.full((2, 4, 4), "a"))
    for parameter in model.parameters():
        np.testing.assert_array_equal(parameter.grad, np.zeros(parameter.shape))


def test_batch_norm_counts_only_batches_it_has_seen():
    model = nn.BatchNorm1d(2)
    with pytest.raises(TypeError, match="x: expected real numbers"):
        model(np.array([["a", "b"], ["c", "d"]]))
    assert model.num_batches_tracked == 0


def test_appending_to_a_slice_replaces_nothing():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2), nn.ReLU())[1:]
    parts = [*model, nn.Softmax()]
    assert list(model.append(parts[-1])) == parts


@pytest.mark.parametrize("data", [np.array(["1"]), np.array([1j]), np.array([None])])
def test_a_parameter_of_what_are_no_real_numbers(data):
    with pytest.raises(TypeError, match="data: expected real numbers"):
        nn.Parameter(data)


def test_relu_takes_torchs_argument():
    assert nn.ReLU(inplace=True)([-1.0, 1.0]).tolist() == [0, 1]
