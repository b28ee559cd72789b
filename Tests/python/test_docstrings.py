"""Every public function and class says what it takes, and what it refuses."""

import inspect

import pytest

from seriatim import functional, models, nn, optim, preprocessing

ROOMS = (functional, nn, optim, models, preprocessing)
PUBLIC = [(room.__name__.split(".")[-1], name, getattr(room, name)) for room in ROOMS for name in room.__all__]
PUBLIC = [
    pytest.param(*entry, id=".".join(entry[:2]))
    for entry in PUBLIC
    if inspect.isclass(entry[2]) or inspect.isfunction(entry[2])
]

# scikit-learn's rule: a constructor keeps what it is given, and `fit`, which has a Raises section, refuses it.
REFUSED_LATER = ("models", "preprocessing")
NOTHING_TO_REFUSE = {
    "Cell": "a tuple: the functions that take it refuse it",
    "Narrow": "a tuple that narrow() makes",
    "RecurrentCache": "a tuple that forward makes",
    "Module": "the base of all: it takes nothing",
    "flatten": "NumPy's own errors",
    "manual_seed": "NumPy's own errors",
}


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section of a numpydoc docstring by its title."""
    lines = inspect.cleandoc(text).splitlines()
    found: dict[str, list[str]] = {}
    for title, rule, *_ in zip(lines, [*lines[1:], ""], strict=True):
        if rule and set(rule) == {"-"} and len(rule) == len(title):
            found[title] = []
        elif found and set(title) != {"-"}:
            found[list(found)[-1]].append(title)
    return found


def entries(lines: list[str]) -> list[str]:
    """Return the names of a section's entries: ``a, b : type`` has two."""
    heads = [line.split(" : ")[0] for line in lines if line and not line[0].isspace()]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


@pytest.mark.parametrize(("room", "name", "thing"), PUBLIC)
def test_parameters_are_documented(room, name, thing):
    arguments = sorted(inspect.signature(thing).parameters)
    documented = sorted(entries(sections(thing.__doc__ or "").get("Parameters", [])))
    # A class without a constructor of its own takes what Module takes, which is whatever a subclass does.
    assert documented == arguments or (documented, arguments) == ([], ["args", "kwargs"])


@pytest.mark.parametrize(("room", "name", "thing"), PUBLIC)
def test_errors_are_documented(room, name, thing):
    if room in REFUSED_LATER and hasattr(thing, "fit"):
        thing = thing.fit
    elif room in REFUSED_LATER or name in NOTHING_TO_REFUSE:
        return
    assert "Raises" in sections(thing.__doc__ or "")


def test_exceptions_are_needed():
    named = {entry.values[1]: sections(entry.values[2].__doc__ or "") for entry in PUBLIC}
    assert [name for name in NOTHING_TO_REFUSE if "Raises" in named[name]] == []
