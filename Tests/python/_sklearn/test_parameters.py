"""Rules of parameters: what they accept, how they word what they refuse, and whose they are."""

from typing import ClassVar

import numpy as np
import pytest

from seriatim import models, recipes
from seriatim import preprocessing as prep
from seriatim._sklearn import (
    Choice,
    Kind,
    Number,
    Rules,
    Some,
    check_parameters,
    check_value,
    has_method,
    is_auto,
    keep,
)

NAN = float("nan")
RULES = [
    (Number(2, whole=True), [2, np.int64(3)], [1, 2.0, True, "2", None], "an integer of at least 2"),
    (Number(1, 4, whole=True), [1, 4], [0, 5], "an integer from 1 to 4"),
    (Number(0, 1), [0, 1, np.float32(0.5)], [-0.1, 1.1, NAN, True, 1j, np.complex64(1)], "a number from 0 to 1"),
    (Number(0, below=1), [0, 0.9], [1, NAN], "a number from 0 to below 1"),
    (Number(above=0, below=1), [0.5], [0, 1], "a number between 0 and 1"),
    (Number(above=0), [1e-9, np.inf], [0, -1, "x"], "a positive number"),
    (Number(above=0, unit="seconds"), [1], [0], "a positive number of seconds"),
    (Number(above=0, whole=True), [1], [0, 0.5], "a positive integer"),
    (Number(0, below=np.inf), [0, 7], [np.inf, -1], "a finite number of at least 0"),
    (Number(), [-np.inf, 0], [NAN, "0"], "a number"),
    (Choice("a", "b"), ["a"], ["c", ["a"], 1, None], r"one of \('a', 'b'\)"),
    (callable, [len], [1, "len"], "a callable"),
    (bool, [True, np.bool_(False)], [0, "x", None], "True or False"),
    (Choice("a", described="a letter"), ["a"], ["c"], "a letter"),
    (Some("a", "b"), [["a"], ("b", "a")], ["a", [], ["a", "a"], ["c"], [["a"]], 1], r"some of \('a', 'b'\), each once"),
    (Some("a", least=0), [()], ["", None], r"some of \('a',\)"),
    (has_method("transform", "a transformer"), [prep.Stack()], [1, "x"], "a transformer"),
    (Kind(str.isupper, "capitals"), ["A"], ["a"], "capitals"),
    (None, [None], [0, ""], "None"),
    ("auto", ["auto"], ["Auto", None, 0], "'auto'"),
]


@pytest.mark.parametrize(("rule", "good", "bad", "words"), RULES, ids=[str(rule[3]) for rule in RULES])
def test_what_a_rule_accepts_and_how_it_words_what_it_does_not(rule, good, bad, words):
    for value in good:
        check_value("x", value, rule)
    for value in bad:
        with pytest.raises((ValueError, TypeError), match=f"^x: expected {words}.*, got "):
            check_value("x", value, rule)


def test_alternatives():
    for value in (None, 3):
        check_value("x", value, Number(1), None)
    with pytest.raises(ValueError, match="x: expected a number of at least 1, None or 'auto', got 0"):
        check_value("x", 0, Number(1), None, "auto")
    # Where any object of a kind would do, it is the kind that is wrong.
    with pytest.raises(TypeError, match="x: expected a callable or None, got 0"):
        check_value("x", 0, callable, None)


def test_a_string_that_is_nearly_right():
    with pytest.raises(ValueError, match=r"got 'f1_marco': did you mean 'f1_macro'\?"):
        check_value("x", "f1_marco", Choice("f1_macro", "r2"), callable)


class Base:
    _parameter_rules: ClassVar[Rules] = {"size": [Number(1, whole=True)], "rate": [Number(0)], "not_its_own": [None]}

    def __init__(self, size="auto", rate=1.0):
        keep(self, locals())


class Narrow(Base):
    _parameter_rules: ClassVar[Rules] = {"rate": [Number(0, 1)]}


