"""What a user does first, with the installed package: train, predict, save, load."""

import pathlib
import platform
import tempfile

import numpy as np

import seriatim
from seriatim import nn
from seriatim.models import DeepGRUClassifier

rng = np.random.default_rng(0)
x = [rng.normal(size=(n, 3)).astype(np.float32) + n % 2 for n in rng.integers(5, 20, 40)]
y = np.array([len(sequence) % 2 for sequence in x])
model = DeepGRUClassifier(max_epochs=3, random_state=0).fit(x, y)
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "model.safetensors")
    seriatim.save(model, path)
    same = np.array_equal(seriatim.load(path).predict_proba(x), model.predict_proba(x))
assert same, "a loaded model predicts other numbers"
output, _ = nn.GRU(3, 4)(np.zeros((2, 1, 3), np.float32))
assert output.shape == (2, 1, 4)
if platform.machine() == "x86_64" and platform.system() == "Linux":
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    best = "v4" if "avx512vl" in flags else "v3" if "avx2" in flags else "baseline"
    assert seriatim._core.level() == best, f"this CPU runs {best}, the wheel {seriatim._core.levels()}"
package = pathlib.Path(seriatim.__file__).parent
assert not (package.parents[1] / "setup.py").exists(), f"this is a checkout: {package}"
seriatim.show_config()
