"""The kernels in a web page: their size, Python's bits in node and in a browser, and a page that people can use.

Wanted are a Swift that knows WebAssembly and wasm-ld, for some tests node, for others Chromium: what is missing is said
where a test is left out.
"""

import fcntl
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import browser
import numpy as np
import pytest
from samples import rising

import seriatim
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, FrameClassifier, GRUClassifier, LSTMClassifier
from seriatim.preprocessing import MinMaxScale, Standardize
from seriatim.sequences import Sequences

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "web" / "live"
SCRIPT = ROOT / "Packaging" / "web.py"
pytestmark = pytest.mark.skipif(not PAGE.exists() or not SCRIPT.exists(), reason="not a checkout")
X, Y = rising()

# Log-probabilities of a saved model after every frame of sequences, (X, lengths) in a file of NumPy.
PREFIXES = """
import sys
import numpy as np
import seriatim

model, given, out = seriatim.load(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3]
starts = np.cumsum(given["lengths"]) - given["lengths"]
begun = [given["X"][s : s + t] for s, n in zip(starts, given["lengths"]) for t in range(1, n + 1)]
said = model.predict_log_proba(begun)
# A model of frames has said something of all of them.
np.save(out, [one[-1] for one in said] if isinstance(said, list) else said)
"""


@pytest.fixture(scope="module")
def wasm():
    """The kernels, made by one of the processes that run the tests."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "web.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    if done.stderr.startswith("missing:"):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return PAGE / "seriatim.wasm"


@pytest.fixture
def node(tmp_path, wasm):
    """What a page computes of sequences, by node."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("no node")
    # A module of JavaScript is one by its name, or by what lies beside it.
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(PAGE / "seriatim.js", tmp_path)

    def compute(model, sequences):
        command = [program, ROOT / "Tests" / "web" / "steps.mjs", tmp_path / "seriatim.js", wasm, model]
        is_single = sequences[0].dtype == np.float32
        text = json.dumps({"sequences": [x.tolist() for x in sequences], "float32": is_single})
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return compute


def by_python(model, sequences, tmp_path):
    """Return log-probabilities after every frame at the level baseline, which has no fused multiply-add either."""
    if "baseline" not in seriatim.show_config()["levels"]:
        pytest.skip("this machine's kernels have no level baseline")
    given, made = tmp_path / "given.npz", tmp_path / "made.npy"
    np.savez(given, X=np.concatenate(sequences), lengths=[len(x) for x in sequences])
    env = {**os.environ, "SERIATIM_LEVEL": "baseline", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", PREFIXES, model, given, made]
    subprocess.run([str(part) for part in command], check=True, env=env, stdout=subprocess.DEVNULL)
    return np.load(made)


def test_the_kernels_are_small_and_ask_for_nothing(wasm):
    content = wasm.read_bytes()
    assert content[:8] == b"\0asm\1\0\0\0"
    assert len(content) <= 200_000
    # A section of imports has the number 2 and would stand behind that of types.
    sections, place = [], 8
    while place < len(content):
        sections.append(content[place])
        size, shift, place = 0, 0, place + 1
        while True:
            byte, place = content[place], place + 1
            size, shift = size | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        place += size
    assert 10 in sections
    assert 2 not in sections


@pytest.mark.parametrize("missing", ["swift", "wasm-ld"])
def test_what_is_missing_is_said(tmp_path, missing):
    # None of these is run.
    for name in {"swift", "swiftc", "clang", "wasm-ld"} - {missing}:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": str(tmp_path), "SERIATIM_SWIFT": str(tmp_path / "swift")}
    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "made.wasm"], capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert re.match(rf"missing: \S*{missing}\. ", done.stderr)
    assert "https://www.swift.org/install" in done.stderr


