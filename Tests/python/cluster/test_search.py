"""Searches whose tasks are a cluster's, threads that do not multiply, and the page of the documentation."""

import subprocess
import sys
from pathlib import Path

import joblib
import pytest

pytest.importorskip("dask.distributed", reason="seriatim.dask needs dask and distributed")
from sklearn.model_selection import GridSearchCV

import seriatim
from seriatim import Sequences
from seriatim.models import GRUClassifier

ROOT = Path(__file__).parents[3]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_search_over_a_cluster(client, data):
    X, y = Sequences.from_list(data[0]), data[1]
    grid = {"hidden_size": [2, 4]}
    found = []
    for backend in ("dask", "threading"):
        search = GridSearchCV(GRUClassifier(max_epochs=2, random_state=0), grid, cv=2)
        with joblib.parallel_config(backend=backend, n_jobs=2):
            found.append(search.fit(X, y).cv_results_["mean_test_score"].tolist())
    assert found[0] == found[1]


def test_kernels_have_the_threads_that_a_worker_has(client):
    assert set(client.run(seriatim.get_num_threads).values()) == {1}


def test_bounds_of_tasks_at_once_are_put_back_whoever_ends_first():
    from seriatim.dask._threads import kernel_threads

    before = seriatim.get_num_threads()
    one, two = kernel_threads(1), kernel_threads(3)
    two.__enter__()
    assert seriatim.get_num_threads() == 3
    one.__enter__()
    assert seriatim.get_num_threads() == 1
    two.__exit__(None, None, None)
    assert seriatim.get_num_threads() == 1
    one.__exit__(None, None, None)
    assert seriatim.get_num_threads() == before


def test_the_page():
    command = [sys.executable, ROOT / "docs" / "check_examples.py", ROOT / "docs" / "guide" / "dask.md"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out" not in done.stdout
