"""Checkpoints that survive a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from samples import make, rising, weights_of

from seriatim import preprocessing as prep
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier

still_improving = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


X, Y = rising()


SETTINGS = {"max_epochs": 8, "early_stopping": True, "weight_averaging": 0.9, "n_iter_no_change": 50, "dropout": 0.5}


def augmented(**parameters):
    return make(augmentation=prep.Jitter(0.05), **{**SETTINGS, **parameters})


SCRIPT = """
import sys, warnings, numpy as np
sys.path.insert(0, {tests!r})
from training.test_checkpoint import X, Y, augmented, weights_of
warnings.simplefilter("ignore")
model = augmented(checkpoint_dir={folder!r}, max_epochs=40).fit(X, Y)
np.save({result!r}, weights_of(model))
"""


@still_improving
@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor, GRUClassifier])
@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_training_continues_with_the_same_bits(tmp_path, kind, stop_after):
    extra = {"num_layers": 2} if kind is GRUClassifier else {}

    def train(**parameters):
        return make(kind, augmentation=prep.Jitter(0.05), **{**SETTINGS, **extra, **parameters}).fit(X, Y)

    def killed(history):
        if len(history["loss"]) == stop_after + 1:
            raise SystemExit

    whole = train()
    with pytest.raises(SystemExit):
        train(checkpoint_dir=tmp_path, callbacks=[killed])
    assert len(list(tmp_path.iterdir())) == 1
    again = train(checkpoint_dir=tmp_path)
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))
    for name in ("loss", "validation_loss", "validation_score"):
        assert again.history_[name] == whole.history_[name]
    assert not list(tmp_path.iterdir()), "a complete training leaves nothing"


def test_checkpoints_come_every_n_epochs(tmp_path):
    seen = []

    def look(history):
        seen.append(len(list(tmp_path.iterdir())))

    make(checkpoint_dir=tmp_path, checkpoint_every=3, callbacks=[look]).fit(X, Y)
    assert seen == [0, 0, 0, 1, 1, 1]


@still_improving
@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_any_moment(tmp_path, seed):
    folder, result = tmp_path / "checkpoints", tmp_path / "weights.npy"
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    script = SCRIPT.format(tests=tests, folder=str(folder), result=str(result))
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(30):
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": path},
        )
        if kills < 3:
            # Wait for the first epoch, then kill it anywhere.
            deadline = time.monotonic() + 60
            while not folder.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait(timeout=120) == 0:
            break
    whole = augmented(max_epochs=40).fit(X, Y)
    np.testing.assert_array_equal(np.load(result), weights_of(whole))
