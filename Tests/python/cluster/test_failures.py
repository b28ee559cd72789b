"""Workers that die, hang, are busy or have nothing, and fits that are ended: errors in time, and workers that go on.

Failures that the peers are known for are tests of their own, by the number of their report.
"""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("dask.distributed", reason="seriatim.dask needs dask and distributed")
from cluster.conftest import spread
from dask.distributed import Client, worker_client

from seriatim import models
from seriatim.dask import GRUClassifier
from seriatim.distributed import TeamError

SETTINGS = {"max_epochs": 2, "random_state": 0, "batch_size": 8, "hidden_size": 4}
LONG = {**SETTINGS, "max_epochs": 100_000}

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def bits(model):
    return b"".join(array.tobytes() for array in model.module_.state_dict().values())


@pytest.fixture(scope="module")
def alone(data):
    """The bits of the plain classifier."""
    return bits(models.GRUClassifier(micro_shards=8, **SETTINGS).fit(*data))


def works(client, data, alone):
    """The workers can be used, and give what they should."""
    client.wait_for_workers(2, 60)
    deadline = time.monotonic() + 10
    while sum(client.run(ranks).values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sum(client.run(ranks).values()) == 0
    assert bits(GRUClassifier(client=client, timeout=60, **SETTINGS).fit(*data)) == alone


def ranks():
    """How many ranks run in this process."""
    return sum(thread.name.startswith("seriatim: is") for thread in threading.enumerate())


class Began:
    """A callback that leaves a file behind every epoch."""

    def __init__(self, path):
        self.path = path

    def __call__(self, history):
        self.path.touch()

    def wait(self, seconds=60):
        deadline = time.monotonic() + seconds
        while not self.path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def meanwhile(began, do):
    """Do something when a training has had its first epoch."""

    def work():
        began.wait()
        do()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def within(seconds):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


# ---- What the peers are known for


def test_lightgbm_4942_several_fits_at_once(client, data, alone):
    """LightGBM #4942: trainings that were submitted at the same moment, from tasks of one cluster, hung now and then.

    Their tasks held the workers' threads while each waited for others that were queued behind the other training's.
    """

    def nested(number):
        with worker_client() as own:
            return bits(GRUClassifier(client=own, timeout=60, **SETTINGS).fit(*data))

    with ThreadPoolExecutor(3) as pool:
        here = [
            pool.submit(lambda: bits(GRUClassifier(client=client, timeout=60, **SETTINGS).fit(*data))) for _ in range(3)
        ]
        inside = client.map(nested, range(3), pure=False)
        assert {one.result(120) for one in here} == {alone}
    assert set(client.gather(inside)) == {alone}


def test_a_fit_beside_another_one_and_other_tasks(client, address, data, alone, tmp_path):
    """A rank holds none of a worker's threads: with one thread each, two fits and a task run at once."""
    began, end = Began(tmp_path / "began"), tmp_path / "end"

    def over(history):
        return end.exists()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(GRUClassifier(client=client, timeout=60, callbacks=[began, over], **LONG).fit, *data)
        try:
            began.wait()
            tasks = [client.submit(os.getpid, workers=[worker], pure=False) for worker in address]
            assert len({task.result(10) for task in tasks}) == 2
            assert bits(GRUClassifier(client=client, timeout=10, **SETTINGS).fit(*data)) == alone
            assert not first.done()
        finally:
            end.touch()
        first.result(30)


def test_lightgbm_5920_a_worker_that_restarts(client, address, data, alone, tmp_path):
    """LightGBM #5920: a worker was restarted in the middle of a training, and the training hung for good."""
    began = Began(tmp_path / "began")
    pids = client.run(os.getpid)
    chunks = spread(client, [data[0][:20], data[0][20:]], address)
    text = f"worker {address[1]} died during the fit.*Call fit again; with checkpoint_dir"
    kill = meanwhile(began, lambda: os.kill(pids[address[1]], signal.SIGKILL))
    with kill, pytest.raises(TeamError, match=text):
        GRUClassifier(client=client, timeout=60, callbacks=[began], **LONG).fit(chunks, data[1])
    works(client, data, alone)


@pytest.mark.parametrize("worker", [0, 1])
def test_lightgbm_4771_an_error_in_one_worker(client, address, data, alone, worker):
    """LightGBM #4771: when one worker's training raised an error, the others waited for it without end."""
    X = [x.copy() for x in data[0]]
    X[-1 if worker else 0][0, 0] = np.nan
    chunks = spread(client, [X[:20], X[20:]], address)
    with within(20), pytest.raises(ValueError, match=r"missing|NaN"):
        GRUClassifier(client=client, timeout=60, **SETTINGS).fit(chunks, data[1])
    works(client, data, alone)


@pytest.mark.filterwarnings("ignore:y has a single class")
def test_lightgbm_3882_workers_without_data(client, address, data, alone):
    """LightGBM #3882: a worker that had no part of the data ended the training of all."""
    # All of it on one worker, in one chunk, beside chunks that are empty.
    chunks = spread(client, [data[0], [], []], [address[1], address[1], address[0]])
    assert bits(GRUClassifier(client=client, timeout=60, **SETTINGS).fit(chunks, data[1])) == alone
    # One sequence: one of the two ranks has none.
    X, y = data[0][:1], data[1][:1]
    one = models.GRUClassifier(micro_shards=8, **SETTINGS).fit(X, y)
    assert bits(GRUClassifier(client=client, timeout=60, **SETTINGS).fit(spread(client, [X]), y)) == bits(one)


def test_xgboost_8701_the_same_result_again(client, address, data, alone):
    """XGBoost #8701: with a seed, the same Dask array gave other models: they depended on who had which chunk."""
    X, y = data
    for places, workers in (([11], address), ([11], address[::-1]), ([1, 2, 39], [address[1]] * 4), ([], address[:1])):
        parts = [X[first:last] for first, last in zip([0, *places], [*places, len(X)], strict=True)]
        assert (
            bits(GRUClassifier(client=client, timeout=60, **SETTINGS).fit(spread(client, parts, workers), y)) == alone
        )


def test_ddp_38174_uneven_inputs(client, address, data):
    """DDP #38174: processes with unequal numbers of inputs hung or failed, as one made more steps than others."""
    X, y = data[0][:13], data[1][:13]
    for batch_size in (1, 2, 5):
        settings = {**SETTINGS, "batch_size": batch_size, "micro_shards": 3}
        plain = models.GRUClassifier(**settings).fit(X, y)
        model = GRUClassifier(client=client, timeout=60, **settings)
        model.fit(spread(client, [X[:1], X[1:]], address), y)
        assert bits(model) == bits(plain)
        assert model.history_["loss"] == plain.history_["loss"]


# ---- Workers


def test_a_worker_that_hangs_in_the_fit_is_named_in_time(client, address, data, alone, tmp_path):
    began = Began(tmp_path / "began")
    pid = client.run(os.getpid)[address[0]]
    chunks = spread(client, [data[0][:20], data[0][20:]], address)
    try:
        text = rf"rank 0 did not answer for 2 seconds.*rank 0 is {address[0]}"
        stop = meanwhile(began, lambda: os.kill(pid, signal.SIGSTOP))
        with stop, within(40), pytest.raises(TeamError, match=text):
            GRUClassifier(client=client, timeout=2, callbacks=[began], **LONG).fit(chunks, data[1])
    finally:
        os.kill(pid, signal.SIGCONT)
    works(client, data, alone)


@pytest.mark.parametrize("how", ["futures", "plain"])
def test_a_worker_that_is_stopped_before_is_named_in_time(client, address, data, alone, how):
    pid = client.run(os.getpid)[address[1]]
    X = spread(client, [data[0][:20], data[0][20:]], address) if how == "futures" else data[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        with within(30), pytest.raises(TeamError, match=f"{address[1]}.* within 1(.01)? seconds"):
            GRUClassifier(client=client, timeout=1, **SETTINGS).fit(X, data[1])
    finally:
        os.kill(pid, signal.SIGCONT)
    works(client, data, alone)


def test_a_worker_that_is_busy_is_named_in_time_and_fits_when_it_is_free(client, address, data, alone):
    chunks = spread(client, [data[0][:20], data[0][20:]], address)
    busy = client.submit(time.sleep, 3, workers=address[:1], pure=False)
    time.sleep(0.3)
    with pytest.raises(TeamError, match=f"{address[0]} did not .* all threads are busy"):
        GRUClassifier(client=client, timeout=1, **SETTINGS).fit(chunks, data[1])
    # One that joins late, within the limit.
    assert bits(GRUClassifier(client=client, timeout=60, **SETTINGS).fit(chunks, data[1])) == alone
    busy.result()


def test_a_fit_within_a_task_that_holds_the_only_thread_is_told_so(client, data, alone):
    def hold():
        from dask.distributed import get_client

        GRUClassifier(client=get_client(), timeout=1, **SETTINGS).fit(*data)

    with pytest.raises(TeamError, match=r"unless by worker_client\(\)|all threads are busy"):
        client.submit(hold, pure=False).result(60)
    works(client, data, alone)


# ---- Ends


def test_ctrl_c_ends_all_ranks(client, data, alone, tmp_path):
    began = Began(tmp_path / "began")
    model = GRUClassifier(client=client, timeout=60, **SETTINGS).fit(*data)
    model.set_params(callbacks=[began], max_epochs=100_000)
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with meanwhile(began, interrupt), pytest.raises(KeyboardInterrupt):
        model.fit(*data)
    assert time.monotonic() - sent[0] < 8
    assert sum(client.run(ranks).values()) == 0
    # As it was.
    assert bits(model) == alone
    works(client, data, alone)


def test_ranks_end_when_their_client_has_gone(client, cluster, data, alone, tmp_path):
    began = Began(tmp_path / "began")
    other = Client(cluster, set_as_default=False)
    raised = []

    def fit():
        try:
            GRUClassifier(client=other, timeout=60, callbacks=[began], **LONG).fit(*data)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=fit)
    thread.start()
    began.wait()
    assert sum(client.run(ranks).values()) == 2
    other.close()
    thread.join(20)
    assert not thread.is_alive()
    assert len(raised) == 1
    works(client, data, alone)


# ---- Checkpoints


def test_the_next_fit_goes_on_with_the_same_bits_on_another_number_of_workers(client, address, data, tmp_path):
    settings = {**SETTINGS, "max_epochs": 12, "early_stopping": True, "weight_averaging": 0.9, "n_iter_no_change": 12}
    settings["validation_fraction"] = 0.5
    plain = models.GRUClassifier(micro_shards=8, **settings).fit(*data)
    began = Began(tmp_path / "began")
    pids = client.run(os.getpid)
    # The worker that writes the file is the one that dies.
    chunks = spread(client, [data[0][:20], data[0][20:]], address)
    given = {"client": client, "timeout": 60, "checkpoint_dir": tmp_path / "kept"}

    class Stumbling:
        def __call__(self, history):
            if len(history["loss"]) == 5 and not began.path.exists():
                began.path.touch()
                time.sleep(2)

    settings["callbacks"] = [Stumbling()]
    kill = meanwhile(began, lambda: os.kill(pids[address[0]], signal.SIGKILL))
    with kill, pytest.raises(TeamError, match=r"goes on from the last checkpoint in .*kept, on any number of workers"):
        GRUClassifier(**given, **settings).fit(chunks, data[1])
    client.wait_for_workers(2, 60)
    (left,) = (tmp_path / "kept").glob("*.safetensors")
    model = GRUClassifier(**given, **settings, workers=[address[1]])
    model.fit(spread(client, [data[0]]), data[1])
    assert bits(model) == bits(plain)
    assert model.history_["loss"] == plain.history_["loss"]
    assert not left.exists()