PLAIN = {"bidirectional": False, "preprocessing": None, "n_estimators": 1, "max_epochs": 2, "random_state": 0}
ALL = ("last", "mean", "max", "positive")
MODELS = {
    "gru": lambda: GRUClassifier(hidden_size=13, scaling=Standardize(), **PLAIN),
    "gru of two layers, all poolings": lambda: GRUClassifier(hidden_size=6, num_layers=2, pooling=ALL, **PLAIN),
    "lstm": lambda: LSTMClassifier(hidden_size=5, pooling=("last", "max"), **PLAIN),
    "frames": lambda: FrameClassifier(hidden_size=6, scaling=MinMaxScale(), **PLAIN),
    "frames, seen three at once": lambda: FrameClassifier(hidden_size=7, rnn="lstm", convolution=3, **PLAIN),
    "deepgru": lambda: DeepGRUClassifier(dims={"gru1": 10, "gru2": 7, "gru3": 5, "fc": 6}, **PLAIN),
    "deepgru, pooling": lambda: DeepGRUClassifier(
        dims={"gru1": 9, "gru2": 4, "gru3": 5, "fc": 3}, pooling=("mean", "max"), **PLAIN
    ),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, np.float64) for name in MODELS), ("gru", np.float32), ("frames", np.float32)]
)
def test_bits_without_a_browser(name, dtype, node, tmp_path):
    labels = np.array(["fällt", "NaN rises"])[Y]
    estimator, path = MODELS[name](), tmp_path / "model.safetensors"
    x = Sequences(X.X.astype(dtype), X.lengths)
    model = estimator.fit(x, np.repeat(labels, X.lengths) if isinstance(estimator, FrameClassifier) else labels)
    model.history_["loss"][0] = float("nan")
    seriatim.save(model, path)
    found = node(path, x[:6])
    assert found.get("classes") == model.classes_.tolist(), found
    page = np.concatenate([np.array(said, np.float32) for said in found["said"]])
    python = by_python(path, x[:6], tmp_path)
    assert len(np.unique(page)) > len(page)
    np.testing.assert_array_equal(page, python)


GRU = partial(GRUClassifier, hidden_size=4)


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (partial(DeepGRURegressor, dims={"gru1": 4, "gru2": 4, "gru3": 4, "fc": 4}), {}, "one label"),
        (GRU, {"bidirectional": True}, "bidirectional=False"),
        (GRU, {"n_estimators": 2}, "n_estimators=1"),
        (GRU, {"scaling": Standardize(over="sequence")}, "over the training data"),
        (GRU, {"preprocessing": "auto"}, "preprocessing=None"),
    ],
)
def test_models_that_no_page_runs(kind, changes, said, node, tmp_path):
    path = tmp_path / "model.safetensors"
    seriatim.save(kind(**{**PLAIN, **changes}).fit(X, Y), path)
    assert said in node(path, X[:1])["error"]


@pytest.mark.parametrize("wrong", [None, "1"])
def test_frames_that_are_no_numbers(wrong, node, tmp_path):
    path = tmp_path / "model.safetensors"
    seriatim.save(GRU(**PLAIN).fit(X, Y), path)
    frame = np.array([[*X[0][0][:-1], wrong]], object)
    assert f"frame[{frame.size - 1}]: expected a finite number" in node(path, [frame])["error"]


