"""What the workers of the soak do, over and over: each job computes something whose bits are known.

A job takes a folder of its own and gives a digest. It leaves nothing behind: no file, no open forward, no thread.
"""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import seriatim
from seriatim import Sequences, nn, optim
from seriatim.models import (
    CharacterModel,
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
    VideoClassifier,
)

DIMS = {"gru1": 12, "gru2": 8, "gru3": 6, "fc": 6}
RUN = {"max_epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "random_state": 0}


def ragged(n: int, features: int = 3, longest: int = 40, seed: int = 0) -> tuple[Sequences, Any]:
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(length, features)) + 0.5 * (i % 2) for i, length in enumerate(rng.integers(4, longest, n))]
    return Sequences.from_list(rows), np.array(["even", "odd"])[np.arange(n) % 2]


X, Y = ragged(24)
VIDEOS = [np.random.default_rng(i).normal(size=(2 + i % 3, 1, 8, 8)).astype(np.float32) for i in range(6)]


def digest(*things: Any) -> str:
    """Return what tells arrays, texts and numbers from others, bit by bit."""
    found = hashlib.sha256()
    for thing in things:
        array = thing if isinstance(thing, np.ndarray) else np.array(thing)
        found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def outcome(model: Any, data: Any = X) -> str:
    return digest(*model.module_.state_dict().values(), model.predict_proba(data))


# ---- Training


def train_gru(folder: Path) -> str:
    return outcome(GRUClassifier(hidden_size=16, dropout=0.2, **RUN).fit(X, Y))


def train_lstm_early(folder: Path) -> str:
    model = LSTMClassifier(hidden_size=8, num_layers=2, early_stopping=True, validation_fraction=0.25, **RUN)
    return outcome(model.fit(X, Y))


def train_deepgru(folder: Path) -> str:
    return outcome(DeepGRUClassifier(dims=DIMS, n_estimators=2, weight_averaging=0.9, **RUN).fit(X, Y))


def train_regressor(folder: Path) -> str:
    model = DeepGRURegressor(dims=DIMS, **RUN).fit(X, np.arange(len(Y)) / 10)
    return digest(model.predict(X))


def train_reservoir(folder: Path) -> str:
    return outcome(ReservoirClassifier(hidden_size=64, random_state=0).fit(X, Y))


def train_video(folder: Path) -> str:
    cnn = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return outcome(VideoClassifier(cnn, 4, hidden_size=6, fc=5, **RUN).fit(VIDEOS, [0, 1] * 3), VIDEOS)


def train_characters(folder: Path) -> str:
    model = CharacterModel(hidden_size=12, num_layers=1, batch_size=4, sequence_length=8, max_epochs=2, random_state=0)
    model.fit("one after another, in order. " * 8)
    return digest(model.sample(40), model.bits_per_character("in order"))


