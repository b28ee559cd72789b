"""One answer: a training set in shards gives the same bits on one process and on any number of them."""

from contextlib import contextmanager

import numpy as np
import pytest
from samples import DIMS, rising

from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.distributed import Team, TeamError, alone, run_threads, use
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier, LSTMClassifier, VideoClassifier
from seriatim.models._data import Examples
from seriatim.models._shards import Sharded
from seriatim.sequences import Sequences
from seriatim.training import _micro

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:early_stopping"),
]
X, Y = rising(30)
VIDEOS = [np.random.default_rng(i).normal(size=(2 + i % 3, 1, 3, 3)).astype(np.float32) for i in range(20)]
RUN = {"max_epochs": 2, "batch_size": 9, "random_state": 0, "micro_shards": 8}


def alike(one, other):
    """Whether two estimators have the same bits of weights, buffers and history."""
    states = one.module_.state_dict(), other.module_.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name], err_msg=name)
    assert one.history_.keys() == other.history_.keys()
    for name in one.history_.keys() - {"seconds"}:
        np.testing.assert_array_equal(one.history_[name], other.history_[name], err_msg=name)
    assert one.n_iter_ == other.n_iter_
    assert one.best_epoch_ == other.best_epoch_


def on_teams(make, *data, sizes=(3, 8), **given):
    """Fit on one process and on teams; returns the first one's."""
    one = make().fit(*data, **given)

    def fit(team):
        with use(team):
            return make().fit(*data, **given)

    for size in sizes:
        for other in run_threads(size, fit):
            alike(one, other)
    return one


def conv():
    return nn.Sequential(nn.ConvLayer(1, 3, rng=0), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2, rng=1))


def flat(frames):
    return frames.reshape(len(frames), -1)


FULL = {"early_stopping": True, "validation_fraction": 0.3, "weight_averaging": 0.9}
MAKE = {
    "gru": lambda: GRUClassifier(hidden_size=3, n_estimators=1, **FULL, **RUN),
    "gru, two and a reservoir": lambda: GRUClassifier(
        hidden_size=3, n_estimators=2, reservoir=True, **{**RUN, "max_epochs": 1}
    ),
    "lstm, layers": lambda: LSTMClassifier(hidden_size=3, num_layers=2, dropout=0.3, class_weight="balanced", **RUN),
    "deepgru": lambda: DeepGRUClassifier(dims=DIMS, scaling="auto", **FULL, **RUN),
    "deepgru, two": lambda: DeepGRUClassifier(dims=DIMS, n_estimators=2, schedule="plateau", **RUN),
}


@pytest.mark.parametrize("name", MAKE)
def test_classifiers_have_the_same_bits_on_any_number_of_processes(name):
    on_teams(MAKE[name], X, Y)


@pytest.mark.parametrize("overlaps", [True, False])
def test_gradients_that_go_in_pieces_while_backward_runs_are_the_same(monkeypatch, overlaps):
    make = MAKE["deepgru"]
    whole = make().fit(X, Y)
    monkeypatch.setattr(_micro, "BUCKET", 64)
    monkeypatch.setattr(Team, "overlaps", property(lambda team: overlaps and team.size > 1))
    sent, early = [], _micro._Sending.early
    monkeypatch.setattr(
        _micro._Sending, "early", lambda self, complete: (early(self, complete), sent.append(len(self._pending)))
    )
    alike(whole, on_teams(make, X, Y, sizes=(4,)))
    # Half of the buckets are on their way before the first layer's backward.
    assert (max(sent) > 5) == overlaps


def test_a_regressor_has_the_same_bits():
    targets = np.stack([np.arange(30.0), np.sin(np.arange(30.0))], axis=1)
    on_teams(lambda: DeepGRURegressor(dims=DIMS, **FULL, **RUN), X, targets, sizes=(2, 5))


def test_videos_have_the_same_bits():
    labels = np.arange(20) % 2
    on_teams(lambda: VideoClassifier(conv(), 3, hidden_size=2, fc=2, **RUN), VIDEOS, labels, sizes=(4,))


class ConvGRUNetwork(nn.Module):
    """A ConvGRU over the frames of packed videos, and a linear layer on its last state."""

    def __init__(self, channels, n_classes, rng):
        super().__init__()
        self.rnn = nn.ConvGRU(channels, [2], [3], 1, rng=rng)
        self.head = nn.Sequential(
            nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, n_classes, rng=rng)
        )

    def trace(self, x):
        (_, states), inner = self.rnn.trace(x)
        out, of_head = self.head.trace(states[0])
        return out, self.keep((inner, of_head))

    def pullback(self, context, grad):
        inner, of_head = self.kept(context)
        self.rnn.pullback(inner, None, [self.head.pullback(of_head, grad)])


class ConvGRUClassifier(VideoClassifier):
    def _make_module(self, shape, n_classes, rng, settled):
        return ConvGRUNetwork(shape[0], n_classes, rng)

    @contextmanager
    def _memory(self):
        yield self._rows()


def test_a_convgru_has_the_same_bits():
    labels = np.arange(20) % 2
    on_teams(lambda: ConvGRUClassifier(flat, 9, **{**FULL, **RUN}), VIDEOS, labels, sizes=(2, 4, 8))


