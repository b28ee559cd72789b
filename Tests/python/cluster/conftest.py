"""Two workers, processes on this machine, for all tests of seriatim.dask.

The folder is not called dask: where dask is missing, a folder of this name on the path would be imported as it.
"""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def cluster():
    """A cluster of two processes, each with one thread."""
    distributed = pytest.importorskip("dask.distributed", reason="seriatim.dask needs dask and distributed")
    import dask

    settings = {
        "distributed.worker.memory.terminate": False,
        "distributed.worker.multiprocessing-method": "spawn",
        # Else a cluster closes the nanny of a worker that is missing some time after it was lost.
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as made,
    ):
        yield made


@pytest.fixture(scope="session")
def client(cluster):
    """The client of the cluster, whose workers have imported the library."""
    from dask.distributed import Client

    with Client(cluster) as made:
        made.wait_for_workers(2, 60)
        made.run(lambda: __import__("seriatim.dask"))
        yield made


@pytest.fixture
def address(client):
    """The addresses of the two workers; waits until there are two."""
    client.wait_for_workers(2, 60)
    return sorted(client.scheduler_info()["workers"])


def ragged(n=40, seed=0, features=3, classes=2):
    """Sequences that lie higher or lower, by their label."""
    rng = np.random.default_rng([seed, n])
    y = np.arange(n) % classes
    X = [
        rng.normal(size=(int(length), features)) + label for length, label in zip(rng.integers(3, 9, n), y, strict=True)
    ]
    return X, np.array(["falls", "rises", "stays"])[y]


@pytest.fixture(scope="session")
def data():
    """Forty ragged sequences of two classes."""
    return ragged()


def spread(client, parts, workers=None):
    """Chunks on workers, each anew: what is scattered by its content may be just about to be forgotten."""
    workers = [None] * len(parts) if workers is None else [[one] for one in workers]
    pairs = zip(parts, workers, strict=True)
    return [client.scatter([part], workers=there, hash=False)[0] for part, there in pairs]
