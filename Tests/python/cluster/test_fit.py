"""Fits and predictions on a cluster of two processes, held against one process bit by bit."""

import copy
import logging
import pickle

import numpy as np
import pytest

pytest.importorskip("dask.distributed", reason="seriatim.dask needs dask and distributed")
import cloudpickle
import dask
import dask.array as da
import dask.bag
from cluster.conftest import spread
from dask.distributed import Client, LocalCluster, wait
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import seriatim
from seriatim import dask as cluster_models
from seriatim import models, nn

SETTINGS = {"max_epochs": 2, "random_state": 0, "batch_size": 8}
GRU = {**SETTINGS, "hidden_size": 4}
DEEP = {**SETTINGS, "dims": {"gru1": 4, "gru2": 4, "gru3": 4, "fc": 4}}
# What draws and what averages.
MORE = {"early_stopping": True, "weight_averaging": 0.9, "max_epochs": 2}

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:early_stopping chooses"),
]


def same_model(ours, other):
    a, b = ours.module_.state_dict(), other.module_.state_dict()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)
    for name in set(other.history_) - {"seconds"}:
        assert ours.history_[name] == other.history_[name]
    assert ours.best_epoch_ == other.best_epoch_


def cut(sequences, *places):
    return [sequences[first:last] for first, last in zip((0, *places), (*places, len(sequences)), strict=True)]


@pytest.fixture(scope="module")
def alone(data):
    """The plain classifier, fitted by this process."""
    return models.GRUClassifier(micro_shards=8, **{**GRU, **MORE}).fit(*data)


def ours(client, **changes):
    return cluster_models.GRUClassifier(client=client, **{**GRU, **MORE, "timeout": 60, **changes})


# ---- One answer


@pytest.mark.parametrize("kind", ["GRUClassifier", "LSTMClassifier", "DeepGRUClassifier", "DeepGRURegressor"])
def test_two_workers_one_and_none_learn_the_same_bits(client, address, data, kind):
    settings = {**(DEEP if "Deep" in kind else GRU), **MORE}
    X, y = data
    if kind == "DeepGRURegressor":
        y = np.array([len(x) + x[0, 0] for x in X])
    plain = getattr(models, kind)(micro_shards=8, **settings).fit(X, y)
    chunks = spread(client, cut(X, 7, 26))
    for workers in (None, address[1:]):
        model = getattr(cluster_models, kind)(client=client, workers=workers, **settings).fit(chunks, y)
        same_model(model, plain)
        np.testing.assert_array_equal(model.predict(X), plain.predict(X))


def test_videos(client):
    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=(3, 1, 4, 4)) for _ in range(8)], np.arange(8) % 2
    cnn = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.Flatten())
    settings = {"hidden_size": 4, "fc": 4, "max_epochs": 2, "batch_size": 4, "random_state": 0}
    plain = models.VideoClassifier(cnn, 8, micro_shards=2, **settings).fit(X, y)
    model = cluster_models.VideoClassifier(cnn, 8, client=client, micro_shards=2, **settings)
    same_model(model.fit(spread(client, cut(X, 5)), y), plain)
    assert model.predict(spread(client, cut(X, 1))).compute().tolist() == plain.predict(X).tolist()


