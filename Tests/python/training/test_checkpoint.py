"""Checkpoints that survive a kill; at every call that writes: ``test_files_kills.py``."""

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
