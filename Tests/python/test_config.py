"""Version, threads, configuration."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import seriatim


def test_version_is_one():
    assert seriatim.__version__ == version("seriatim")


def test_show_config(capsys):
    config = seriatim.show_config()
    assert {"version", "level", "levels", "num_threads"} <= set(config)
    assert config["level"] in config["levels"]
    assert config["level"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "threads"), [({"OMP_NUM_THREADS": "1"}, 1), ({"SERIATIM_NUM_THREADS": "5"}, 5)]
)
def test_threads_from_the_environment(environment, threads):
    import os

    code = "import seriatim; print(seriatim.get_num_threads())"
    env = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")} | environment
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert int(out.stdout) == threads


def test_attributes_that_do_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = seriatim.nonsense
    assert "Sequences" in dir(seriatim)
