"""Where torch is not, or not asked for."""

import subprocess
import sys

HIDE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Nothing())
import seriatim, seriatim.nn, seriatim.models
assert "torch" not in sys.modules
try:
    import seriatim.torch
except ImportError as error:
    print(error)
"""


def test_only_seriatim_torch_wants_torch_and_says_what_to_install():
    said = subprocess.run([sys.executable, "-c", HIDE], capture_output=True, text=True, check=True).stdout
    assert "expected torch 2.4 or later" in said
    assert "pip install 'seriatim[torch]'" in said