FORMS = {
    "futures": lambda client, X: spread(client, cut(X, 3, 31)),
    "futures of Sequences": lambda client, X: spread(client, [seriatim.Sequences.from_list(X[:9]), X[9:]]),
    "delayed": lambda client, X: [dask.delayed(part) for part in cut(X, 20)],
    "one delayed": lambda client, X: dask.delayed(X),
    "bag": lambda client, X: dask.bag.from_sequence(X, npartitions=3),
    "computed bag": lambda client, X: client.persist(dask.bag.from_sequence(X, npartitions=3)),
    "bag that computes": lambda client, X: dask.bag.from_sequence(X, npartitions=3).map(np.copy),
    "empty chunks": lambda client, X: spread(client, [[], X[:20], [], X[20:], []]),
    "plain": lambda client, X: X,
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_X(client, data, alone, form):
    X, y = data
    model = ours(client).fit(FORMS[form](client, X), y)
    same_model(model, alone)
    assert model.classes_.tolist() == ["falls", "rises"]


def test_arrays_of_observations(client, data, alone):
    X, y = data
    lengths = np.array([len(x) for x in X])
    ends = np.cumsum(lengths)
    x = da.from_array(np.concatenate(X), chunks=((int(ends[10]), int(ends[-1] - ends[10])), 3))
    model = ours(client).fit(x, y, lengths)
    same_model(model, alone)
    found = model.predict(x, lengths)
    assert found.chunks == ((11, 29),)
    assert found.compute().tolist() == alone.predict(X).tolist()
    same_model(ours(client).fit(np.concatenate(X), y, lengths), alone)


@pytest.mark.parametrize("chunks", [(5, 4, 3), (7, 2, 1), (20, 4, 3)])
def test_arrays_of_sequences(client, chunks):
    x, y = np.random.default_rng(0).normal(size=(20, 4, 3)), np.arange(20) % 2
    plain = models.GRUClassifier(micro_shards=8, **GRU).fit(x, y)
    lazy = da.from_array(x, chunks=chunks)
    model = cluster_models.GRUClassifier(client=client, **GRU).fit(lazy, da.from_array(y, chunks=6))
    same_model(model, plain)
    found = model.predict_proba(lazy)
    assert found.chunks == (lazy.chunks[0], (2,))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.compute(), plain.predict_proba(x))


def test_what_goes_with_the_sequences(client, data):
    X, y = data
    weights, groups = np.linspace(0.5, 2, 40), np.arange(40) // 2
    given = {"sample_weight": weights, "groups": groups}
    plain = models.GRUClassifier(micro_shards=8, **{**GRU, **MORE}).fit(X, y, **given)
    chunks = spread(client, cut(X, 12))
    same_model(ours(client).fit(chunks, y, **given), plain)
    there = {"sample_weight": spread(client, cut(weights, 12)), "groups": da.from_array(groups, chunks=9)}
    same_model(ours(client).fit(chunks, spread(client, cut(list(y), 12)), **there), plain)
    pandas = pytest.importorskip("pandas")
    labels = pandas.Series(y)
    there["sample_weight"] = pandas.Series(weights)
    same_model(ours(client).fit(chunks, spread(client, [labels.iloc[:12], labels.iloc[12:]]), **there), plain)


@pytest.mark.parametrize("lazy", [False, True])
def test_validation_data(client, data, lazy):
    X, y = data
    plain = models.GRUClassifier(micro_shards=8, **{**GRU, **MORE}).fit(
        X[:30], y[:30], validation_data=(X[30:], y[30:])
    )
    held = (spread(client, cut(X[30:], 4)), spread(client, cut(y[30:], 4))) if lazy else (X[30:], y[30:])
    model = ours(client).fit(spread(client, cut(X[:30], 10)), y[:30], validation_data=held)
    same_model(model, plain)


def test_threads_of_one_process_are_one_rank(data, alone, caplog, tmp_path):
    """Workers of ``processes=False`` cannot be two ranks; kernels have as many threads as Dask gives the worker."""
    seen = tmp_path / "threads"
    before = seriatim.get_num_threads()
    with (
        LocalCluster(n_workers=2, threads_per_worker=3, processes=False, dashboard_address=":0") as threads,
        Client(threads, set_as_default=False) as client,
        caplog.at_level(logging.INFO, "seriatim"),
    ):
        assert len(client.nthreads()) == 2
        model = ours(client, callbacks=[lambda history: seen.write_text(str(seriatim.get_num_threads())) < 0])
        same_model(model.fit(*data), alone)
    assert seen.read_text() == "3"
    assert seriatim.get_num_threads() == before
    assert "2 workers are threads of one process, which is one rank" in caplog.text


