"""What weights in bfloat16 and int8 cost in accuracy, and what they gain in time and memory.

    python benchmarks/quantization.py --data DIR [--sets ...] [--folds first|all] [--models GRUClassifier ...]
        [--effort best|fast] [--seed N] [--out FILE.json]
    python benchmarks/quantization.py --speed [--threads 1 2]

DIR is that of ``archive.py``: each set is fitted once in float32 by defaults, and tested as it is and quantised. A test
part has 55 to 400 sequences, so one prediction that changes is 0.25 to 1.8 points. Logits are those of the first of the
networks, up to a constant a sequence: logarithms of probabilities. Figures are written to ``--out`` as they come, and a
second call goes on where the first one stopped.

``--speed`` times one layer, all three forms in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import archive_sets
import numpy as np

import seriatim
from seriatim import functional as F
from seriatim import models

FORMS = ("float32", "bfloat16", "int8")
SHAPES = ((1, 40, 13, 512), (1, 40, 512, 512), (1, 1000, 13, 128), (8, 40, 128, 256), (64, 40, 13, 512))
LEAST_SECONDS = 1.0


def of_set(folder: Path, name: str, fold: archive_sets.Fold, model: Any) -> dict[str, Any]:
    """Fit in float32, and test in all forms."""
    data = archive_sets.load(folder, name)
    test, wanted = data.X[fold.test], data.y[fold.test]
    model.fit(data.X[fold.train], data.y[fold.train])
    log_probs = model.predict_log_proba(test)
    row: dict[str, Any] = {"set": name, "fold": fold.name, "n_test": len(test), "model": type(model).__name__}
    for form in FORMS:
        made = model if form == "float32" else seriatim.quantize(model, form)
        found = made.predict_log_proba(test)
        # Where a class is as good as impossible its logarithm says nothing.
        likely = np.maximum(log_probs, found) > np.log(1e-3)
        row[form] = {
            "accuracy": float(100 * np.mean(made.classes_[found.argmax(axis=1)] == wanted)),
            "changed": int((found.argmax(axis=1) != log_probs.argmax(axis=1)).sum()),
            "log_probs": float(np.abs(found - log_probs)[likely].max()),
            "bytes": size_of(made),
        }
    return row


def size_of(model: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        seriatim.save(model, path, training=False)
        return path.stat().st_size


def accuracy(options: argparse.Namespace) -> None:
    rows = json.loads(options.out.read_text()) if options.out and options.out.exists() else []
    done = {(row["set"], row["fold"], row["model"]) for row in rows}
    for name in options.sets or archive_sets.files(options.data):
        folds = archive_sets.load(options.data, name).folds
        for fold in folds if options.folds == "all" else folds[:1]:
            for kind in options.models:
                if (name, fold.name, kind) in done:
                    continue
                more = {"effort": options.effort} if options.effort else {}
                rows.append(of_set(options.data, name, fold, getattr(models, kind)(random_state=options.seed, **more)))
                if options.out:
                    options.out.write_text(json.dumps(rows, indent=1))
    report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    print("| model | set | float32 | bfloat16 | int8 | changed of | log-probabilities | kB in a file |")
    print("|---|---|---|---|---|---|---|---|")
    for row in [*rows, *([total(rows)] if len(rows) > 1 else [])]:
        accuracies = " | ".join(f"{row[form]['accuracy']:.1f}" for form in FORMS)
        changed, errors = (
            ", ".join(f"{row[form][key]:{kind}}" for form in FORMS[1:])
            for key, kind in (("changed", "d"), ("log_probs", ".4f"))
        )
        sizes = ", ".join(f"{row[form]['bytes'] / 1e3:.0f}" for form in FORMS)
        print(
            f"| {row['model']} | {row['set']} {row['fold']} | {accuracies} | {changed} of {row['n_test']} | {errors} "
            f"| {sizes} |"
        )


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of accuracies and sizes, sums of what changed, the largest difference."""

    def of(form: str, key: str, join: Any) -> Any:
        return join([row[form][key] for row in rows])

    return {
        "model": "all", "set": "mean", "fold": "", "n_test": sum(row["n_test"] for row in rows),
        **{form: {"accuracy": of(form, "accuracy", np.mean), "changed": of(form, "changed", sum),
                  "log_probs": of(form, "log_probs", max), "bytes": of(form, "bytes", np.mean)} for form in FORMS},
    }  # fmt: skip


def speed(threads: list[int]) -> None:
    print("| threads | cell, B T D H | float32, ms | bfloat16 | int8 |")
    print("|---|---|---|---|---|")
    for count in threads:
        seriatim.set_num_threads(count)
        for shape in SHAPES:
            for kind in ("gru", "lstm"):
                times = of_layer(kind, *shape)
                base = np.median(times["float32"])
                ratios = " | ".join(f"x {np.median(times[form]) / base:.2f}" for form in FORMS[1:])
                print(f"| {count} | {kind} {' '.join(map(str, shape))} | {1e3 * base:.3f} | {ratios} |", flush=True)


def of_layer(kind: str, batch: int, steps: int, width: int, hidden: int) -> dict[str, list[float]]:
    """Return seconds of calls, the forms in turn, each after one that brings its weights into the caches."""
    rng = np.random.default_rng(0)
    x, sizes = rng.normal(size=(batch * steps, width)).astype(np.float32), np.full(steps, batch, np.int64)
    shapes = F.cell(kind, width, hidden).shapes()
    drawn = [rng.uniform(-1, 1, shape).astype(np.float32) / np.sqrt(np.float32(hidden)) for shape in shapes.values()]
    calls = []
    for form in FORMS:
        cell = F.cell(kind, width, hidden).packed_as(form)
        weights = [F.narrow(w, form) if w.ndim == 2 and form != "float32" else w for w in drawn]
        calls.append((form, cell, F.recurrent_pack(cell, weights)))
    times: dict[str, list[float]] = {form: [] for form in FORMS}
    end = time.perf_counter() + LEAST_SECONDS
    while time.perf_counter() < end or len(times["int8"]) < 7:
        for form, cell, packed in calls:
            F.recurrent(cell, x, sizes, packed)
            began = time.perf_counter()
            F.recurrent(cell, x, sizes, packed)
            times[form].append(time.perf_counter() - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--folds", choices=("first", "all"), default="first")
    parser.add_argument("--models", nargs="+", default=["GRUClassifier"])
    parser.add_argument("--effort")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    options = parser.parse_args()
    if options.speed:
        print(f"{os.cpu_count()} CPUs, {seriatim.show_config()['level']}")
        speed(options.threads)
    elif options.data is None:
        parser.error("--data or --speed is wanted")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            accuracy(options)


if __name__ == "__main__":
    main()
