"""What users give as arrays is read whole, or refused by name."""

import datetime
from collections import namedtuple
from decimal import Decimal

import numpy as np
import pytest

from seriatim._arrays import as_floats, as_integers, as_labels, as_lengths, as_numbers

pd = pytest.importorskip("pandas")

MASKED = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, False], [True, False]])


def test_arrays_pass_as_they_are():
    frozen = np.arange(6.0).reshape(2, 3)[:, ::2]
    frozen.flags.writeable = False
    for given in (frozen, np.arange(3, dtype=">i2"), np.zeros((0, 2)), np.array(True)):
        assert as_numbers("x", given) is given
    assert as_floats("x", wanted := np.ones(2, np.float32)) is wanted
    assert as_integers("x", counts := np.arange(3)) is counts


def test_a_memory_map_becomes_a_view(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4.0))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    seen = as_numbers("x", mapped)
    assert type(seen) is np.ndarray
    assert np.shares_memory(seen, mapped)


class Tensor:
    """A tensor that wants a gradient, as torch's, in a type that NumPy does not know."""

    def __init__(self, values, dtype="torch.float32", wants=True):
        self.values, self.dtype, self.wants = values, dtype, wants

    def detach(self):
        return Tensor(self.values, self.dtype, wants=False)

    def cpu(self):
        return self

    def float(self):
        return Tensor(self.values.astype(np.float32), wants=False)

    def numpy(self):
        if self.wants or self.dtype == "torch.bfloat16":
            raise TypeError("no")
        return self.values