# ---- Where data lie


def test_data_that_lie_right_stay(client, address, data, alone, caplog):
    X, y = data
    for order in (address, address[::-1]):
        chunks = spread(client, cut(X, 20), order)
        with caplog.at_level(logging.INFO, "seriatim"):
            same_model(ours(client).fit(chunks, y), alone)
        assert any("; 0 of " in text for text in caplog.messages)
        there = client.who_has(chunks)
        assert [list(there[chunk.key]) for chunk in chunks] == [[worker] for worker in order]
        caplog.clear()


# ---- Predictions


def test_predictions_are_lazy_and_computed_where_the_sequences_lie(client, address, data, alone):
    X, y = data
    model = ours(client).fit(X, y)
    chunks = spread(client, cut(X, 9), address)
    found = model.predict(chunks)
    assert isinstance(found, da.Array)
    assert found.npartitions == 2
    assert found.dtype == alone.classes_.dtype
    # The model lies on every worker, and what is sent to the scheduler does not have it.
    assert len(cloudpickle.dumps(found.dask.to_dict())) < 5000 < len(pickle.dumps(alone))
    kept = client.persist(found)
    wait(kept)
    where = client.who_has(kept)
    assert sorted(worker for some in where.values() for worker in some) == sorted(address)
    assert kept.compute().tolist() == alone.predict(X).tolist()
    np.testing.assert_array_equal(model.predict_log_proba(chunks).compute(), alone.predict_log_proba(X))
    assert model.predict(spread(client, [[], X])).compute().tolist() == alone.predict(X).tolist()
    lazy = spread(client, cut(y, 9))
    assert model.score(chunks, lazy) == model.score(X, y) == alone.score(X, y)
    weights = np.arange(40.0)
    assert model.score(chunks, y, sample_weight=weights) == alone.score(X, y, sample_weight=weights)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_predictions_of_numbers(client, data, n_outputs):
    X, _ = data
    y = np.array([[len(x), x[0, 0]] for x in X])[:, :n_outputs].squeeze()
    model = cluster_models.DeepGRURegressor(client=client, **DEEP).fit(X, y)
    chunks = spread(client, cut(X, 9))
    found = model.predict(chunks).compute()
    np.testing.assert_array_equal(found, model.to_local().predict(X))
    assert found.shape == y.shape
    assert model.score(chunks, y) == model.to_local().score(X, y)


# ---- scikit-learn's manners


def test_parameters_clones_and_pickles(client, data):
    model = ours(client, timeout=50, hidden_size=5)
    parameters = model.get_params()
    assert parameters["client"] is client
    assert parameters.keys() - models.GRUClassifier().get_params().keys() == {"client", "timeout", "workers"}
    assert "client=<Client" in repr(model)
    again = clone(model)
    assert again.client is client
    assert again.get_params() == parameters
    assert model.set_params(hidden_size=3).hidden_size == 3
    assert again.hidden_size == 5
    with pytest.raises(TypeError, match="unexpected keyword argument 'hiden_size'"):
        cluster_models.GRUClassifier(hiden_size=3)
    model.fit(*data)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.client is None
        assert other.predict(data[0]).tolist() == model.predict(data[0]).tolist()
    assert not hasattr(clone(model), "module_")


def test_the_plain_estimator(client, data, tmp_path):
    model = ours(client)
    assert isinstance(model.to_local(), models.GRUClassifier)
    with pytest.raises(NotFittedError):
        model.predict(data[0])
    local = model.fit(*data).to_local()
    assert type(local) is models.GRUClassifier
    assert local.get_params() == {k: v for k, v in model.get_params().items() if k in local.get_params()}
    assert local.module_ is not model.module_
    same_model(local, model)
    seriatim.save(local, tmp_path / "a.safetensors")
    assert seriatim.load(tmp_path / "a.safetensors").predict(data[0]).tolist() == model.predict(data[0]).tolist()


