"""Flips every bit and cuts at every byte of small files of each kind, with and without their checksum.

    python Tests/fuzz/files_flips.py [--step 1]

With a checksum every flip is an error, but for those in the checksum's own name; without one a flip may make another
model, and everything else is a ValueError. Prints how many there were of each.
"""

import argparse
import os
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from files_target import without_checksum
from sklearn.pipeline import make_pipeline

import seriatim
from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.models import GRUClassifier
from seriatim.training._checkpoint import Checkpoint, Origin

X = [np.random.default_rng(i).normal(size=(4 + i % 3, 2)) for i in range(8)]
Y = np.arange(8) % 2


def files(folder):
    """Yield paths of small files, and what reads each."""
    small = GRUClassifier(hidden_size=1, max_epochs=1, random_state=0, n_estimators=1, scaling=None, augmentation=None)
    for name, model in (
        ("module", nn.GRU(1, 1)),
        ("transformer", prep.Standardize().fit(X)),
        ("estimator", small.fit(X, Y)),
        ("pipeline", make_pipeline(prep.Standardize(), small).fit(X, Y)),
    ):
        seriatim.save(model, folder / name, training=False)
        yield folder / name, seriatim.load
    origin = Origin("Some", "0" * 12, {"a": ("1", "1")}, True)
    with Checkpoint(folder / "folder", origin, 1) as one:
        one.save({"module": {"weight": np.arange(3.0)}, "epoch": 1, "over": False})
        path = one.path

    def taken_up(_):
        with Checkpoint(folder / "folder", origin, 1) as again:
            return again.load()

    yield path, taken_up


def tried(path, read, contents):
    """Return how many of several contents are refused and read; raises for any error but ValueError."""
    counts = Counter()
    for content in contents:
        path.write_bytes(content)
        try:
            read(path)
            counts["read"] += 1
        except ValueError:
            counts["refused"] += 1
    return counts


def flips(whole, step):
    """Yield a content with each bit flipped, of every ``step``-th."""
    for bit in range(0, 8 * len(whole), step):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def main():
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=1)
    step = parser.parse_args().step
    warnings.simplefilter("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        for path, read in files(Path(folder)):
            whole = path.read_bytes()
            for word, content in (("checksum", whole), ("without", without_checksum(whole))):
                if path.suffix and word == "without":
                    continue
                length = 8 + int.from_bytes(content[:8], "little")
                found = tried(path, read, flips(content, step))
                cuts = tried(path, read, (content[:end] for end in range(0, len(content), step)))
                assert not cuts["read"]
                assert word == "without" or found["read"] <= 8 * len("sha256"), found
                sizes = f"{length:5} + {len(content) - length:4} bytes"
                told = f"{found['refused']} refused, {found['read']} read; {cuts['refused']} cuts refused"
                print(f"{path.stem[:11]:12} {word:9} {sizes}: {sum(found.values())} flips, {told}", flush=True)


if __name__ == "__main__":
    main()
