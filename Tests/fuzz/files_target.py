"""What is done with one mutated file, and what has to hold; used by the long runs and by the suite."""

import json
import os
import random
import warnings
from contextlib import suppress

import numpy as np
from safetensors import deserialize

from seriatim._files import opened
from seriatim._files._tensors import CHECKSUM
from seriatim.persistence import load

# Words of trees: what a mutation puts in the place of others.
WORDS = """
array args attributes buffers bytes children class complex config data type date datetime dict dtype
fitted frozen function generator home id kind masked memory number objects offset order pandas parameters
parts partial path random_state range same scalar set shape slice sparse state steps tensor timedelta
time tuple type unit utc value values without alike format version model scikit-learn F parameter int8
bfloat16 seriatim.optim.StepLR numpy.log numpy.random RandomState PCG64 MT19937 csr_matrix frozenset str_
<f4 <U9 |O |S1 <M8[ns] Timestamp NaT GRU Linear LSTM Sequential ModuleList Dropout BatchNorm1d ConvGRU
ConvRNN VGG16 Embedding Residual Conv2d GRUClassifier DeepGRUClassifier Standardize Pipeline
sklearn.svm.SVC sklearn.neighbors.KNeighborsClassifier sklearn.linear_model.LogisticRegression
sklearn.utils._bunch.Bunch sklearn.preprocessing.StandardScaler __class__ __dict__ __init__ predict
forward _parameters _modules checkpoint_dir callbacks module_ weight bias
""".split()  # noqa: SIM905
NUMBERS = [0, 1, -1, 2, 3, 7, 255, 2**31, 2**32 + 1, 2**62, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf")]
PLAIN = [*NUMBERS, None, True, False, "", [], {}, [[]], [0], [2**40, 2**40], {"tuple": []}, {"dict": []}]


def taken_apart(content):
    """Return the header, its texts and the payload of a file, None if it is none."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        texts = dict(header.pop("__metadata__"))
        return header, {name: json.loads(text) for name, text in texts.items() if name != CHECKSUM}, content[8 + size :]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def put_together(header, texts, payload):
    """Return a file without a checksum: with one no mutation would get behind it."""
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in texts.items()}
    head = json.dumps({"__metadata__": told, **header}).encode()
    return len(head).to_bytes(8, "little") + head + payload


def without_checksum(content):
    parts = taken_apart(content)
    return content if parts is None else put_together(*parts)


def mutated(content, rng, other=None):
    """Return a file with some nodes of its trees changed; ``other``: one whose nodes may be put in."""
    parts = taken_apart(content)
    if parts is None:
        return content
    header, texts, payload = parts
    donors = taken_apart(other) if other is not None else None
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = header if rng.random() < 0.15 else texts
        spots = list(_spots(tree))
        if not spots:
            break
        holder, key = rng.choice(spots)
        _change(holder, key, rng, [h[k] for h, k in _spots(donors[1] if donors else texts)])
    if rng.random() < 0.05:
        payload = payload[: rng.randrange(len(payload) + 1)]
    try:
        return put_together(header, texts, payload)
    except (ValueError, RecursionError):
        return content


def _spots(tree):
    """Yield each place of a tree: what holds it, and under which key."""
    left = [tree]
    while left:
        holder = left.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], (dict, list)):
                left.append(holder[key])


def _change(holder, key, rng, donors):
    kind = rng.randrange(9)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = rng.choice(PLAIN)
    elif kind == 2:
        holder[key] = rng.choice(WORDS)
    elif kind == 3:
        holder[key] = json.loads(json.dumps(rng.choice(donors))) if donors else None
    elif kind == 4 and isinstance(holder, dict):
        holder[rng.choice(WORDS)] = holder.pop(key)
    elif kind == 5 and isinstance(holder, dict):
        holder[rng.choice(WORDS)] = rng.choice(PLAIN)
    elif kind == 6 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    elif kind == 7:
        holder[key] = {rng.choice(WORDS): holder[key]}
    elif isinstance(holder[key], (int, float)) and abs(holder[key]) < 2**62:
        holder[key] += rng.choice((-1, 1, 2, 2**20))
    elif isinstance(holder[key], str) and holder[key]:
        place = rng.randrange(len(holder[key]))
        holder[key] = holder[key][:place] + chr(rng.randrange(32, 127)) + holder[key][place + 1 :]


class Target:
    """Loads files that lie in memory; raises AssertionError for what must not be.

    Attributes
    ----------
    counts : dict
        Files by what became of them.
    """

    def __init__(self):
        self.counts = {"refused": 0, "loaded": 0}
        self._descriptor = os.memfd_create("fuzz")
        self._path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        warnings.simplefilter("ignore")
        np.seterr(all="ignore")

    def __call__(self, content):
        """Load one file: a model comes out, or ValueError."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)
        whole = self._layout(content)
        try:
            model = load(self._path)
        except ValueError:
            self.counts["refused"] += 1
            return None
        assert whole, "a model of what is no file of safetensors"
        self.counts["loaded"] += 1
        with suppress(Exception):
            # Of a module whose parts were taken away not much can be said.
            repr(model)
        return model

    def _layout(self, content):
        """Return whether a file is whole; what we read safetensors reads, and the same."""
        try:
            with opened(self._path) as file:
                ours = {
                    name: (entry.kind, list(entry.shape), bytes(file.raw(name))) for name, entry in file.entries.items()
                }
        except ValueError:
            return False
        theirs = {n: (t["dtype"], t["shape"], bytes(t["data"])) for n, t in deserialize(content)}
        assert ours == theirs, "another reader sees another file"
        return True


def seeds(folder):
    """Return the files of the corpus, without checksums."""
    found = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            found.append(without_checksum(file.read()))
    return found


def run(target, corpus, count, seed):
    """Load ``count`` mutations of a corpus, by chance from a seed; returns the first that fails, or None."""
    rng = random.Random(seed)
    for _ in range(count):
        content = mutated(rng.choice(corpus), rng, rng.choice(corpus))
        try:
            target(content)
        except Exception:
            return content
    return None
