"""What training offers: validation, schedules, averaging, augmentation, checkpoints that survive a kill."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from seriatim import Sequences, optim
from seriatim import preprocessing as prep
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier

still_improving = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DIMS = {"gru1": 12, "gru2": 8, "gru3": 6, "fc": 6}


def make(kind=DeepGRUClassifier, **parameters):
    given = {"max_epochs": 6, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}
    if kind is not GRUClassifier:
        given["dims"] = DIMS
    return kind(**{**given, **parameters})


def rising(n=60, seed=0):
    """Sequences that rise or fall, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    rows = [
        np.outer(np.linspace(-1, 1, k) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(k, 2))
        for k, label in zip(rng.integers(3, 20, n), y, strict=True)
    ]
    return Sequences.from_list(rows), y


X, Y = rising()


def weights_of(model):
    return np.concatenate([p.ravel() for p in model.module_.state_dict().values()])


# ---- Validation


def test_validation_data_is_watched_without_stopping():
    validation = rising(seed=1)
    model = make().fit(X, Y, validation_data=validation)
    assert len(model.history_["validation_loss"]) == len(model.history_["loss"]) == 6
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(*validation))
    np.testing.assert_array_equal(weights_of(model), weights_of(make().fit(X, Y)))


@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor, GRUClassifier])
def test_early_stopping_restores_the_best_weights(kind):
    validation = rising(seed=1)
    model = make(kind, early_stopping=True, max_epochs=100, n_iter_no_change=5)
    model.fit(X, Y, validation_data=(validation[0].X, validation[1], validation[0].lengths))
    scores = np.array(model.history_["validation_score"])
    assert len(scores) < 100
    log = model.history_["validation_loss"]
    given = model.preprocessing_.transform(model.scaling_.transform(validation[0]))
    kept = model._measure(model._outputs(model.module_, given, 2 if kind is not DeepGRURegressor else 1),
                          Y_SCALED(model, validation[1]), None)  # fmt: skip
    best = int(np.argmax(scores > scores.max() - model.tol))
    assert kept[0] == pytest.approx(log[best], rel=1e-5)


def Y_SCALED(model, y):
    if isinstance(model, DeepGRURegressor):
        return ((y[:, None] - model.target_mean_) / model.target_scale_).astype(np.float32)
    return y


@still_improving
def test_groups_are_not_divided():
    groups = np.arange(60) // 6
    seen = {}

    class Watched(DeepGRUClassifier):
        def _train(self, sequences, target, *rest):
            seen["trained"] = {row.tobytes() for row in sequences}
            return super()._train(sequences, target, *rest)

    model = Watched(dims=DIMS, max_epochs=2, early_stopping=True, validation_fraction=0.2, random_state=0)
    model.set_params(n_iter_no_change=1).fit(X, Y, groups=groups)
    of_group = {g: {np.asarray(X[i], np.float32).tobytes() in seen["trained"] for i in np.flatnonzero(groups == g)}
                for g in range(10)}  # fmt: skip
    assert all(len(found) == 1 for found in of_group.values())
    assert 1 <= sum(found == {False} for found in of_group.values()) <= 4


def test_a_training_that_was_still_improving_says_so():
    model = make(early_stopping=True, max_epochs=2, learning_rate=1e-3, validation_fraction=0.3, tol=-1.0)
    with pytest.warns(ConvergenceWarning, match="last epoch .2. while the validation score was still improving"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((X,), "expected .X, y. or .X, y, lengths., got tuple of 1"),
        ((X, Y[:3]), "expected observations of shape"),
        (([np.zeros((3, 5))], [0]), "expected observations of shape"),
        ((X, Y + 7), "previously unseen labels"),
    ],
)
def test_bad_validation_data(given, words):
    with pytest.raises(ValueError, match=words):
        make().fit(X, Y, validation_data=given)


def test_bad_groups():
    for groups, words in ((np.zeros(60), "at least 2 groups"), (np.arange(3), "a group for each of 60")):
        with pytest.raises(ValueError, match=words):
            make(early_stopping=True).fit(X, Y, groups=groups)


# ---- How it learns


