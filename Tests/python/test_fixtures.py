"""Every fixture is what the script beside it makes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

FIXTURES = Path(__file__).parents[1] / "fixtures"
# Files of an older format, which nothing makes any more, have their number in front.
NAMES = sorted(p.stem for p in FIXTURES.glob("*.safetensors") if not p.stem.startswith("format"))


def test_every_fixture_has_its_script():
    assert NAMES
    assert sorted(p.stem.removeprefix("make_") for p in FIXTURES.glob("make_*.py")) == NAMES


# Of Keras with NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("name", NAMES)
def test_the_script_makes_the_fixture(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    for package in ("torch", "keras"):
        if package in (FIXTURES / f"make_{name}.py").read_text():
            pytest.importorskip(package)
    spec = importlib.util.spec_from_file_location(name, FIXTURES / f"make_{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(tmp_path / "made")
    made, kept = load_file(tmp_path / "made"), load_file(FIXTURES / f"{name}.safetensors")
    assert list(made) == list(kept)
    for key, value in kept.items():
        assert made[key].dtype == value.dtype, key
        np.testing.assert_allclose(made[key], value, rtol=1e-6, atol=1e-6, err_msg=key)