def test_augmentation_and_weights_are_the_same_whoever_makes_a_micro_batch():
    weights = np.linspace(0.0, 2.0, 30)
    jitter = prep.Jitter(0.3)
    on_teams(
        lambda: GRUClassifier(hidden_size=3, augmentation=jitter, n_estimators=1, **RUN), X, Y, sample_weight=weights
    )


def test_whole_weights_groups_and_validation_data():
    make = lambda: GRUClassifier(hidden_size=3, n_estimators=1, **{**FULL, "monitor": "accuracy"}, **RUN)  # noqa: E731
    on_teams(make, X, Y, sizes=(4,), sample_weight=np.arange(30) % 3, groups=np.arange(30) // 3)
    on_teams(make, X, Y, sizes=(4,), validation_data=(X[:7], Y[:7]))


def test_fewer_sequences_than_shards_and_batches_of_few():
    data = X[:5], Y[:5]
    on_teams(lambda: DeepGRUClassifier(dims=DIMS, **{**RUN, "batch_size": 2}), *data, sizes=(2, 8))


def test_whole_batches_and_shards_learn_about_the_same():
    whole = GRUClassifier(hidden_size=3, n_estimators=1, dropout=0.0, **{**RUN, "micro_shards": None}).fit(X, Y)
    parts = GRUClassifier(hidden_size=3, n_estimators=1, dropout=0.0, **{**RUN, "micro_shards": 1}).fit(X, Y)
    assert parts.history_["loss"] == pytest.approx(whole.history_["loss"], abs=0.1)


def test_training_goes_on_in_shards():
    def make():
        model = GRUClassifier(hidden_size=3, warm_start=True, **RUN).fit(X, Y)
        return model.partial_fit(X[:11], Y[:11])

    on_teams(make, X, Y, sizes=(3,))


def test_a_checkpoint_goes_on_with_another_number_of_processes(tmp_path):
    class Stop(Exception):
        pass

    def stop(history):
        if len(history["loss"]) == 2:
            raise Stop

    def make(folder, **options):
        return DeepGRUClassifier(dims=DIMS, **{**RUN, "max_epochs": 4}, **FULL, checkpoint_dir=folder, **options)

    def fit(folder, **options):
        def run(team):
            with use(team):
                return make(folder, **options).fit(X, Y)

        return run

    one = make(None).fit(X, Y)
    with pytest.raises(Stop):
        run_threads(4, fit(tmp_path, callbacks=[stop]))
    assert len(list(tmp_path.iterdir())) == 1
    for other in run_threads(2, fit(tmp_path)):
        alike(one, other)
    assert not list(tmp_path.iterdir())


# ---- What cannot be


def test_fewer_shards_than_processes_are_refused():
    def fit(team):
        with use(team):
            GRUClassifier(**{**RUN, "micro_shards": 2}).fit(X, Y)

    with pytest.raises(ValueError, match="micro_shards: expected at least one for each of 3 processes, got 2"):
        run_threads(3, fit)


def test_other_data_in_a_process_are_refused_in_all():
    def fit(team):
        with use(team):
            GRUClassifier(**RUN).fit(X, Y[:: -1 if team.rank else 1])

    with pytest.raises(ValueError, match="got others in process 1 than in process 0"):
        run_threads(2, fit)


def test_other_parameters_in_a_process_are_refused_in_all():
    def fit(team):
        with use(team), pytest.raises(ValueError, match=r"max_epochs: expected the same.*got 2 in process 0 and 3 in"):
            GRUClassifier(**{**RUN, "max_epochs": 2 + team.rank}).fit(X, Y)

    run_threads(2, fit)


def test_an_error_in_one_process_is_told_to_all():
    def fit(team):
        def fail(sequences, rng, target):
            if team.rank:
                raise OSError("no such sensor")
            return sequences

        with use(team):
            try:
                GRUClassifier(augmentation=fail, **RUN).fit(X, Y)
            except TeamError as error:
                return str(error)
            except OSError as error:
                return repr(error)

    told = run_threads(2, fit)
    assert "no such sensor" in told[0]
    assert told[1] == "OSError('no such sensor')"


def test_a_divergence_is_the_same_error_everywhere():
    def fit(team):
        with use(team), pytest.raises(ValueError, match="training has diverged"):
            GRUClassifier(learning_rate=1e30, optimizer="sgd", clip_norm=None, **RUN).fit(X, Y)

    run_threads(2, fit)


def test_own_data_are_the_same_as_all_data():
    one = MAKE["deepgru"]().fit(X, Y)

    def fit(team):
        bounds = [i * len(X) // 8 for i in range(9)]
        own = {i: X[bounds[i] : bounds[i + 1]] for i in team.own(8)}
        targets = {i: Y[bounds[i] : bounds[i + 1]] for i in team.own(8)}
        return MAKE["deepgru"]()._fit_own(team, X[0], own, targets, None, None, None)

    for size in (1, 4):
        for other in run_threads(size, fit):
            alike(one, other)


def test_shards_are_blocks_in_the_order_given():

    data = Sharded.cut(Examples(Sequences.from_list(X[:11]), np.arange(11)), alone(), 4)
    assert [part.tolist() for part in data.target] == [[0, 1], [2, 3, 4], [5, 6, 7], [8, 9, 10]]
    np.testing.assert_array_equal(data.own[1][0], X[2])
