"""A checkpoint is of exactly one training: which it is, who holds it, and what is said of another one."""

import copy
import errno
import fcntl
import logging
import threading
import warnings

import numpy as np
import pytest
from samples import rising, weights_of
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.models import GRUClassifier, VideoClassifier

X, Y = rising(16)
EPOCHS = 4
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:early_stopping")


def new(folder=None, **settings):
    given = {"hidden_size": 2, "max_epochs": EPOCHS, "batch_size": 8, "random_state": 0, "checkpoint_dir": folder}
    return GRUClassifier(**{**given, **settings})


def run(model, kill=None, data=X, labels=Y, **extra):
    """Return how many epochs a fit makes that is killed in one of them, or not."""
    made = []

    def count(history):
        made.append(1)
        if len(made) == kill:
            raise SystemExit

    model.set_params(callbacks=[count])
    try:
        model.fit(data, labels, **extra)
    except SystemExit:
        assert kill is not None
    return len(made)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True, "validation_fraction": 0.4}])
def test_a_training_without_a_seed_goes_on(tmp_path, settings):
    settings = {"random_state": None, "dropout": 0.5, "augmentation": prep.Jitter(0.1), **settings}
    np.random.seed(5)  # noqa: NPY002
    whole = new(**settings).fit(X, Y)
    np.random.seed(5)  # noqa: NPY002
    run(new(tmp_path, **settings), kill=3)
    np.random.seed(6)  # noqa: NPY002
    again = new(tmp_path, **settings)
    assert run(again) == EPOCHS - 2
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))
    assert files(tmp_path) == []


def test_a_random_state_is_what_it_is_when_training_begins(tmp_path):
    whole, after = np.random.RandomState(3), new(random_state=np.random.RandomState(3), early_stopping=True)
    after.fit(X, Y)
    run(new(tmp_path, random_state=whole, early_stopping=True), kill=3)
    again = new(tmp_path, random_state=np.random.RandomState(3), early_stopping=True)
    assert run(again) == EPOCHS - 2
    np.testing.assert_array_equal(weights_of(again), weights_of(after))
    assert again.random_state.randint(1000) == after.random_state.randint(1000)


def scaled(factor):
    return lambda sequences, rng, y: prep.Jitter(factor)(sequences, rng, y)


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("max_epochs", 4, 5),
        ("learning_rate", 1e-2, 2e-2),
        ("hidden_size", 2, 3),
        ("augmentation", scaled(0.1), scaled(0.2)),
        ("scaling", prep.Standardize(), prep.MinMaxScale()),
        ("preprocessing", prep.Filter(3), prep.Filter(5)),
        ("class_weight", {0: 1, 1: 2}, {0: 1, 1: 3}),
    ],
)
def test_a_changed_setting_begins_anew_and_is_named(tmp_path, name, was, now):
    run(new(tmp_path, **{name: was}), kill=2)
    left = files(tmp_path)
    other = new(tmp_path, **{name: now})
    with pytest.warns(UserWarning, match=rf"checkpoint_dir: .*{left[0]}.*{name}.*begins anew") as said:
        assert run(other) == other.max_epochs
    assert len(said) == 1
    assert files(tmp_path) == left
    # A search would say it for each candidate.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(new(tmp_path, **{name: now}))
    assert run(new(tmp_path, **{name: was})) == EPOCHS - 1


def test_other_members_are_no_changed_setting(tmp_path, caplog):
    run(new(tmp_path), kill=2)
    with caplog.at_level(logging.INFO, "seriatim"), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert run(new(tmp_path, random_state=1)) == EPOCHS
    assert "random_state was 0 and is 1" in caplog.text


def test_other_data_are_another_training(tmp_path):
    changed = copy.deepcopy(X)
    changed.X[3, 1] += 1
    labels = Y.copy()
    labels[[0, -1]] = 1 - labels[[0, -1]]
    others = [
        {"data": changed},
        {"labels": labels},
        {"labels": Y.astype(str)},
        {"sample_weight": np.linspace(0.1, 1, 16)},
        {"validation_data": (X, Y)},
        {"validation_data": (changed, Y)},
    ]
    for extra in others:
        run(new(tmp_path), kill=2, **extra)
    assert len(files(tmp_path)) == len(others)
    assert run(new(tmp_path)) == EPOCHS
    for extra in others:
        assert run(new(tmp_path), **extra) == EPOCHS - 1
    assert files(tmp_path) == []


def cnn(seed=0, *, shared=False, frozen=False):
    first, second = nn.Linear(4, 4, rng=seed), nn.Linear(4, 4, rng=seed)
    second.load_state_dict(first.state_dict())
    if frozen:
        first.requires_grad_(False)
    return nn.Sequential(nn.Flatten(), first, first if shared else second)


def test_other_networks_are_other_trainings(tmp_path):
    videos = [np.random.default_rng(i).normal(size=(2, 1, 2, 2)).astype(np.float32) for i in range(16)]
    kinds = [cnn(), cnn(1), cnn(shared=True), cnn(frozen=True), lambda frames: frames.reshape(-1, 4)]
    settings = {"hidden_size": 2, "fc": 2, "max_epochs": 3, "random_state": 0, "checkpoint_dir": tmp_path}
    for embedding in kinds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(VideoClassifier(embedding, 4, **settings), kill=2, data=videos)
    assert len(files(tmp_path)) == len(kinds)
    for embedding in kinds:
        assert run(VideoClassifier(copy.deepcopy(embedding), 4, **settings), data=videos) == 2
    assert files(tmp_path) == []