@pytest.mark.parametrize("schedule", ["cosine", "constant", "one_cycle", "plateau", "callable"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_schedules_and_optimizers(schedule, optimizer):
    if schedule == "callable":
        schedule = _steps
    rate = 0.1 if optimizer == "sgd" else 1e-2
    model = make(schedule=schedule, optimizer=optimizer, learning_rate=rate, max_epochs=25).fit(X, Y)
    assert model.history_["loss"][-1] < 0.8 * model.history_["loss"][0]
    assert optimizer == "sgd" or model.score(X, Y) > 0.9


def _steps(optimizer, total):
    return optim.StepLR(optimizer, max(1, total // 2), 0.5)


def test_averaged_weights_are_kept():
    plain, averaged = make().fit(X, Y), make(weight_averaging=0.9).fit(X, Y)
    assert averaged.history_["loss"] == plain.history_["loss"]
    assert np.abs(weights_of(plain) - weights_of(averaged)).max() > 1e-4
    longer = make(weight_averaging=0.9, max_epochs=25).fit(X, Y)
    assert longer.score(X, Y) > 0.9


def test_label_smoothing_makes_less_sure():
    plain, smooth = make(max_epochs=25).fit(X, Y), make(max_epochs=25, label_smoothing=0.3).fit(X, Y)
    assert smooth.predict_proba(X).max(axis=1).mean() < plain.predict_proba(X).max(axis=1).mean() - 0.02


def test_whole_weights_are_repetition_and_the_order_of_the_data_does_not_count():
    counts = np.random.default_rng(0).integers(0, 4, 60)
    repeated = np.repeat(np.arange(60), counts)
    shuffled = np.random.default_rng(1).permutation(len(repeated))
    weighted = make().fit(X, Y, sample_weight=counts)
    np.testing.assert_array_equal(
        weights_of(weighted), weights_of(make().fit(X[repeated[shuffled]], Y[repeated[shuffled]]))
    )


def test_augmentation_is_seeded_and_only_for_training():
    augmentation = prep.Compose([prep.Tempo(), prep.Jitter(0.05), prep.Mix(0.3)])
    model, again = (make(augmentation=augmentation, max_epochs=20).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(weights_of(model), weights_of(again))
    assert np.abs(weights_of(model) - weights_of(make(max_epochs=20).fit(X, Y))).max() > 1e-3
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    assert model.score(X, Y) > 0.9


def test_preprocessing_comes_after_augmentation_and_in_prediction():
    chain = make_pipeline(prep.Standardize(), prep.Downsample(2), prep.Deltas())
    inside = make(preprocessing=chain, max_epochs=20).fit(X, Y)
    prepared = inside.preprocessing_.transform(X)
    np.testing.assert_array_equal(inside._outputs(inside.module_, prepared, 2), inside.predict_log_proba(X))
    np.testing.assert_array_equal(prepared.X, chain.fit_transform(X).X)
    assert inside.score(X, Y) > 0.9
    assert (inside.n_features_in_, inside.module_.n_features) == (2, 4)
    assert inside.attention(X).shape == (60, prepared.lengths.max())
    seen = []

    def watched(sequences, rng, target):
        seen.append(sequences.X.shape[1])
        return sequences

    again = make(preprocessing=chain, augmentation=watched, max_epochs=20).fit(X, Y)
    assert set(seen) == {2}, "augmentation sees what was given"
    assert again.score(X, Y) > 0.9
    validated = make(preprocessing=chain, early_stopping=True, n_iter_no_change=1, tol=1.0).fit(X, Y)
    assert validated.partial_fit(X, Y).predict(X).shape == (60,)

    class Fewer(prep.Center):
        def _transform(self, sequences):
            return sequences[:-1]

    with pytest.raises(ValueError, match="preprocessing: expected it to make a Sequences of"):
        make(preprocessing=Fewer()).fit(X, Y)


def test_an_augmentation_of_ones_own():
    def fewer(sequences, rng, target):
        return sequences[:-1]

    with pytest.raises(ValueError, match="augmentation: expected it to return a Sequences of"):
        make(augmentation=fewer).fit(X, Y)
    with pytest.raises(TypeError, match="augmentation: expected a callable"):
        make(augmentation="jitter").fit(X, Y)

    def doubled(sequences, rng, target):
        return Sequences(sequences.X.astype(np.float64) * 2, sequences.lengths)

    assert np.isfinite(make(augmentation=doubled).fit(X, Y).history_["loss"]).all()


def test_logging(caplog):
    with caplog.at_level(logging.INFO, logger="seriatim"):
        make(max_epochs=3).fit(X, Y)
    assert [record.getMessage()[:12] for record in caplog.records] == [f"epoch {i} of 3" for i in (1, 2, 3)]


def test_history_is_ready_for_a_data_frame():
    pandas = pytest.importorskip("pandas")
    model = make(warm_start=True, max_epochs=2).fit(X, Y).fit(X, Y, validation_data=(X, Y))
    frame = pandas.DataFrame(model.history_)
    assert frame.shape == (4, 4)
    assert frame["validation_loss"].isna().tolist() == [True, True, False, False]


# ---- Checkpoints


SETTINGS = {"max_epochs": 8, "early_stopping": True, "weight_averaging": 0.9, "n_iter_no_change": 50, "dropout": 0.5}


def augmented(**parameters):
    return make(augmentation=prep.Jitter(0.05), **{**SETTINGS, **parameters})


@still_improving
@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor, GRUClassifier])
@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_training_goes_on_with_the_same_bits(tmp_path, kind, stop_after):
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


def test_a_checkpoint_belongs_to_one_training(tmp_path):
    def killed(history):
        if len(history["loss"]) == 3:
            raise SystemExit

    with pytest.raises(SystemExit):
        make(checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y)
    (file,) = tmp_path.iterdir()
    for other in (make(checkpoint_dir=tmp_path, learning_rate=2e-2), make(checkpoint_dir=tmp_path, random_state=1)):
        plain = make(learning_rate=other.learning_rate, random_state=other.random_state).fit(X, Y)
        np.testing.assert_array_equal(weights_of(other.fit(X, Y)), weights_of(plain))
    assert list(tmp_path.iterdir()) == [file]
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="expected a checkpoint of a training"):
        make(checkpoint_dir=tmp_path).fit(X, Y)


def test_checkpoints_come_every_n_epochs(tmp_path):
    seen = []

    def look(history):
        seen.append(len(list(tmp_path.iterdir())))

    make(checkpoint_dir=tmp_path, checkpoint_every=3, callbacks=[look]).fit(X, Y)
    assert seen == [0, 0, 0, 1, 1, 1]


SCRIPT = """
import sys, warnings, numpy as np
sys.path.insert(0, {tests!r})
from models.test_training_comfort import X, Y, augmented, weights_of
warnings.simplefilter("ignore")
model = augmented(checkpoint_dir={folder!r}, max_epochs=40).fit(X, Y)
np.save({result!r}, weights_of(model))
"""


@still_improving
@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_any_moment(tmp_path, seed):
    folder, result = tmp_path / "checkpoints", tmp_path / "weights.npy"
    tests = str(Path(__file__).parents[1])
    script = SCRIPT.format(tests=tests, folder=str(folder), result=str(result))
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(30):
        process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": tests})
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


def test_different_weights_are_different_trainings(tmp_path):
    def killed(history):
        if len(history["loss"]) == 3:
            raise SystemExit

    for weights in (np.ones(60), np.arange(60) % 3, np.linspace(0.1, 1, 60)):
        with pytest.raises(SystemExit):
            make(checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y, sample_weight=weights)
    with pytest.raises(SystemExit):
        make(checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y, validation_data=(X, Y))
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor, GRUClassifier])
def test_an_error_leaves_a_model_that_was_to_go_on_as_it_was(kind):
    model = make(kind, warm_start=True, max_epochs=2).fit(X, Y)
    twin = make(kind, warm_start=True, max_epochs=2).fit(X, Y)
    before, history = weights_of(model), {k: list(v) for k, v in model.history_.items()}

    def fails(history):
        if len(history["loss"]) == 4:
            raise ArithmeticError

    model.set_params(callbacks=[fails], max_epochs=5)
    with pytest.raises(ArithmeticError):
        model.fit(X, Y, validation_data=(X, Y))
    np.testing.assert_array_equal(weights_of(model), before)
    assert model.history_ == history
    model.set_params(callbacks=None, max_epochs=2).fit(X, Y)
    np.testing.assert_array_equal(weights_of(model), weights_of(twin.fit(X, Y)), "it goes on as if nothing had been")
