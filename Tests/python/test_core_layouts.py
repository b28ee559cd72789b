"""The same numbers in any layout give the same bits, and memory that is written to belongs to one argument alone."""

import itertools

import numpy as np
import pytest
from core_arguments import ERRORS, GOOD, OPAQUE, TABLES, bits, grouped

from seriatim import _core


def is_array(value):
    return isinstance(value, np.ndarray) or (isinstance(value, list) and value and isinstance(value[0], np.ndarray))


CALLS = [
    (name, number) for name in sorted(GOOD) for number, make in enumerate(GOOD[name]) if any(map(is_array, make()))
]


def same_numbers(array):
    """Arrays of the same numbers that lie in memory in other ways, or have other types."""
    apart = np.full((*array.shape[:-1], array.shape[-1] + 3), -77).astype(array.dtype)
    apart[..., 1:-2] = array
    yield "rows apart", apart[..., 1:-2]
    yield "backwards", np.flip(np.flip(array).copy())
    yield "turned round", array.T.copy().T
    yield "every second", np.repeat(array, 2, -1)[..., ::2]
    yield "not aligned", np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    yield "other end first", array.astype(array.dtype.newbyteorder())
    # What a kernel keeps has room that nothing is written to; as numbers it may be anything.
    with np.errstate(invalid="ignore"):
        double = array.astype(np.float64)
    yield "in double", double
    yield "nested lists", array.tolist()
    yield "another class", array.copy().view(type("Own", (np.ndarray,), {}))
    locked = array.copy()
    locked.flags.writeable = False
    yield "read-only", locked


def written(name, arguments):
    """The places of arrays that are written to: running statistics in training alone."""
    rows = TABLES[name]["parameters"]
    if name.endswith("norm_forward") and not all(
        v for r, v in zip(rows, arguments, strict=True) if r["name"] == "training"
    ):
        return []
    return [
        place for place, row in enumerate(rows) if row["kind"].startswith("written") and arguments[place] is not None
    ]


def outcome(name, arguments):
    """Results and what was written; without the caches of layers, whose rows have padding that nobody writes."""
    results = getattr(_core, name)(*grouped(name, arguments))
    results = results[:3] if name == "recurrent_forward" else results
    rows = TABLES[name]["parameters"]
    kept = [place for place in written(name, arguments) if rows[place]["name"] not in ("cache", "scratch")]
    return [] if name in OPAQUE else bits(results), [
        np.asarray(arguments[place], np.float32).tobytes() for place in kept
    ]


def attempt(name, arguments):
    try:
        return outcome(name, arguments), None
    except ERRORS as error:
        return None, str(error)


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_every_layout_gives_the_same_bits_or_is_refused(name, number):
    make = GOOD[name][number]
    want = outcome(name, make())
    for place, value in enumerate(make()):
        if not is_array(value):
            continue
        row = TABLES[name]["parameters"][place]
        many = isinstance(value, list)
        for cases in zip(*map(same_numbers, value if many else [value]), strict=True):
            what, arguments = cases[0][0], make()
            others = [other for _, other in cases]
            arguments[place] = others if many else others[0]
            before = [np.array(other).tobytes() for other in others]
            got, error = attempt(name, arguments)
            if error is None:
                assert got == want, (row["name"], what)
                continue
            # What is written to must be right as it is, and so must places that this library made.
            assert error.startswith(row["name"])
            is_exact = place in written(name, arguments) or row["kind"] == "places"
            assert is_exact or (what == "in double" and value.dtype.kind == "i"), (row["name"], what, error)
            assert [np.array(other).tobytes() for other in others] == before


def laid(one, other, begin):
    """Both arrays in one piece of memory, the second from byte `begin` on."""
    memory = np.zeros(max(one.nbytes, begin + other.nbytes), np.uint8)
    views = [memory[start : start + v.nbytes].view(v.dtype).reshape(v.shape) for v, start in ((one, 0), (other, begin))]
    for view, value in zip(views, (one, other), strict=True):
        view[...] = value
    return views


@pytest.mark.parametrize(("name", "number"), [call for call in CALLS if written(call[0], GOOD[call[0]][call[1]]())])
def test_what_is_written_to_shares_no_element(name, number):
    make = GOOD[name][number]
    rows = TABLES[name]["parameters"]
    want = outcome(name, make())
    for first, second in itertools.product(written(name, make()), range(len(rows))):
        one, other = make()[first], make()[second]
        if first == second or not isinstance(other, np.ndarray):
            continue
        for begin in (-(-one.nbytes // 8) * 8, (one.nbytes - 1) // 8 * 8, 0):
            arguments = make()
            arguments[first], arguments[second] = laid(one, other, begin)
            if begin >= one.nbytes:
                assert outcome(name, arguments) == want, (rows[first]["name"], rows[second]["name"])
                continue
            with pytest.raises(ValueError, match="expected memory of its own to write to") as error:
                outcome(name, arguments)
            assert any(str(error.value).startswith(rows[place]["name"]) for place in (first, second))