def test_rules_of_a_class_and_its_bases():
    for good in (Base(), Base(3), Base(rate=9), Narrow(rate=1)):
        check_parameters(good)
    for bad, words in ((Base(0), "size: .* or 'auto', got 0"), (Base(rate="auto"), "rate: .* got 'auto'")):
        with pytest.raises(ValueError, match=words):
            check_parameters(bad)
    with pytest.raises(ValueError, match="rate: expected a number from 0 to 1, got 9"):
        check_parameters(Narrow(rate=9))
    assert is_auto(Base(), "size")
    assert not is_auto(Base(3), "size")
    assert not is_auto(Base(rate="auto"), "rate"), "its default is another one"


@pytest.mark.parametrize("module", [models, prep, recipes], ids=lambda m: m.__name__)
def test_every_rule_is_of_a_parameter_that_some_class_has(module):
    for name in module.__all__:
        cls = getattr(module, name)
        if isinstance(cls, type) and "_parameter_rules" in vars(cls):
            assert set(vars(cls)["_parameter_rules"]) <= set(cls._get_param_names()), name


# What every estimator, transformer and augmentation says of its parameters, each of which nonsense is given for.
NEEDED = {"VideoClassifier": (len, 3), "Compose": ([],), "Resample": (5,), "Pad": (5,), "Facing": (1,)}
CASES = [
    (cls, name)
    for module in (models, prep, recipes)
    for cls in (getattr(module, name) for name in module.__all__)
    if hasattr(cls, "_check_parameters")
    for name in cls._get_param_names()
]


class Nonsense:
    """Neither a number, nor a list, nor anything else."""


@pytest.mark.parametrize("value", [Nonsense(), "nonsense"], ids=["object", "string"])
@pytest.mark.parametrize(("cls", "name"), CASES, ids=[f"{cls.__name__}-{name}" for cls, name in CASES])
def test_no_parameter_takes_nonsense(cls, name, value):
    model = cls(*NEEDED.get(cls.__name__, ())).set_params(**{name: value})
    if name == "ignore_label":
        pytest.skip("a label may be anything")
    if (name, value) == ("checkpoint_dir", "nonsense"):
        model._check_parameters()
        return
    with pytest.raises((TypeError, ValueError), match=f"^{name}: expected "):
        model._check_parameters()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bidirectional": "False"}, "bidirectional: expected True or False, got 'False'"),
        ({"warm_start": "no"}, "warm_start: expected True or False, got 'no'"),
        ({"dropout": 1.0}, "dropout: expected a number from 0 to below 1, got 1.0"),
        ({"hidden_size": "large"}, "hidden_size: expected an integer of at least 1 or 'auto', got 'large'"),
        ({"callbacks": [3]}, "callbacks: expected a list of callables"),
        ({"callbacks": print}, "callbacks: expected a list of callables"),
        ({"checkpoint_dir": 3}, "checkpoint_dir: expected the path of a folder"),
        ({"checkpoint_dir": __file__}, "checkpoint_dir: expected the path of a folder"),
        ({"random_state": np.random.default_rng(0)}, "random_state: expected an integer .*RandomState or None"),
        ({"monitor": "f1_marco"}, r"monitor: expected 'loss', .{1,99}did you mean 'f1_macro'\?"),
    ],
)
def test_how_nonsense_is_refused(given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        models.GRUClassifier(**given)._check_parameters()
    with pytest.raises(TypeError, match=r"dims: expected a dict of sizes, such as .*, None or 'auto', got 64"):
        models.DeepGRUClassifier(dims=64)._check_parameters()


def test_what_a_run_may_be():
    for random_state in (None, 0, np.int64(3), np.random, np.random.RandomState(0)):
        for verbose in (0, 2, True, False):
            models.GRUClassifier(random_state=random_state, verbose=verbose, callbacks=(print,))._check_parameters()
