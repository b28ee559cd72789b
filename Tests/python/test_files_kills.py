"""Processes that are killed at a call that writes: a short run of ``Tests/fuzz/files_kills.py``."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "fuzz"))
import files_kills

# Newer versions of Python warn of threads at every fork.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_save_that_is_killed_at_any_call_leaves_a_whole_file(tmp_path):
    kills, loaded = files_kills.save(tmp_path)
    assert kills == loaded >= 10


def test_a_training_that_is_killed_at_a_call_goes_on_with_the_same_bits(tmp_path):
    kills, _ = files_kills.checkpoints(tmp_path, step=6)
    assert kills >= 10


def test_a_reader_always_finds_a_whole_file(tmp_path):
    kills, loaded = files_kills.race(tmp_path, seconds=0.5)
    assert min(kills, loaded) > 2
