"""Collections of Dask as chunks, and what is refused before anything is computed."""

import numpy as np
import pytest

pytest.importorskip("dask.distributed", reason="seriatim.dask needs dask and distributed")
import dask
import dask.array as da
import dask.bag

from seriatim import Sequences
from seriatim.dask._collections import is_dask, sequences_of, values_of
from seriatim.dask._sequences import facts_of_sequences, joined_values, sequences_in


def computed(chunks):
    return [np.concatenate(sequences_in(chunk)).tolist() for chunk in dask.compute(*chunks)]


def test_an_array_of_sequences_may_be_chunked_in_any_way():
    x = np.arange(24.0).reshape(4, 3, 2)
    for chunks in ((2, 3, 2), (2, 1, 1), ((1, 3), (2, 1), 2)):
        found, counts = sequences_of(da.from_array(x, chunks=chunks), None)
        assert np.concatenate(computed(found)).tolist() == x.reshape(12, 2).tolist()
        assert sum(counts) == 4


def test_an_array_of_observations_whose_chunks_are_whole_sequences():
    x = np.arange(20.0).reshape(10, 2)
    found, counts = sequences_of(da.from_array(x, chunks=((5, 5), 1)), [2, 3, 4, 1])
    assert counts == [2, 2]
    assert [chunk.lengths.tolist() for chunk in dask.compute(*found)] == [[2, 3], [4, 1]]
    assert np.concatenate([chunk.X for chunk in dask.compute(*found)]).tolist() == x.tolist()


def test_a_sequence_that_is_divided_is_refused_with_what_to_do():
    x = da.from_array(np.zeros((10, 2)), chunks=(4, 2))
    with pytest.raises(
        ValueError, match=r"got chunk 0 that ends within one, at observation 4: X.rechunk\(\{0: \((.*)\)\}\)"
    ) as told:
        sequences_of(x, [2, 3, 4, 1])
    sizes = tuple(int(one) for one in str(told.value).split("(")[-1].split(")")[0].split(", "))
    sequences_of(x.rechunk({0: sizes}), [2, 3, 4, 1])


@pytest.mark.parametrize(
    ("X", "lengths", "text"),
    [
        (da.zeros((4, 3), chunks=2), None, r"Univariate series \(n, T\) become X\[:, :, None\]"),
        (da.zeros((4, 3), chunks=2), [1, 2], "to add up to the 4 observations of X, got 3"),
        (dask.bag.from_sequence([1]), [1], "expected none where X is a collection of sequences"),
        (da.from_delayed(dask.delayed(np.zeros)((3, 2)), (np.nan, 2), float), [3], "compute_chunk_sizes"),
    ],
)
def test_what_cannot_be_is_refused(X, lengths, text):
    with pytest.raises(ValueError, match=text):
        sequences_of(X, lengths)


def test_a_frame_is_refused_with_what_to_do():
    pandas = pytest.importorskip("pandas")
    frame = pytest.importorskip("dask.dataframe").from_pandas(pandas.DataFrame({"a": [1.0, 2.0], "by": [0, 0]}), 1)
    with pytest.raises(TypeError, match=r"Sequences.from_frame\)\(part, by='...'\) for part in frame.to_delayed\(\)"):
        sequences_of(frame, None)
    (chunk,) = dask.compute(*[dask.delayed(Sequences.from_frame)(part, by="by") for part in frame.to_delayed()])
    assert chunk.X.tolist() == [[1.0], [2.0]]


def test_a_mixed_list_is_refused():
    with pytest.raises(TypeError, match="got a list of Delayed, ndarray"):
        sequences_of([dask.delayed(list)(), np.zeros(3)], None)


def test_what_is_of_dask():
    assert all(map(is_dask, (da.zeros(3), dask.bag.from_sequence([1]), [dask.delayed(list)()])))
    assert not any(map(is_dask, ([np.zeros((3, 2))], np.zeros(3), [], None)))


@pytest.mark.parametrize("chunk", [np.zeros((3, 2)), np.zeros(3), iter([np.zeros((3, 2))]), "text"])
def test_what_is_no_chunk_of_sequences_is_refused(chunk):
    with pytest.raises(TypeError, match="expected chunks that are a list of arrays, Sequences, or an array"):
        sequences_in(chunk)


def test_what_is_known_of_a_chunk():
    sequences = [np.zeros((3, 2)), np.zeros((1, 2))]
    assert facts_of_sequences(sequences) == facts_of_sequences(Sequences.from_list(sequences)) == (2, 64)
    assert facts_of_sequences([]) == (0, 0)


def test_targets_are_cut_as_the_sequences_are():
    y = da.arange(10, chunks=5)
    assert [len(chunk) for chunk in dask.compute(*values_of("y", y, [3, 3, 4]))] == [3, 3, 4]
    with pytest.raises(ValueError, match="y: expected one for each of 9 sequences, got 10"):
        values_of("y", y, [3, 3, 3])


def test_values_of_several_kinds_are_joined():
    assert joined_values([np.array(["a"]), np.array(["bcd"])]).tolist() == ["a", "bcd"]
    assert joined_values([["a"], np.array(["bcd"])]) == ["a", "bcd"]
    assert len(joined_values([])) == 0
