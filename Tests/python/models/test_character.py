"""The language model of characters."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from support import threads

import seriatim
from seriatim.models import CharacterModel
from seriatim.models._character import _generator, _windows
from seriatim.nn import CharacterRNN

SENTENCE = "the quick brown fox jumps over the lazy dog. "
TEXT = SENTENCE * 30


def make(**given):
    small = {"hidden_size": 48, "num_layers": 1, "batch_size": 8, "sequence_length": 32, "learning_rate": 1e-2}
    return CharacterModel(**{"rnn": "lstm", "dropout": 0.0, "max_epochs": 2, "random_state": 0, **small, **given})


@pytest.fixture(scope="module")
def fitted():
    return make(max_epochs=25).fit(TEXT)


@pytest.mark.parametrize("settings", [{}, {"rnn": "gru"}, {"embedding_size": 12}, {"num_layers": 2, "dropout": 0.1}])
def test_learns_a_text_that_repeats_itself(settings):
    model = make(max_epochs=40, **settings).fit(TEXT)
    assert model.bits_per_character(TEXT) < 0.1
    assert model.bits_per_character(TEXT[7:]) < 0.1, "from anywhere, since streams begin anywhere"
    assert model.sample(200, prime=SENTENCE, temperature=0) == (SENTENCE * 5)[:200]
    assert model.sample(9, prime=SENTENCE + "the quick", temperature=0) == " brown fo"


def test_attributes(fitted):
    assert fitted.vocabulary_ == sorted(set(TEXT))
    assert fitted.n_iter_ == 25
    assert len(fitted.history_["loss"]) == len(fitted.history_["seconds"]) == 25
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    assert not fitted.module_.training
    backwards = TEXT[::-1]
    assert fitted.bits_per_character(backwards) > 3
    assert make(max_epochs=1).fit(TEXT, TEXT).n_iter_ == 1, "y is ignored"


@pytest.mark.parametrize(("updates", "epochs"), [(1, 50), (12, 50), (13, 47), (37, 17), (38, 16), (400, 16)])
def test_short_texts_are_read_oftener(updates, epochs):
    text = (TEXT * 3)[: 4 * updates]
    model = CharacterModel(hidden_size=2, num_layers=1, batch_size=2, sequence_length=2, random_state=0).fit(text)
    assert model.n_iter_ == epochs


def test_the_same_seed_gives_the_same_bits():
    models = []
    for number in (1, 2):
        with threads(number):
            models.append(make(dropout=0.3, num_layers=2).fit(TEXT))
    first, second = models
    assert first.bits_per_character(TEXT) == second.bits_per_character(TEXT)
    assert first.sample(100) == second.sample(100) == clone(first).fit(TEXT).sample(100)
    assert first.history_["loss"] == second.history_["loss"]
    assert make(random_state=1).fit(TEXT).sample(100) != first.sample(100)


def test_samples(fitted):
    drawn = fitted.sample(120, temperature=3.0)
    assert len(drawn) == 120
    assert set(drawn) <= set(TEXT)
    assert fitted.sample(120, temperature=3.0) == drawn
    assert fitted.sample(120, temperature=3.0, random_state=0) == drawn
    assert fitted.sample(120, temperature=3.0, random_state=1) != drawn
    assert fitted.sample(50, temperature=3.0) == drawn[:50]
    assert fitted.sample(0) == ""
    assert fitted.sample(30, temperature=1e-320) == fitted.sample(30, temperature=0)
    state = np.random.RandomState(0)
    assert fitted.sample(50, temperature=3.0, random_state=state) == drawn[:50]
    assert fitted.sample(50, temperature=3.0, random_state=state) != drawn[:50], "a RandomState goes on"


@pytest.mark.parametrize("rnn", ["lstm", "gru"])
def test_one_long_call_is_many_steps(rnn):
    """Bits of a text are the sum over its steps, wherever it is cut."""
    model = make(rnn=rnn, num_layers=2).fit(TEXT)
    text = TEXT[5:300]
    codes = [model.vocabulary_.index(character) for character in text]
    states, total = None, 0.0
    for before, code in zip([model.module_.start, *codes[:-1]], codes, strict=True):
        logits, states = model.module_(np.array([before]), np.array([1]), states)
        logits = logits[0].astype(float)
        total += np.log2(np.exp(logits - logits[code]).sum())
    assert model.bits_per_character(text) == pytest.approx(total / len(text), rel=1e-5)
    whole, drawn = model.bits_per_character(text), model.sample(20, prime=text)
    model.set_params(batch_size=1, sequence_length=7)  # what runs together
    assert model.bits_per_character(text) == pytest.approx(whole, rel=1e-6)
    assert model.sample(20, prime=text) == drawn
    halves = [model.bits_per_character(part) * len(part) for part in (text[:100], text[100:])]
    assert sum(halves) != pytest.approx(whole * len(text), rel=1e-3), "what came before does matter"


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65, 100, 255, 256, 257, 300, 511, 512, 519])
def test_every_character_is_a_target_once(n):
    codes = np.random.default_rng(n).integers(0, 5, n)
    windows = _windows(codes, 5, 8, 32)
    places = np.concatenate([window.index for window in windows])
    np.testing.assert_array_equal(np.sort(places), np.arange(n))
    streams = windows[0].x.batch_sizes[0]
    assert streams == min(8, max(1, n // 32))
    starts = windows[0].index[:streams]
    for window in windows:
        assert len(window.x.batch_sizes) <= 32
        np.testing.assert_array_equal(window.target, codes[window.index])
        begins = np.isin(window.index, starts)
        np.testing.assert_array_equal(window.x.data[begins], 5)
        np.testing.assert_array_equal(window.x.data[~begins], codes[window.index[~begins] - 1])
    # Stream s stands in place s of every step, and goes on where it stopped.
    rows = np.concatenate([window.index for window in windows])
    for stream in range(streams):
        own = rows[stream::streams]
        np.testing.assert_array_equal(np.diff(own), 1)


@pytest.mark.parametrize("n", [300, 256, 257, 519])
def test_states_go_on_from_window_to_window(n):
    """Without learning, the loss of an epoch is that of whole streams, each read in one go."""
    text = TEXT[:n]
    model = make(learning_rate=0.0, max_epochs=1).fit(text)
    streams = min(8, n // 32)
    parts = ["".join(part) for part in np.array_split(list(text), streams)]
    bits = sum(model.bits_per_character(part) * len(part) for part in parts)
    assert model.history_["loss"][0] == pytest.approx(bits * np.log(2) / n, rel=1e-5)


@pytest.mark.parametrize("rnn", ["lstm", "gru"])
@pytest.mark.parametrize("embedding_size", [None, 5])
def test_torch_learns_the_same(rnn, embedding_size):
    """Two windows an epoch: states go on into the second, detached."""
    torch = pytest.importorskip("torch")
    text = TEXT[:512]
    model = make(rnn=rnn, embedding_size=embedding_size, hidden_size=9, num_layers=2, max_epochs=3, clip_norm=0.2)
    model.fit(text)
    size = len(model.vocabulary_)
    state = CharacterRNN(size, 9, 2, rnn=rnn, embedding_size=embedding_size, rng=_generator(0)).state_dict()
    kind = torch.nn.LSTM if rnn == "lstm" else torch.nn.GRU
    net = torch.nn.ModuleDict({"rnn": kind(embedding_size or size, 9, 2), "decoder": torch.nn.Linear(9, size)})
    if embedding_size:
        net["embedding"] = torch.nn.Embedding(size + 1, embedding_size)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
    codes = torch.tensor([model.vocabulary_.index(character) for character in text]).reshape(8, 64).T
    before = torch.cat([torch.full((1, 8), size), codes[:-1]])
    for epoch in range(3):
        states, losses = None, []
        for part in (slice(0, 32), slice(32, 64)):
            rows = net["embedding"](before[part]) if embedding_size else torch.eye(size + 1)[before[part]][..., :size]
            y, states = net["rnn"](rows, states)
            states = states.detach() if rnn == "gru" else tuple(state.detach() for state in states)
            loss = torch.nn.functional.cross_entropy(net["decoder"](y).reshape(-1, size), codes[part].reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.2)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        assert model.history_["loss"][epoch] == pytest.approx(np.mean(losses), rel=1e-5)
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(model.module_.state_dict()[name], value.numpy(), atol=2e-4, err_msg=name)


@pytest.mark.parametrize("text", ["a", "ab", "aaaaaaaaaa", "äöü€𝄞\n\t\0 ", "\ud800a"])
def test_texts_of_any_kind(text):
    model = make(max_epochs=1).fit(text * 3)
    assert model.vocabulary_ == sorted(set(text))
    assert np.isfinite(model.bits_per_character(text))
    assert set(model.sample(5, prime=text)) <= set(text)
    if len(set(text)) == 1:
        assert model.bits_per_character(text) == 0


def test_clone_parameters_and_pickle(fitted):
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert set(fresh.get_params()) == {
        "rnn", "hidden_size", "num_layers", "embedding_size", "dropout", "learning_rate", "schedule", "batch_size",
        "sequence_length", "max_epochs", "clip_norm", "random_state", "verbose", "callbacks",
    }  # fmt: skip
    assert CharacterModel().get_params()["rnn"] == "gru"
    for call in (lambda: fresh.sample(3), lambda: fresh.bits_per_character("t")):
        with pytest.raises(NotFittedError):
            call()
    again = pickle.loads(pickle.dumps(fitted))
    assert again.sample(40) == fitted.sample(40)
    assert again.bits_per_character(TEXT) == fitted.bits_per_character(TEXT)
    with pytest.raises(TypeError):
        CharacterModel("gru")


def test_callbacks_schedule_and_progress(capfd):
    seen = []
    model = make(max_epochs=9, schedule="constant", callbacks=[lambda h: seen.append(h["loss"][-1]) or len(seen) == 3])
    assert model.fit(TEXT).n_iter_ == 3
    assert model.history_["loss"] == seen
    assert capfd.readouterr() == ("", "")
    make(max_epochs=2, verbose=1).fit(TEXT)
    shown = capfd.readouterr().err
    assert "epoch 2/2" in shown
    assert "loss=" in shown


def test_interruption_leaves_a_usable_model():
    def interrupt(history):
        if len(history["loss"]) == 2:
            raise KeyboardInterrupt

    model = make(max_epochs=9, callbacks=[interrupt])
    with pytest.warns(RuntimeWarning, match="interrupted after 2 whole epochs") as caught:
        model.fit(TEXT)
    assert caught[0].filename == __file__
    assert model.n_iter_ == 2
    assert len(model.sample(10, prime="the ")) == 10
    assert np.isfinite(model.bits_per_character(TEXT))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rnn", "rnn"),
        ("hidden_size", 0),
        ("num_layers", 1.5),
        ("embedding_size", 0),
        ("dropout", 1.5),
        ("learning_rate", -1),
        ("learning_rate", float("nan")),
        ("schedule", "steps"),
        ("batch_size", 0),
        ("sequence_length", 0),
        ("max_epochs", 0),
        ("clip_norm", 0),
    ],
)
def test_bad_parameters(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got {value!r}"):
        make(**{name: value}).fit(TEXT)


def test_errors_change_nothing(fitted):
    state, bits = dict(fitted.__dict__), fitted.bits_per_character(TEXT)
    for call, kind, words in (
        (lambda: fitted.fit(""), ValueError, "text: expected at least one character, got none"),
        (lambda: fitted.fit(b"bytes"), TypeError, "text: expected a str, got bytes"),
        (lambda: fitted.fit(["text"]), TypeError, "text: expected a str, got list"),
        (lambda: fitted.bits_per_character(""), ValueError, "text: expected at least one character, got none"),
        (lambda: fitted.bits_per_character("the Fox"), ValueError, "text: expected .*, got 'F' at position 4"),
        (lambda: fitted.bits_per_character(None), TypeError, "text: expected a str, got NoneType"),
        (lambda: fitted.sample(3, prime="ox𝄞!"), ValueError, "prime: expected .*, got '𝄞' at position 2"),
        (lambda: fitted.sample(3, prime=7), TypeError, "prime: expected a str, got int"),
        (lambda: fitted.sample(-1), ValueError, "n: expected an integer from 0 to below 2147483648, got -1"),
        (lambda: fitted.sample(2.5), ValueError, "n: expected"),
        (lambda: fitted.sample(3, temperature=-0.1), ValueError, "temperature: expected a finite number"),
        (lambda: fitted.sample(3, temperature=float("inf")), ValueError, "temperature: expected a finite number"),
        (lambda: fitted.sample(3, temperature=float("nan")), ValueError, "temperature: expected a finite number"),
        (lambda: fitted.sample(3, random_state="x"), ValueError, "seed"),
    ):
        with pytest.raises(kind, match=words):
            call()
    assert fitted.__dict__ == state
    assert fitted.bits_per_character(TEXT) == bits


def test_divergence_is_said_and_leaves_nothing_behind():
    model = make(learning_rate=1e30, schedule="constant")
    with pytest.raises(ValueError, match="training has diverged"):
        model.fit(TEXT)
    with pytest.raises(NotFittedError):
        model.sample(1)


def test_a_file(fitted, tmp_path):
    seriatim.save(fitted, tmp_path / "model.safetensors")
    again = seriatim.load(tmp_path / "model.safetensors")
    assert again.sample(50) == fitted.sample(50)
    assert again.vocabulary_ == fitted.vocabulary_