class Lent:
    """Memory of another library, by DLPack alone."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **how):
        return self.values.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


BIG = 2**53 + 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([[1, 2], (3, 4)], np.array([[1, 2], [3, 4]])),
        ([[1, 2], [3, 4.5]], np.array([[1, 2], [3, 4.5]])),
        ([np.float32(1), True], np.float32([1, 1])),
        ([np.arange(2), [3, 4]], np.array([[0, 1], [3, 4]])),
        ([Decimal("1.5"), 2], np.array([1.5, 2])),
        (np.array([BIG, 1], object), np.array([BIG, 1])),
        (np.array([np.ones(2), np.ones(2)], object), np.ones((2, 2))),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1]}), np.array([[1, 0.5], [2, 1]])),
        (
            pd.DataFrame({"a": pd.array([1, 2], "Int64"), "b": pd.array([0.5, 1], "Float64")}),
            np.array([[1, 0.5], [2, 1]]),
        ),
        (pd.Series([BIG, 2], dtype="Int64"), np.array([BIG, 2])),
        (Tensor(np.arange(3)), np.arange(3)),
        (Tensor(np.float64([1, 2]), "torch.bfloat16"), np.float32([1, 2])),
        ([Tensor(np.ones(2)), Tensor(np.ones(2))], np.ones((2, 2))),
        (Lent(np.arange(3)), np.arange(3)),
        (np.ma.masked_array([1.0, 2.0], mask=[False, False]), np.array([1.0, 2.0])),
        (range(3), np.arange(3)),
    ],
)
def test_what_is_taken(given, wanted):
    got = as_numbers("x", given)
    assert type(got) is np.ndarray
    assert (got.dtype, got.tolist()) == (wanted.dtype, wanted.tolist())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            MASKED,
            ValueError,
            r"x: .*masked array in which 1 of 4 are masked, the first at \[1, 0\]: fill them",
        ),
        ([[0.0, 0.0], MASKED[1]], ValueError, r"x\[1\]: .*1 of 2 are masked"),
        ([1.0, np.ma.masked], ValueError, r"x\[1\]: .*masked"),
        (np.ones(2) * 1j, TypeError, "x: expected real numbers, got complex128. Complex data not supported"),
        ([1, 2j], ValueError, "Complex data not supported"),
        (np.array([1, 2j], object), TypeError, "complex128"),
        ([[1, 2], [3]], ValueError, r"x\[1\]: expected shape \(2,\), that of x\[0\], got \(1,\)"),
        ([[[1], [2, 3]]], ValueError, r"x\[0\]\[1\]: expected shape \(1,\)"),
        ([1, [2]], ValueError, r"x\[1\]: expected shape \(\), that of x\[0\], got \(1,\)"),
        (np.array([np.ones(2), np.ones(3)], object), ValueError, r"x\[1\]: expected shape \(2,\)"),
        (["a", "b"], TypeError, "x: expected real numbers, got <U1"),
        (np.array([1, "b"], object), TypeError, r"got 'b' at \[1\]"),
        ([1, None], TypeError, r"missing value \(None\) at \[1\]"),
        (pd.Series([1, None], dtype="Int64"), ValueError, "x: .*1 missing"),
        (pd.DataFrame({"a": pd.array([1.0, None], "Float64"), "b": [1, 2]}), ValueError, "x: .*1 missing"),
        (pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}), TypeError, r"got 'u' at \[0, 1\]"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "convert times to seconds"),
        (pd.Series(pd.date_range("2020", periods=2)), TypeError, "convert times to seconds"),
        (np.zeros(2, [("a", "f4")]), TypeError, "x: expected real numbers"),
        ({"a": 1}, TypeError, "got dict"),
        (None, TypeError, r"missing value \(None\)"),
        (Tensor(np.ones(2) * 1j), TypeError, "complex"),
    ],
)
def test_what_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        as_numbers("x", given)


class Nulls:
    """A column or a table as polars gives them: what is missing is NaN in the array, and is counted."""

    def __init__(self, values, nulls):
        self.values, self.nulls = np.asarray(values, float), nulls

    def __array__(self, dtype=None, copy=None):
        return self.values

    def null_count(self):
        return self.nulls


class Row(tuple):
    __slots__ = ()

    def row(self, index):
        return self


@pytest.mark.parametrize("values", [[1.0, np.nan], [[1.0, np.nan], [2.0, 3.0]]], ids=["column", "table"])
def test_what_polars_counts_as_missing_is_refused(values):
    def nulls(count):
        return Row((0, count)) if np.ndim(values) == 2 else count

    assert as_numbers("x", Nulls(values, nulls(0))).shape == np.shape(values)
    with pytest.raises(ValueError, match="missing"):
        as_numbers("x", Nulls(values, nulls(1)))


def test_sparse_matrices_are_named():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="Sparse data was passed, expected a dense array"):
        as_numbers("x", sparse.eye(3).tocsr())


def test_integers_are_integers():
    assert as_integers("x", np.array([3], ">u2")).tolist() == [3]
    assert as_integers("x", [BIG]).tolist() == [BIG]
    assert as_integers("x", []).shape == (0,)
    for wrong in ([1.0], [True]):
        with pytest.raises(TypeError, match="x: expected integers, got"):
            as_integers("x", wrong)
    for wrong in (np.array([2**63], np.uint64), [2**64], [1, -(2**200)]):
        with pytest.raises(ValueError, match=r"x: expected integers below 2\*\*63"):
            as_integers("x", wrong)


def test_lengths_are_whole():
    for given in ([2, 1], [2.0, 1.0], pd.Series([2, 1]), np.array([2, 1], np.uint8)):
        lengths = as_lengths(given)
        assert (lengths.dtype, lengths.tolist()) == (np.int64, [2, 1])
    for wrong in ([1.5], [np.nan], [np.inf], [True], [[1]], 3):
        with pytest.raises(TypeError, match="lengths: expected a 1-D array of integers"):
            as_lengths(wrong)


def test_labels_are_of_any_type():
    for given in (["a", "b"], ["a", None], [1, 2], [True, False], pd.Categorical(["a", "b"])):
        assert as_labels("y", given).tolist() == list(given)
    for wrong in ([1, 1j], np.ma.masked_array([1, 2], [False, True])):
        with pytest.raises(ValueError, match="y: expected"):
            as_labels("y", wrong)


@pytest.mark.parametrize("item", [datetime.datetime(2020, 1, 1), np.timedelta64(1, "ns"), datetime.timedelta(1)])
def test_times_among_other_columns_are_told_how_they_become_numbers(item):
    with pytest.raises(TypeError, match=rf"x: expected .*got {type(item).__name__} at \[0, 0\]: convert times to sec"):
        as_numbers("x", np.array([[item, 1.0]], dtype=object))


def test_a_packed_sequence_of_torch_is_named():
    fields = {"__module__": "torch.nn.utils.rnn"}
    kind = type("PackedSequence", (namedtuple("Fields", "data batch_sizes"),), fields)
    theirs = kind(np.zeros((3, 2)), np.array([2, 1]))
    with pytest.raises(
        TypeError, match=r"x: expected .*, got torch's PackedSequence p: seriatim\.PackedSequence\(\*p\)"
    ):
        as_numbers("x", theirs)