def test_the_model_is_the_generators_and_as_good_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import live_gestures

    told = json.loads((PAGE / "gestures.json").read_text())
    model = seriatim.load(PAGE / "gestures.safetensors")
    points, names = live_gestures.gestures(live_gestures.HELD_OUT, told["held_out"] // len(live_gestures.SHAPES))
    frames = live_gestures.steps(points)
    for share, right in told["right"].items():
        begun = live_gestures.begun(frames, np.full(len(frames), float(share)))
        assert model.score(begun, names) == pytest.approx(right, abs=2e-3)
    assert right > 0.99
    monkeypatch.setattr(sys, "argv", ["", "--strokes", "4", "--epochs", "1", "--hidden", "4", "--out", str(tmp_path)])
    live_gestures.main()
    assert json.loads((tmp_path / "gestures.json").read_text()).keys() == told.keys()
    assert (PAGE / "gestures.safetensors").stat().st_size < 100_000


@pytest.fixture(scope="module")
def site():
    """The address of the page."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=PAGE.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live/index.html"
        server.shutdown()


def opened(site, **kind):
    """Return a browser that shows the page, ready to be drawn on."""
    program = browser.find()
    if program is None:
        pytest.skip("no Chromium (Debian: apt-get install chromium; SERIATIM_CHROMIUM names another)")
    page = browser.Browser(program, **kind)
    page.open(site, "document.documentElement.dataset.live")
    return page


KINDS = {"mouse": {"width": 1100, "height": 900}, "finger": {"width": 390, "height": 844, "touch": True, "dark": True}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stroke_is_recognised_while_it_is_drawn(kind, site, wasm, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import live_gestures

    shown = json.loads((PAGE / "gestures.json").read_text())["shown"]
    with opened(site, **KINDS[kind]) as page:
        assert page.look("document.getElementById('said').textContent") == "Ready."
        for name in ("triangle", "spiral"):
            left, top, side = page.look(
                "(() => { const box = document.getElementById('canvas').getBoundingClientRect();"
                " return [box.left, box.top, box.width] })()"
            )
            # Smaller than in the list, and elsewhere.
            points = [(left + side * (0.1 + 0.6 * x), top + side * (0.2 + 0.6 * y)) for x, y in shown[name][::2]]
            page.stroke(points)
            page.wait("document.getElementById('said').textContent.includes('after')")
            said = page.look("document.getElementById('said').textContent")
            first = "document.querySelector('#classes .first .name').textContent"
            page.wait(f"document.querySelector('#classes .first') && {first} == {name!r}")
            seen = page.look("({stroke: live.stroke, history: live.history.map((p) => Array.from(p))})")
            frames = live_gestures.steps(np.array([seen["stroke"]]))
            python = by_python(PAGE / "gestures.safetensors", [frames.X], tmp_path)
            np.testing.assert_array_equal(np.array(seen["history"], np.float32), python)
            probabilities = np.exp(python.astype(np.float64))
            np.testing.assert_allclose(probabilities, np.exp(python), rtol=4e-7)
            # It changes its mind on the way.
            assert len(set(np.argmax(python, axis=1))) > 1
            classes = page.look("live.classes")
            assert classes[np.argmax(python[-1])] == name
            percent = round(100 * probabilities[-1].max())
            assert said == f"{name.capitalize()}, {percent}\u00a0%, after {len(python)} steps."
            shares = page.look("Array.from(document.querySelectorAll('#classes .percent'), (e) => e.textContent)")
            assert shares == [f"{round(100 * p)}\u00a0%" for p in probabilities[-1]]
        page.look("document.getElementById('clear').click()")
        page.wait("!document.querySelector('#classes .first')")
        assert page.look("document.documentElement.scrollWidth <= innerWidth")
        assert page.complaints == []


def test_the_page_needs_no_pointer(site, wasm):
    with opened(site, width=800, height=800) as page:
        labels = page.look("Array.from(document.querySelectorAll('button, a'), (e) => e.textContent.trim())")
        assert all(labels)
        page.look("document.querySelectorAll('#classes button')[3].focus()")
        page.key("Enter")
        page.wait("document.getElementById('said').textContent.startsWith('Circle')")
        page.key("Escape")
        page.wait("document.getElementById('said').textContent == 'Ready.'")
        assert page.look("live.history.length") == 0
        assert page.complaints == []


def test_a_site_without_kernels_says_so(tmp_path):
    shutil.copytree(PAGE, tmp_path / "live", ignore=shutil.ignore_patterns("*.wasm"))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with opened(f"http://127.0.0.1:{server.server_address[1]}/live/index.html") as page:
            said = page.look("document.getElementById('said').textContent")
        server.shutdown()
    assert "make web" in said
