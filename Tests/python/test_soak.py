"""The soak's jobs still run: the hour itself is ``python Tests/soak --minutes 60``."""

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["save_and_load", "stop_and_resume", "predict_while_it_learns", "refuse"])
def test_a_job_gives_the_same_bits_again_and_leaves_nothing(name, tmp_path):
    spec = importlib.util.spec_from_file_location("soak_jobs", Path(__file__).parents[1] / "soak" / "jobs.py")
    jobs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(jobs)
    assert jobs.JOBS[name](tmp_path) == jobs.JOBS[name](tmp_path)
    assert list(tmp_path.iterdir()) == []