def test_the_current_client_is_taken(client, data, alone):
    same_model(ours(None).fit(*data), alone)


# ---- What is shown


class Bar:
    """A bar of tqdm as far as it is used."""

    def __init__(self, total):
        self.total, self.n, self.how, self.closed, self.postfix = total, 0, "", False, {}

    def update(self, n):
        self.n += n

    def set_description(self, text, refresh=True):
        self.text = text

    def set_postfix(self, values, refresh=True):
        self.postfix = dict(values)

    def refresh(self):
        pass

    def close(self):
        self.closed = True


def test_one_bar_and_one_line_for_all_workers(client, data, monkeypatch, capsys):
    bars = []
    monkeypatch.setattr("seriatim.dask._bar.make_bar", lambda total: bars.append(Bar(total)) or bars[-1])
    ours(client, verbose=1).fit(*data)
    (bar,) = bars
    assert bar.closed
    assert bar.how == "success"
    assert bar.n == bar.total == 2 * 5
    assert bar.postfix["workers"] == 2
    assert {"loss", "validation"} <= bar.postfix.keys()
    assert capsys.readouterr().out.startswith("GRUClassifier: 36 sequences of")
    ours(client).fit(*data)
    assert len(bars) == 1


def test_warnings_come_from_the_line_that_fits(client, data):
    with pytest.warns(UserWarning, match="early_stopping chooses") as told:
        ours(client).fit(spread(client, cut(data[0], 5)), data[1])
    assert {warning.filename for warning in told} == {__file__}


# ---- What is refused


@pytest.mark.parametrize(
    ("changes", "given", "error", "text"),
    [
        ({"timeout": 0}, {}, ValueError, "timeout: expected a positive finite number of seconds, got 0"),
        ({"learning_rate": -1}, {}, ValueError, "learning_rate: expected"),
        ({"workers": ["nobody"]}, {}, ValueError, r"workers: expected some of .*, got \['nobody'\]"),
        ({"client": 3}, {}, TypeError, "client: expected a dask.distributed.Client that is not asynchronous, got 3"),
        ({}, {"y": np.zeros(39)}, ValueError, "y: expected one for each of 40 sequences, got 39"),
        ({}, {"y": None}, ValueError, "requires y to be passed"),
        ({}, {"y": da.zeros(39, chunks=10)}, ValueError, "y: expected one for each of 40 sequences, got 39"),
        ({}, {"sample_weight": np.ones(3)}, ValueError, "sample_weight: expected one for each of 40 sequences, got 3"),
        ({}, {"groups": [1]}, ValueError, "groups: expected one for each of 40 sequences, got 1"),
        ({"early_stopping": True}, {"validation_data": 3}, ValueError, "validation_data"),
    ],
)
def test_refusals(client, data, changes, given, error, text):
    X, y = data
    with pytest.raises(error, match=text):
        ours(**{"client": client, **changes}).fit(spread(client, cut(X, 20)), **{"y": y, **given})


def test_a_second_fit_begins_anew_or_is_refused(client, data, alone):
    model = ours(client).fit(*data)
    same_model(model.fit(*data), alone)
    with pytest.raises(ValueError, match=r"to_local\(\) gives an estimator that can go on"):
        model.set_params(warm_start=True).fit(*data)
    with pytest.raises(NotImplementedError, match="to_local"):
        model.partial_fit(*data)


def test_no_client(monkeypatch):
    def nobody():
        raise ValueError("No global client found and no address provided")

    monkeypatch.setattr("seriatim.dask._estimators.get_client", nobody)
    with pytest.raises(ValueError, match=r"client: expected a dask.distributed.Client, given or current, got none"):
        cluster_models.GRUClassifier().fit([[1.0]], [0])