def test_warm_starts_are_told_apart_by_what_they_go_on_from(tmp_path):
    first, second = (new(warm_start=True, random_state=seed).fit(X, Y) for seed in (0, 1))
    second.set_params(random_state=0)
    whole = copy.deepcopy(first).fit(X, Y)
    before = copy.deepcopy(first)
    run(first.set_params(checkpoint_dir=tmp_path), kill=3)
    assert run(second.set_params(checkpoint_dir=tmp_path)) == EPOCHS
    assert run(before.set_params(checkpoint_dir=tmp_path)) == EPOCHS - 2
    np.testing.assert_array_equal(weights_of(before), weights_of(whole))


def test_what_cannot_be_identified_is_refused_before_anything_is_done(tmp_path):
    generator = (i for i in ())
    model = new(tmp_path, augmentation=lambda sequences, rng, y: sequences if generator else None)
    with pytest.raises(TypeError, match=r"augmentation.*'generator'.*__getstate__.*without checkpoint_dir"):
        model.fit(X, Y)
    assert not hasattr(model, "module_")
    assert files(tmp_path) == []
    model.set_params(checkpoint_dir=None).fit(X, Y)


# ---- Side by side


@pytest.mark.parametrize("seed", [None, 0])
def test_one_training_within_another(tmp_path, seed):
    inner = new(tmp_path, random_state=seed)
    made = []

    def other(history):
        if len(history["loss"]) == 3 and not made:
            made.append(run(inner))
            assert len(files(tmp_path)) == 1, "the other one's is there still"

    outer = new(tmp_path, random_state=seed, callbacks=[other]).fit(X, Y)
    assert made == [EPOCHS]
    assert (outer.history_["loss"] == inner.history_["loss"]) is (seed is not None)
    assert files(tmp_path) == []


def test_threads_train_each_for_themselves(tmp_path):
    together, made = threading.Barrier(3), []

    def train():
        model = new(tmp_path, callbacks=[lambda history: together.wait(20) and None])
        made.append(len(model.fit(X, Y).history_["loss"]))

    threads = [threading.Thread(target=train) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [EPOCHS] * 3
    assert files(tmp_path) == []


def test_each_that_was_killed_goes_on_with_its_own(tmp_path):
    def kill_both(history):
        if len(history["loss"]) == 2:
            run(new(tmp_path, random_state=None), kill=4)
        if len(history["loss"]) == 3:
            raise SystemExit

    with pytest.raises(SystemExit):
        new(tmp_path, random_state=None, callbacks=[kill_both]).fit(X, Y)
    assert len(files(tmp_path)) == 2
    assert sorted(run(new(tmp_path, random_state=None)) for _ in range(2)) == [1, 2]
    assert files(tmp_path) == []


def test_what_another_run_of_the_same_seed_left_is_removed(tmp_path):
    def kill_both(history):
        if len(history["loss"]) == 2:
            run(new(tmp_path), kill=4)
            raise SystemExit

    with pytest.raises(SystemExit):
        new(tmp_path, callbacks=[kill_both]).fit(X, Y)
    assert len(files(tmp_path)) == 2
    run(new(tmp_path))
    assert files(tmp_path) == []


def test_without_locks(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    whole = new().fit(X, Y)
    run(new(tmp_path), kill=3)
    again = new(tmp_path)
    assert run(again) == EPOCHS - 2
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))
    assert files(tmp_path) == []
    test_one_training_within_another(tmp_path, None)


def test_a_search_in_one_folder(tmp_path):
    run(new(tmp_path, hidden_size=3), kill=3)
    search = GridSearchCV(new(tmp_path, max_epochs=2), {"hidden_size": [2, 3], "random_state": [0, None]}, cv=2)
    # The refit has all the data, as the training that was killed.
    with pytest.warns(UserWarning, match="begins anew") as said:
        search.set_params(error_score="raise").fit(X, Y)
    assert len(said) == 1
    assert len(files(tmp_path)) == 1


def test_a_file_that_is_cut_short_is_named(tmp_path):
    run(new(tmp_path), kill=3)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{file.name}: expected a checkpoint of a training.*remove it to train"):
            run(new(tmp_path))
    # Of another training it is nobody's business.
    assert run(new(tmp_path, hidden_size=3)) == EPOCHS


def test_fitted_transformers_in_a_setting_count(tmp_path):
    fitted = [StandardScaler().fit(np.arange(4.0)[:, None] * factor) for factor in (1, 2)]

    def by(scaler):
        return lambda sequences, rng, y: sequences if scaler.scale_[0] > 0 else None

    run(new(tmp_path, augmentation=by(fitted[0])), kill=2)
    with pytest.warns(UserWarning, match="augmentation .* has another content now"):
        assert run(new(tmp_path, augmentation=by(fitted[1]))) == EPOCHS
