"""Sequences out of long tables, and back."""

import numpy as np
import pytest

from seriatim import Sequences

pandas = pytest.importorskip("pandas")

# Sequences "b", "a" of 3 and 2 rows that do not stand together, out of order in time.
TABLE = pandas.DataFrame(
    {"who": list("babba"), "t": [3, 1, 1, 2, 0], "x": [30.0, 1.0, 10.0, 20.0, 0.0], "n": [3, 1, 1, 2, 0]}
)


class Column:
    """What polars has in common with pandas."""

    def __init__(self, values):
        self.values = values

    def to_list(self):
        return list(self.values)

    def to_numpy(self):
        return np.asarray(self.values)


class Frame:
    def __init__(self, df):
        self.df, self.columns = df, list(df.columns)

    def __getitem__(self, name):
        return Column(self.df[name].to_list())

    def __len__(self):
        return len(self.df)


@pytest.mark.parametrize("frame", [TABLE, Frame(TABLE), TABLE.set_index(["who", "t"])], ids=["plain", "other", "index"])
def test_by_and_order(frame):
    found = Sequences.from_frame(frame, by="who", order="t")
    assert found == Sequences([[10, 1], [20, 2], [30, 3], [0, 0], [1, 1]], [3, 2])
    assert (found.keys, found.columns) == (["b", "a"], ["x", "n"])


def test_rows_keep_their_order_and_columns_are_chosen():
    found = Sequences.from_frame(TABLE, by="who", columns="x")
    assert found == Sequences([[30.0], [10], [20], [1], [0]], [3, 2])
    assert Sequences.from_frame(TABLE, by="who", columns=["n", "x"]).columns == ["n", "x"]


def test_several_columns_say_which_sequence():
    table = TABLE.assign(day=pandas.to_datetime(["2026-01-01"] * 3 + ["2026-01-02"] * 2))
    found = Sequences.from_frame(table, by=["who", "day"], columns="x", order=["n", "t"])
    assert [key[0] for key in found.keys] == ["b", "a", "b", "a"]
    assert found.lengths.tolist() == [2, 1, 1, 1]
    labels = table.groupby(["who", "day"], sort=False)["x"].first()
    assert list(labels.index) == found.keys


def test_keys_go_along():
    found = Sequences.from_frame(TABLE, by="who", columns="x")
    assert found[[1, 0, 1]].keys == ["a", "b", "a"]
    assert found[1:].keys == ["a"]
    assert found[np.array([True, False])].columns == ["x"]
    assert Sequences([1.0], [1]).keys is None
    assert Sequences.from_list({"one": [1.0, 2.0], "two": [3.0]}).keys == ["one", "two"]


def test_and_back():
    ordered = TABLE.sort_values(["who", "t"], ascending=[False, True])
    found = Sequences.from_frame(ordered, by=["who", "t"], columns=["x"])
    pandas.testing.assert_frame_equal(found.to_frame(), ordered[["who", "t", "x"]].reset_index(drop=True))
    plain = Sequences([[1.0, 2], [3, 4]], [1, 1]).to_frame()
    assert list(plain.columns) == ["sequence", "x0", "x1"]
    assert plain["sequence"].tolist() == [0, 1]
    with pytest.raises(ValueError, match="at most one axis"):
        Sequences(np.zeros((2, 1, 2, 2))).to_frame()


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({}, {"by": "id"}, r"by: expected some of the columns .*got \['id'\]"),
        ({}, {"by": []}, "by: .*got none"),
        ({}, {"by": "who", "order": "time"}, "order: expected"),
        ({}, {"by": "who", "columns": ["x", "y"]}, r"columns: .*got \['y'\]"),
        ({"who": ["a", None, "a", "b", "b"]}, {"by": "who"}, "column 'who', got .* in row 1"),
        ({"t": [0, 1, np.nan, 2, 3]}, {"by": "who", "order": "t"}, "column 't', got nan in row 2"),
        ({"label": "walk"}, {"by": "who"}, "column 'label': .*columns says which columns are features"),
    ],
)
def test_what_cannot_be_read(change, arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        Sequences.from_frame(TABLE.assign(**change), **arguments)
    with pytest.raises(TypeError, match="df: expected a data frame"):
        Sequences.from_frame([[1]], by=0)


def test_targets_among_the_features_are_warned_of():
    with pytest.warns(UserWarning, match="'label': the same in all rows of a sequence"):
        Sequences.from_frame(TABLE.assign(label=[1, 0, 1, 1, 0]), by="who")
    # Of sequences of one step every column is the same throughout.
    assert len(Sequences.from_frame(TABLE.assign(who=range(5)).drop(columns="t"), by="who")) == 5
