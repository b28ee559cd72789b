"""What a value is, from its content alone."""

import collections
import copy
import datetime
import functools
import pathlib
import pickle
import re
import threading
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.training._identity import NotIdentifiedError, identity

FACTOR = 2


def by_global(x):
    return x * FACTOR


def by_helper(x):
    return by_global(x)


def by_closure(factor):
    return lambda x: x * factor


class Times:
    power = 1

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor**self.power


def tied(shared):
    first = nn.Linear(2, 2, rng=0)
    return nn.Sequential(first, first if shared else copy.deepcopy(first))


def frozen(module):
    return module.requires_grad_(False)


def read_only(array):
    array.flags.writeable = False
    return array


LONG = np.arange(5000.0)
OTHER = LONG.copy()
OTHER[2500] = -1

# No two of them are the same.
VALUES = [
    1, 1.0, True, "1", b"1", np.int64(1), np.int32(1), np.float64(1), np.bool_(True), np.str_("1"), None, "None", 1j,
    0.0, -0.0, float("nan"), np.datetime64("2020-01-01"), np.datetime64("2020-01-01", "s"),
    [1], (1,), {1}, frozenset([1]), {1: 1}, {"1": 1}, {1: 1.0}, [[1]], [1, [2]], [[1], 2], [1, 2], [12], ["a", "bc"],
    ["ab", "c"],
    np.array(1), np.array([1]), np.array([[1]]), np.array([1.0]), np.array(["1"]), np.array([1], object), LONG, OTHER,
    [LONG], [OTHER], {"a": LONG}, {"a": OTHER}, np.array([LONG, None], object), np.array([OTHER, None], object),
    np.zeros((0, 2)), np.zeros((2, 0)), np.array(["2020"], "M8[s]"), np.array([(1, 2.0)], "i4,f4"),
    np.ma.masked_array([1], [True]), np.ma.masked_array([1], [False]), np.dtype("f4"), np.dtype("f8"),
    by_global, by_helper, by_closure(1), by_closure(2), by_closure(LONG), by_closure(OTHER), Times, Times(1), Times(2),
    Times(1).__call__, functools.partial(by_global, 1), functools.partial(by_global, 2),
    functools.partial(by_helper, 1),
    lambda x: x, lambda x: x + 1, lambda x=1: x, lambda x=2: x, lambda *, x=1: x, len, np.mean, np.add, np.sin,
    np.vectorize(by_global), functools.lru_cache(by_global), [].append,
    np.random.RandomState(0), np.random.RandomState(1), np.random.default_rng(0), np.random.default_rng(1),
    prep.Jitter(0.1), prep.Jitter(0.2), prep.Compose([prep.Jitter(0.1)]), prep.Standardize(), StandardScaler(),
    StandardScaler(with_std=False), make_pipeline(StandardScaler()), StandardScaler().fit(LONG[:, None]),
    StandardScaler().fit(OTHER[:, None]),
    nn.Parameter([1.0]), nn.Parameter([2.0]), nn.Parameter([1.0], requires_grad=False), nn.Linear(2, 2, rng=0),
    nn.Linear(2, 2, rng=1), frozen(nn.Linear(2, 2, rng=0)), tied(True), tied(False), nn.BatchNorm1d(2),
    nn.Dropout(0.1, rng=0),
    nn.Dropout(0.2, rng=0), nn.ReLU(), nn.Sequential(nn.ReLU()), nn.GRU(2, 2, rng=0), nn.GRU(2, 2, rng=0, dropout=0.1),
    pd.Series([1]), pd.Series([1.0]), pd.Series([1], name="a"), pd.Series([1], index=[5]), pd.DataFrame({"a": [1]}),
    pd.DataFrame({"b": [1]}), pd.Index([1]), pd.Timestamp("2020"), pd.Categorical(["a"]), datetime.date(2020, 1, 1),
    pathlib.Path("1"), re.compile("1"), collections.OrderedDict(a=1), collections.Counter("a"), slice(1), range(1),
]  # fmt: skip


def test_no_two_are_the_same():
    found = [identity(value) for value in VALUES]
    pairs = [(VALUES[i], VALUES[j]) for i, j in combinations(range(len(found)), 2) if found[i] == found[j]]
    assert not pairs


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_a_copy_is_the_same(place):
    value = VALUES[place]
    assert identity(copy.deepcopy(value)) == identity(value)
    try:
        data = pickle.dumps(value)
    except Exception:
        return
    assert identity(pickle.loads(data)) == identity(value)


def test_what_differs_from_process_to_process_is_no_part():
    assert identity({0, 8}) == identity({8, 0})
    assert list({0, 8}) != list({8, 0}), "sets that are gone through in different orders"
    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1})
    assert identity(object()) == identity(object())
    assert identity(read_only(LONG.copy())) == identity(LONG) == identity(np.asfortranarray(LONG))


def test_what_a_module_keeps_of_the_moment_is_no_part():
    module = nn.GRU(2, 2, rng=0)
    before = identity(module)
    module.eval()(np.zeros((1, 3, 2), np.float32))
    assert identity(module) == before
    module.train()(np.zeros((1, 3, 2), np.float32))
    assert identity(module) == before


def test_a_changed_global_is_another_function(monkeypatch):
    before = identity(by_helper)
    monkeypatch.setitem(by_global.__globals__, "FACTOR", 3)
    assert identity(by_helper) != before


def test_a_changed_method_is_another_class(monkeypatch):
    before = identity(Times(1))
    monkeypatch.setattr(Times, "power", 2)
    assert identity(Times(1)) != before


def test_where_a_function_stands_is_no_part():
    source = "def f(x):\n    return x + 1\n"
    found = []
    for text, file in ((source, "a"), ("\n\n" + source, "b")):
        names = {"__name__": "__main__"}
        exec(compile(text, file, "exec"), names)
        found.append(identity(names["f"]))
    assert found[0] == found[1]


def test_circles_end():
    value, other = [1], [1]
    value.append(value)
    other.append([1, other])
    assert identity(value) == identity(copy.deepcopy(value)) != identity(other)


@pytest.mark.parametrize(
    "value", [(i for i in ()), threading.local(), np.frompyfunc(by_global, 1, 1)], ids=["generator", "local", "ufunc"]
)
def test_what_is_nothing_but_an_address_is_refused(value):
    with pytest.raises(NotIdentifiedError, match=r"^augmentation.*without checkpoint_dir"):
        identity(by_closure(value), "augmentation")
    assert identity(threading.Lock()) == identity(threading.Lock())


def test_an_error_says_where():
    with pytest.raises(NotIdentifiedError, match=r"its 'factor'\[1\]|its 'factor'"):
        identity(by_closure([1, threading.local()]), "augmentation")
