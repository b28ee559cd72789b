"""Version, threads, configuration."""

import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

import seriatim
from seriatim import _config


def test_version_is_one():
    assert seriatim.__version__ == version("seriatim")


def test_show_config(capsys):
    config = seriatim.show_config()
    assert {"version", "level", "levels", "num_threads"} <= set(config)
    assert config["level"] in config["levels"]
    printed = capsys.readouterr().out
    assert config["level"] in printed
    assert _config.format_caches(config["caches"]) in printed
    caches = config["caches"]
    assert 8 << 10 <= caches["first"] <= caches["second"]
    assert caches["shared"] == 0 or caches["shared"] >= caches["second"]
    assert min(caches["cores_per_second"], caches["cores_per_shared"]) >= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [("48K,2M,300M", None), ("128K,16M/4,0", "128K,16M/4,0"), ("1500,64K/2,1G/8", "1500,64K/2,1024M/8")],
)
def test_caches_from_the_environment(text, shown):
    done = import_with({"SERIATIM_CACHES": text}, "print(_config.format_caches(_core.caches()))")
    printed = done.stdout.strip()
    assert (printed if shown else re.sub(r"/\d+", "", printed)) == (shown or text), done.stderr


@pytest.mark.parametrize(
    "text", ["48K,2M", "2M,48K,300M", "48K,2M,1M", "-1,2M,3M", "48K,2M/0,3M", "48K,2M,99999999999999G"]
)
def test_caches_that_cannot_be(text):
    done = import_with({"SERIATIM_CACHES": text}, "")
    assert done.returncode
    assert "SERIATIM_CACHES: expected the sizes" in done.stderr
    assert f"(0: no shared cache), got '{text}'" in done.stderr


def import_with(environment, code):
    """Import the kernels alone, which is quick, in a process with this environment."""
    code = f"from seriatim import _config, _core; {code}"
    env = os.environ | environment
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize(
    ("environment", "threads"), [({"OMP_NUM_THREADS": "1"}, 1), ({"SERIATIM_NUM_THREADS": "5"}, 5)]
)
def test_threads_from_the_environment(environment, threads):
    code = "import seriatim; print(seriatim.get_num_threads())"
    env = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")} | environment
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert int(out.stdout) == threads


def test_attributes_that_do_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = seriatim.nonsense
    assert "Sequences" in dir(seriatim)
