"""Models that Python trains, saved, and run by the Swift library: the same bits at each level that is there.

``make test-swift`` builds the library's example program, `seriatim-predict`, once per level, and again
after a change of Swift; without it this is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import seriatim
from seriatim.models import (
    CharacterModel,
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    FrameRegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
    ReservoirRegressor,
)
from seriatim.preprocessing import (
    Center,
    Deltas,
    Downsample,
    Filter,
    MinMaxScale,
    Pad,
    Resample,
    Stack,
    Standardize,
    TrimConstants,
)

ROOT = Path(__file__).resolve().parents[2]
# As setup.py and the Makefile name them.
MARCH = {"baseline": "x86-64", "v3": "x86-64-v3", "v4": "x86-64-v4", "neon": "armv8-a"}
DIMS = {"gru1": 9, "gru2": 7, "gru3": 5, "fc": 6}
ONCE = {"max_epochs": 1, "random_state": 0}
PLAIN = {"scaling": None, "preprocessing": None, "n_estimators": 1}
CAUSAL = {"scaling": Standardize(), "preprocessing": None, "bidirectional": False}

RNG = np.random.default_rng(0)
X = [(RNG.normal(size=(RNG.integers(5, 40), 3)) * [1, 2, 30] + 5).astype(np.float32) for _ in range(18)]
# Of units that differ by orders of magnitude, and long enough to be joined.
FAR = [np.repeat(x, 8, axis=0) * np.float32(10.0 ** (4 * (i % 3) - 4)) for i, x in enumerate(X)]
OF_FRAMES = [np.where(x[:, 0] > 5, "high", "low") for x in X]
WORDS = np.array(["left", "right", "über"])[np.arange(18) % 3]
NUMBERS = np.stack([np.arange(18.0), 100 - np.arange(18.0) ** 2], axis=1)

# An estimator, its data, its targets.
MODELS = {
    "everything auto": (GRUClassifier(hidden_size=20, **ONCE), X, WORDS),
    "levels, joined steps": (GRUClassifier(hidden_size=20, **ONCE), FAR, WORDS),
    "a reservoir among networks": (GRUClassifier(hidden_size=12, reservoir=True, **ONCE), X, WORDS),
    "one direction": (GRUClassifier(hidden_size=70, num_layers=2, **CAUSAL, **ONCE), X, np.arange(18) % 3 - 1),
    "LSTM": (LSTMClassifier(hidden_size=20, num_layers=2, pooling=["last", "mean", "max"], **ONCE), X, WORDS),
    "LSTMs": (LSTMClassifier(hidden_size=9, n_estimators=3, **CAUSAL, **ONCE), X, WORDS),
    "DeepGRU": (DeepGRUClassifier(dims=DIMS, **CAUSAL, **ONCE), X, WORDS),
    "DeepGRU of both directions": (DeepGRUClassifier(**ONCE), X, np.arange(18) % 2 == 0),
    "regressor": (DeepGRURegressor(dims=DIMS, **CAUSAL, **ONCE), X, NUMBERS),
    "regressors": (DeepGRURegressor(dims=DIMS, n_estimators=2, pooling=["max"], **ONCE), X, NUMBERS[:, 0]),
    "reservoir": (ReservoirClassifier(hidden_size=33, random_state=0), FAR, WORDS),
    "reservoir for numbers": (ReservoirRegressor(hidden_size=30, random_state=0), X, NUMBERS),
    "frames": (FrameClassifier(hidden_size=20, convolution=4, **CAUSAL, **ONCE), X, OF_FRAMES),
    "frames of both directions": (FrameClassifier(hidden_size=9, convolution=5, rnn="lstm", **ONCE), X, OF_FRAMES),
    "networks of frames": (FrameClassifier(hidden_size=9, n_estimators=2, **ONCE), X, OF_FRAMES),
    "numbers of frames": (FrameRegressor(hidden_size=9, num_layers=2, **CAUSAL, **ONCE), X, [x[:, :2] for x in X]),
    **{
        repr(step): (make_pipeline(step, GRUClassifier(hidden_size=8, **PLAIN, **ONCE)), X, WORDS)
        for step in [
            Center(over="sequence"),
            Standardize(over="sequence"),
            MinMaxScale(),
            MinMaxScale((-1.0, 3.0), over="sequence"),
            Filter(4),
            Filter(method="mean"),
            Deltas(2, 3, append=False),
            Stack(3),
            Downsample(3),
            Downsample(2, "mean"),
            TrimConstants(5.0, 1.0),
            Resample(17),
            Pad(20, 1.0, "pre"),
            Pad(20),
        ]
    },
}
STREAMS = ("one direction", "LSTMs", "DeepGRU", "regressor", "frames", "numbers of frames")


def program(level: str) -> Path:
    """Return the example program of a level; skip where it has not been built."""
    path = ROOT / "build" / "test" / MARCH[level] / "release" / "seriatim-predict"
    if not path.exists():
        missing = "" if shutil.which(os.environ.get("SERIATIM_SWIFT", "swift")) else ", which needs Swift"
        pytest.skip(f"{path.relative_to(ROOT)} is not there: `make test-swift` builds it{missing}")
    return path


def run(path: Path, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run([path, *arguments], input=given, capture_output=True, text=True, check=False, timeout=60)


def lines_of(path: Path, *arguments: str | Path, given: str) -> list[list[str]]:
    """Return what the program prints, line by line, cut at commas."""
    done = run(path, *arguments, given=given)
    assert done.returncode == 0, done.stderr
    return [line.split(",") for line in done.stdout.splitlines()]


def as_text(sequences: list[np.ndarray]) -> str:
    """Return sequences as the program reads them."""
    return "\n\n".join("\n".join(",".join(map(str, frame.tolist())) for frame in x) for x in sequences)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Train and save all models; and let a process of each level predict with them."""
    folder = tmp_path_factory.mktemp("swift")
    for number, (model, data, targets) in enumerate(MODELS.values()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            seriatim.save(model.fit(data, targets), folder / f"{number}.safetensors", training=False)
    return folder


def expected(level: str, folder: Path) -> dict[str, np.ndarray]:
    """Return what Python makes of the data at a level, and of the beginnings of the first sequence."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_swift_programs as own; own.predict_all(sys.argv[2])"
    )
    env = {**os.environ, "SERIATIM_LEVEL": level, "PYTHONPATH": str(Path(seriatim.__file__).parents[1])}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, Path(__file__).parent, folder], check=True, env=env)
    return dict(np.load(folder / "expected.npz"))


def predict_all(folder: str) -> None:
    """Write what all models say, in a process of its own."""
    found = {}
    for number, (name, (_, data, _)) in enumerate(MODELS.items()):
        model = seriatim.load(Path(folder) / f"{number}.safetensors")
        say = model.predict_log_proba if hasattr(model, "classes_") else model.predict
        by_frame = isinstance(model, (FrameClassifier, FrameRegressor))
        # A list of each sequence's rows, or an array of them all.
        found[name] = np.concatenate(say(data)) if by_frame else say(data)
        if hasattr(model, "classes_"):
            labels = model.predict(data)
            found[f"{name}: labels"] = np.concatenate(labels) if by_frame else labels.astype(str)
        if name in STREAMS:
            beginnings = [data[0][:end] for end in range(1, len(data[0]) + 1)]
            found[f"{name}: beginnings"] = np.stack([y[-1] for y in say(beginnings)]) if by_frame else say(beginnings)
    np.savez(Path(folder) / "expected.npz", **found)


@pytest.mark.parametrize("level", [name for name in MARCH if name in seriatim.show_config()["levels"]])
def test_same_bits(level, folder):
    path = program(level)
    wanted = expected(level, folder)
    for number, (name, (_, data, _)) in enumerate(MODELS.items()):
        file = folder / f"{number}.safetensors"
        printed = [line for line in lines_of(path, file, "--log", given=as_text(data)) if line != [""]]
        assert len(printed) == len(wanted[name])
        if f"{name}: labels" in wanted:
            assert [line[0] for line in printed] == wanted[f"{name}: labels"].tolist(), name
            found = np.array([line[1:] for line in printed], np.float32)
            np.testing.assert_array_equal(found, wanted[name], name, strict=True)
        else:
            found = np.array(printed, np.float64).reshape(wanted[name].shape)
            np.testing.assert_array_equal(found, wanted[name], name)
        if name in STREAMS:
            printed = lines_of(path, file, "--stream", "--log", given=as_text(data[:1]))
            first = 1 if f"{name}: labels" in wanted else 0
            found = np.array([line[first:] for line in printed], np.float32)
            np.testing.assert_array_equal(found, wanted[f"{name}: beginnings"].astype(np.float32), name)


def test_probabilities_are_powers_of_e(folder):
    """NumPy's are not the same on every processor: up to 3 units in the last place from the ones rounded once."""
    path = any_program()
    for number in (0, 3, 5):
        (_, data, _), file = list(MODELS.values())[number], folder / f"{number}.safetensors"
        wanted = seriatim.load(file).predict_proba(data)
        found = np.array([line[1:] for line in lines_of(path, file, given=as_text(data))], np.float32)
        assert np.all(np.abs(found - wanted) <= 3 * np.spacing(wanted))


def any_program() -> Path:
    """Return a program of any level, for what does not depend on it."""
    return program(seriatim.show_config()["level"])


def test_describes_the_model(folder):
    path = any_program()
    said = run(path, folder / "0.safetensors", "--describe").stdout
    assert "GRUClassifier" in said
    assert f"written by seriatim {seriatim.__version__}: 3 features" in said
    assert "classes: left, right, über" in said
    assert f"kernels: {seriatim.show_config()['level']}," in said


def test_says_what_is_wrong(folder, tmp_path):
    path, model = any_program(), folder / "0.safetensors"
    help_ = run(path, "--help")
    assert help_.returncode == 0
    assert "usage: seriatim-predict" in help_.stdout
    for arguments, code, words in [
        ([], 2, "expected a model"),
        ([model, "--fast"], 2, "--fast: no such option"),
        ([model, "--window", "0", "--stream"], 2, "--window: expected"),
        ([tmp_path / "none"], 1, "no such file"),
        ([tmp_path], 1, "got that of a folder"),
        ([Path(__file__)], 1, "not a whole safetensors file"),
        ([model, tmp_path / "none"], 1, "expected a file of text"),
        ([model, "--stream"], 1, "bidirectional=False"),
    ]:
        done = run(path, *arguments, given="1,2,3")
        assert (done.returncode, words in done.stderr) == (code, True), (arguments, done.stderr)
    for text, words in [("", "at least one frame"), ("1,2\n", "expected frames of 3"), ("1,2,x\n", "line 1"),
                        ("1,2,3\n1,nan,3", "feature 1 of frame 1")]:  # fmt: skip
        done = run(path, model, given=text)
        assert (done.returncode, words in done.stderr) == (1, True), (text, done.stderr)


def test_lines_may_end_in_two_characters(folder):
    path, model, text = any_program(), folder / "0.safetensors", "1,2,3\n4,5,6\n\n7,8,9\n"
    said = run(path, model, given=text)
    assert (said.returncode, len(said.stdout.splitlines())) == (0, 2)
    assert run(path, model, given=text.replace("\n", "\r\n")).stdout == said.stdout


def test_refuses_what_it_cannot_run_by_name(folder, tmp_path):
    path = any_program()
    seriatim.save(CharacterModel(), tmp_path / "other.safetensors")
    done = run(path, tmp_path / "other.safetensors")
    assert done.returncode == 1
    assert "holds a CharacterModel, which Swift programs cannot run" in done.stderr
    seriatim.save(GRUClassifier(), tmp_path / "unfitted.safetensors")
    assert "is not fitted" in run(path, tmp_path / "unfitted.safetensors").stderr
    narrow = seriatim.quantize(seriatim.load(folder / "3.safetensors"), weights="int8")
    seriatim.save(narrow, tmp_path / "narrow.safetensors")
    several = GRUClassifier(hidden_size=4, **ONCE).fit(X, np.eye(3, dtype=int)[np.arange(18) % 3] | [[0, 0, 1]])
    seriatim.save(several, tmp_path / "several.safetensors")
    assert "several labels a sequence" in run(path, tmp_path / "several.safetensors").stderr
    assert "quantised" in run(path, tmp_path / "narrow.safetensors").stderr


def test_a_step_allocates_nothing(folder, tmp_path):
    """The program's own clock runs some 10,000 steps; what is allocated is what starting it takes."""
    path = any_program()
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("counts calls of malloc by LD_PRELOAD, which needs Linux and a C compiler")
    counter = tmp_path / "count.c"
    counter.write_text(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n#include <stddef.h>\n"
        "static unsigned long calls;\nextern void *__libc_malloc(size_t);\n"
        "void *malloc(size_t n) { __atomic_add_fetch(&calls, 1, 0); return __libc_malloc(n); }\n"
        '__attribute__((destructor)) static void say(void) { fprintf(stderr, "%lu", calls); }\n'
    )
    library = tmp_path / "count.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, counter], check=True)
    counts = []
    for seconds in ("0.02", "0.5"):
        done = subprocess.run(
            [path, folder / "3.safetensors", "--time", seconds],
            capture_output=True, text=True, check=True, env={**os.environ, "LD_PRELOAD": str(library)},
        )  # fmt: skip
        assert "us a step" in done.stdout
        counts.append(int(done.stderr))
    assert abs(counts[1] - counts[0]) < 100, counts
