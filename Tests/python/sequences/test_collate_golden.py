"""collate_fn against Sequentia's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from seriatim import collate_fn

GOLDEN = Path(__file__).parents[2] / "fixtures" / "sequentia_collate.safetensors"
TENSORS = load_file(GOLDEN)
with safe_open(GOLDEN, "numpy") as _file:
    CASES = sorted(json.loads(_file.metadata()["cases"]))


@pytest.mark.parametrize("case", CASES)
def test_goldens(case):
    labels = TENSORS[f"{case}/in/labels"]
    sequences = [TENSORS[f"{case}/in/seq{i}"] for i in range(len(labels))]
    batch = list(zip(sequences, labels.tolist(), strict=True))
    before = list(batch)
    padded, lengths, sorted_labels = collate_fn(batch)
    assert all(a is b for a, b in zip(batch, before, strict=True)), "the caller's list is left alone"
    np.testing.assert_array_equal(padded, TENSORS[f"{case}/out/padded"].astype(np.float32))
    np.testing.assert_array_equal(lengths, TENSORS[f"{case}/out/lengths"])
    np.testing.assert_array_equal(sorted_labels, TENSORS[f"{case}/out/labels"])
    assert padded.dtype == np.float32
