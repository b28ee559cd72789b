"""What GRU keeps, packs and refuses; its numbers are in test_recurrent."""

import numpy as np
import pytest

from seriatim import _core, nn
from seriatim.optim import Adam


def test_evaluation_keeps_nothing_and_gives_the_same_bits():
    model = nn.GRU(5, 20, 2, bidirectional=True, rng=0)
    x = np.random.default_rng(0).normal(size=(7, 3, 5))
    trained, _ = model(x)
    evaluated, _ = model.eval()(x)
    np.testing.assert_array_equal(trained, evaluated)
    with pytest.raises(RuntimeError, match="no forward in training mode is open"):
        model.backward(evaluated)


def test_packed_weights_are_kept_until_a_parameter_changes(monkeypatch):
    from seriatim import functional as F

    calls = []
    pack = F.recurrent_pack
    monkeypatch.setattr(F, "recurrent_pack", lambda *a, **k: calls.append(1) or pack(*a, **k))
    model, x = nn.GRU(3, 8, rng=0).eval(), np.ones((4, 2, 3))
    first, _ = model(x)
    model(x)
    assert len(calls) == 1
    held = model.weight_hh_l0.data
    held[0, 0] += 1.0
    changed, _ = model(x)
    assert np.abs(changed - first).max() > 0, "a change through a held view is seen"
    held[0, 0] -= 1.0
    np.testing.assert_array_equal(model(x)[0], first)
    del held
    calls.clear()
    model(x)
    model(x)
    assert len(calls) == 1


def test_training_allocates_nothing_large_after_its_first_batches():
    _core.release_memory(0)  # What other tests left behind would serve as blocks that do not quite fit.
    model = nn.GRU(16, 64, 2, rng=0)
    optimizer = Adam(model.parameters())
    x = np.random.default_rng(0).normal(size=(50, 24, 16)).astype(np.float32)

    def step():
        optimizer.zero_grad()
        y, _ = model(x)
        model.backward(y)
        optimizer.step()

    step()
    step()
    before = _core.memory_info()["blocks_allocated"]
    for _ in range(5):
        step()
    assert _core.memory_info()["blocks_allocated"] == before


def test_dropout_between_layers_follows_the_seed():
    x = np.random.default_rng(0).normal(size=(6, 4, 5))
    outputs = [nn.GRU(5, 8, 2, dropout=0.5, rng=3)(x)[0] for _ in range(2)]
    np.testing.assert_array_equal(*outputs)
    model = nn.GRU(5, 8, 2, dropout=0.5, rng=3)
    assert np.abs(model(x)[0] - model(x)[0]).max() > 0
    np.testing.assert_array_equal(model.eval()(x)[0], model(x)[0])


@pytest.mark.parametrize(
    ("x", "h0", "words"),
    [
        (np.zeros((4, 2, 6)), None, r"expected shape \(T, B, 5\)"),
        (np.zeros(5), None, "got"),
        (np.zeros((0, 2, 5)), None, "with a step"),
        (np.zeros((4, 2, 5)), np.zeros((1, 3, 8)), r"h0: expected shape \(1, 2, 8\), got \(1, 3, 8\)"),
    ],
)
def test_wrong_shapes(x, h0, words):
    with pytest.raises(ValueError, match=words):
        nn.GRU(5, 8)(x, h0)


@pytest.mark.parametrize("sizes", [(0, 4), (4, 0), (-1, 4), (2.5, 4)])
def test_wrong_sizes(sizes):
    with pytest.raises(ValueError, match="expected a positive integer"):
        nn.GRU(*sizes)
