"""What Sequential, ModuleList and ModuleDict have of lists and dictionaries, and what backward makes of a change."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

from seriatim import nn, optim


def names(row):
    return list(row._modules)


@pytest.mark.parametrize("make", [lambda *parts: nn.Sequential(*parts), lambda *parts: nn.ModuleList(parts)])
def test_items_are_set_deleted_and_inserted_as_in_a_list(make):
    a, b, c, d = (nn.Tanh() for _ in range(4))
    row = make(a, b)
    row[-1] = c
    assert list(row) == [a, c]
    row.insert(1, b).insert(-1, d).extend([a])
    assert list(row) == [a, b, d, c, a]
    assert names(row) == ["0", "1", "2", "3", "4"]
    del row[1]
    assert row.pop() is a
    assert list(row.pop(slice(1))) == [a]
    assert (list(row), names(row)) == ([d, c], ["0", "1"])
    row[:1] = [a, b]
    assert (list(row), names(row)) == ([a, b, c], ["0", "1", "2"])
    row[1:] = [c, d]
    del row[::2]
    assert (list(row), names(row)) == ([c], ["0"])
    row += make(a)
    assert list(row + make(b)) == [c, a, b]
    assert a in row
    assert b not in row


def test_names_that_are_no_numbers_stay():
    row = nn.Sequential(OrderedDict(body=nn.Tanh(), act=nn.ReLU(), head=nn.Linear(2, 2)))
    row[-1] = nn.Linear(2, 3, rng=0)
    del row[1]
    assert names(row) == ["body", "head"]
    row.insert(0, nn.ReLU())
    assert names(row) == ["2", "body", "head"]
    assert row.head.out_features == 3


def test_a_slice_counts_from_zero_when_it_changes():
    part = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.ELU())[1:]
    assert names(part) == ["1", "2"]
    del part[0]
    assert names(part) == ["0"]


def test_what_does_not_fit_is_refused_and_changes_nothing():
    row = nn.Sequential(nn.ReLU())
    for change, error in (
        (lambda: row.__setitem__(1, nn.ReLU()), IndexError),
        (lambda: row.__setitem__(0, None), TypeError),
        (lambda: row.__setitem__(slice(1), nn.ReLU()), TypeError),
        (lambda: row.__delitem__(-2), IndexError),
        (lambda: row.insert(3, nn.ReLU()), IndexError),
        (lambda: row.insert(0, abs), TypeError),
        (lambda: row.extend([nn.ReLU(), abs]), TypeError),
        (lambda: row.append(None), TypeError),
        (lambda: row + [nn.ReLU()], TypeError),
        (lambda: row * 0, ValueError),
    ):
        with pytest.raises(error):
            change()
    assert names(row) == ["0"]
    assert len(2 * row) == 2


def test_a_dictionary_of_modules():
    parts = nn.ModuleDict({"a": nn.Linear(1, 2)})
    parts["b"] = nn.ReLU()
    parts.update([("c", nn.Tanh())])
    assert (list(parts), len(parts), "b" in parts) == (["a", "b", "c"], 3, True)
    assert list(parts.state_dict()) == ["a.weight", "a.bias"]
    assert parts.pop("b") is not parts["c"]
    del parts["c"]
    assert list(parts.items()) == [("a", parts["a"])]
    with pytest.raises(KeyError, match="already exists"):
        parts["keys"] = nn.ReLU()
    with pytest.raises(TypeError, match="expected a Module"):
        parts["d"] = 3
    parts.clear()
    assert not list(parts.values())


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(3, 3, rng=0), nn.Tanh()),
        lambda: nn.Concat(nn.Linear(3, 3, rng=0), nn.Tanh()),
        lambda: nn.Residual(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)),
        lambda: nn.Ensemble(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)),
    ],
)
def test_backward_goes_through_what_has_run(make):
    x, net, plain = np.ones((2, 3), np.float32), make(), make()
    grad = np.ones_like(plain(x))
    plain.backward(grad)
    net(x)
    ran = list(net.children())
    for name in names(net):
        setattr(net, name, nn.Linear(3, 3, rng=5))
    net.backward(grad)
    for one, other in zip(ran, plain.children(), strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            np.testing.assert_array_equal(p.grad, q.grad)
    assert all(p.grad is None for p in net.parameters())


def test_an_optimiser_tells_of_modules_that_are_gone():
    net = nn.Sequential(nn.Linear(3, 3, rng=0), nn.Linear(3, 2, rng=1))
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    net[-1] = nn.Linear(3, 4, rng=2)
    net(np.ones((2, 3)))
    net.backward(np.ones((2, 4)))
    with pytest.warns(RuntimeWarning, match=r"2 parameters .* gone.*add_param_group"):
        optimizer.step()