def steps_by_hand(folder: Path) -> str:
    """A step of most kinds of layers, with shapes that are never the same twice in a row."""
    module = nn.ConvLSTM(2, [3], [3], 1, rng=0) if hasattr(nn, "ConvLSTM") else nn.ConvGRU(2, [3], [3], 1, rng=0)
    stack = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, rng=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    parameters = [*stack.parameters(), *module.parameters()]
    optimizer, found = optim.AdamW(parameters, lr=1e-3), []
    for size in (8, 12, 10, 16):
        x = np.random.default_rng(size).normal(size=(size // 2, 1, size, size)).astype(np.float32)
        optimizer.zero_grad()
        found.append(stack.backward(stack(x)))
        video = np.random.default_rng(size).normal(size=(3, 2, 2, size, size)).astype(np.float32)
        output, _ = module(video)
        module.backward(output)
        optim.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return digest(*found, *module.state_dict().values(), *stack.state_dict().values())


def on_and_on(folder: Path) -> str:
    model = GRUClassifier(hidden_size=8, **RUN).partial_fit(X[:12], Y[:12], classes=["even", "odd"])
    for part in (X[12:], X[:5], X[5:20]):
        model.partial_fit(part, Y[: len(part)])
    return outcome(copy.deepcopy(pickle.loads(pickle.dumps(model))).set_params(warm_start=True).fit(X, Y))


# ---- Files


def save_and_load(folder: Path) -> str:
    model = GRUClassifier(hidden_size=8, **RUN).fit(X, Y)
    seriatim.save(model, folder / "model.safetensors")
    again = seriatim.load(folder / "model.safetensors").partial_fit(X, Y)
    seriatim.save(again.module_, folder / "model.safetensors")
    found = digest(*seriatim.load(folder / "model.safetensors").state_dict().values())
    (folder / "model.safetensors").unlink()
    return found


class Stop(Exception):
    """Ends a training in the middle."""


def stop_and_resume(folder: Path) -> str:
    """The bits of a training that was not stopped."""

    def stop(history: dict[str, list[float]]) -> None:
        if len(history["loss"]) == 2:
            raise Stop

    settings = {**RUN, "hidden_size": 8, "dropout": 0.3, "max_epochs": 4, "checkpoint_dir": folder / "kept"}
    try:
        GRUClassifier(callbacks=[stop], **settings).fit(X, Y)
    except Stop:
        found = outcome(GRUClassifier(**settings).fit(X, Y))
    else:
        raise AssertionError("the training was not stopped")
    (folder / "kept").rmdir()
    return found


# ---- Threads and processes

_shared: dict[str, Any] = {}


def _long_lived() -> Any:
    """A model that all jobs of a process use, after interrupts too."""
    if "model" not in _shared:
        _shared["model"] = DeepGRUClassifier(dims=DIMS, **RUN).fit(X, Y)
    return _shared["model"]


def predict_in_threads(folder: Path) -> str:
    model = _long_lived()
    with ThreadPoolExecutor(4) as pool:
        found = {digest(each) for each in pool.map(lambda _: model.predict_proba(X), range(12))}
    assert len(found) == 1, "threads got different answers"
    return found.pop()


def train_in_threads(folder: Path) -> str:
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(train_gru, folder) for _ in range(3)]
        found = {job.result() for job in jobs}
    assert len(found) == 1, "threads got different answers"
    return found.pop()


def predict_while_it_learns(folder: Path) -> str:
    """Another thread gets the answers of the old model or those of a new one, never of something between."""
    model = GRUClassifier(hidden_size=8, **{**RUN, "max_epochs": 1}).fit(X, Y)
    # An interrupt may come before anybody could end the thread: it ends by itself.
    seen, over, until = set(), threading.Event(), time.monotonic() + 60

    def look() -> None:
        while not over.is_set() and time.monotonic() < until:
            seen.add(digest(model.predict_proba(X)))

    twin, allowed = copy.deepcopy(model), {digest(model.predict_proba(X))}
    looker = threading.Thread(target=look)
    try:
        looker.start()
        for _ in range(3):
            allowed.add(digest(twin.partial_fit(X, Y).predict_proba(X)))
            model.partial_fit(X, Y)
    finally:
        over.set()
        if looker.ident is not None:
            looker.join()
    assert seen <= allowed, "a mixture of two models has answered"
    assert outcome(model) == outcome(twin)
    return outcome(model)


def predict_in_a_child(folder: Path) -> str:
    want = digest(_long_lived().predict_proba(X))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with warnings.catch_warnings():
            # Python 3.12 on warns of threads, which the pool has.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os._exit(0 if digest(_long_lived().predict_proba(X)) == want and train_gru(folder) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a forked child got other answers"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return want


# ---- Mistakes


def refuse(folder: Path) -> str:
    """What is refused leaves the model as it was."""
    model = _long_lived()
    for wrong in (
        lambda: model.partial_fit(X, ["strange"] * len(Y)),
        lambda: model.predict([np.ones((3, 7))]),
        lambda: model.partial_fit([np.full((3, 3), np.nan)], Y[:1]),
        lambda: seriatim.load(folder / "nothing"),
        lambda: nn.Conv2d(1, 1, 3)(np.ones((1, 1, 2, 2))),
    ):
        try:
            wrong()
        except (ValueError, OSError):
            continue
        raise AssertionError("a mistake was not refused")
    return outcome(model)


JOBS: dict[str, Callable[[Path], str]] = {
    job.__name__: job
    for job in (
        train_gru, train_lstm_early, train_deepgru, train_regressor, train_reservoir, train_video, train_characters,
        steps_by_hand, on_and_on, save_and_load, stop_and_resume, predict_in_threads, train_in_threads,
        predict_while_it_learns, predict_in_a_child, refuse,
    )
}  # fmt: skip
