"""A pytest plugin for the copy with the mutants: notes what each test reaches, or runs each mutant's tests.

`MUTATION_REACH=file` notes, one line of JSON a test. `MUTATION_JOBS=file` has lines of number, seconds, ids of tests:
after all tests are collected, once, the process forks for each mutant, and the child runs its tests until one fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

MEMORY = 8 << 30


def outcome(run: Callable[[int], None], seconds: float) -> tuple[str, str]:
    """Run in a child of its own group; gives survived, failed, crashed or hung, and the test or the signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        try:
            run(writer)
        except BaseException as error:
            os.write(writer, f"{error!r}"[:900].encode())
            os._exit(3)
        os._exit(0)
    os.close(writer)
    end = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(child, os.WNOHANG)
        if done:
            status = code
        else:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    os.set_blocking(reader, False)
    said = os.read(reader, 4096).decode() if _ready(reader) else ""
    os.close(reader)
    if status is None:
        return "hung", said
    if os.WIFSIGNALED(status):
        return "crashed", signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return {0: "survived", 1: "failed"}.get(code, "crashed"), said or str(code)


def _ready(reader: int) -> bool:
    import select

    return bool(select.select([reader], [], [], 0)[0])


class Stop:
    """Ends the process at the first test that fails, and says which."""

    def __init__(self, writer: int) -> None:
        self.writer = writer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A failure of a test, of what sets it up or of what tears it down."""
        if report.failed:
            os.write(self.writer, report.nodeid[:900].encode())
            os._exit(1)


def _kernels() -> tuple[ctypes.c_int, ctypes.Array[ctypes.c_ubyte]]:
    import seriatim._core as core

    library = ctypes.CDLL(core.__file__)
    reached = (ctypes.c_ubyte * 4096).in_dll(library, "srt_reached")
    return ctypes.c_int.in_dll(library, "srt_mutant"), reached


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note which mutants a test reaches, and how long it takes."""
    name = os.environ.get("MUTATION_REACH")
    if not name:
        return (yield)
    import srt_mutation

    _, reached = _kernels()
    ctypes.memset(reached, 0, 4096)
    srt_mutation.reached.clear()
    begin = time.process_time()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    result = yield
    found = [i for i, byte in enumerate(bytes(reached)) if byte] + sorted(srt_mutation.reached)
    line = json.dumps({"id": item.nodeid, "seconds": round(time.process_time() - begin, 4), "reached": found})
    with open(f"{name}.{os.getpid()}", "a") as file:
        file.write(line + "\n")
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tests that fail or are skipped without a mutant say nothing."""
    name = os.environ.get("MUTATION_REACH")
    if name and not report.passed:
        with open(f"{name}.{os.getpid()}", "a") as file:
            file.write(json.dumps({"id": report.nodeid, "bad": True}) + "\n")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For reach, at most so many cases of each test function, spread over its list."""
    most = int(os.environ.get("MUTATION_CASES", "0"))
    if not most:
        return
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(item.nodeid.split("[")[0], []).append(item)
    items[:] = [item for group in groups.values() for item in group[:: max(1, -(-len(group) // most))]]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the jobs."""
    name = os.environ.get("MUTATION_JOBS")
    if not name:
        return None
    by_id = {item.nodeid: item for item in session.items}
    jobs = [json.loads(line) for line in Path(name).read_text().splitlines()]
    for job in jobs:
        items = [by_id[test] for test in job["tests"] if test in by_id]
        core = ""
        if job["language"] == "C":
            import mutate

            core = mutate.build_c(job["number"])
            if not core:
                _write(job["number"], "does not compile", "", 0, 0)
                continue

        def run(writer: int, job: dict = job, items: list[pytest.Item] = items, core: str = core) -> None:
            session.config.pluginmanager.register(Stop(writer))
            if core:
                _replace_core(core)
            else:
                _choose(job["number"])
            for item, after in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)

        begin = time.monotonic()
        how, what = outcome(run, job["seconds"])
        _write(job["number"], how, what, len(items), time.monotonic() - begin)
    return True


def _choose(number: int) -> None:
    import srt_mutation

    os.environ["SERIATIM_MUTANT"] = str(number)
    srt_mutation.chosen = number
    _kernels()[0].value = number


def _write(number: int, how: str, what: str, tests: int, seconds: float) -> None:
    with open(os.environ["MUTATION_RESULTS"], "a") as file:
        line = {"number": number, "outcome": how, "by": what, "tests": tests, "seconds": round(seconds, 1)}
        file.write(json.dumps(line) + "\n")


def fresh(jobs: Iterable[dict], tree: Path) -> None:
    """Run jobs whose mutant must be there at import: each in a fork of a process that has imported all but seriatim."""
    import numpy
    import scipy
    import sklearn.model_selection
    import sklearn.pipeline

    del numpy, scipy, sklearn
    os.chdir(tree)
    sys.path[:0] = [str(tree / "python")]
    for job in jobs:

        def run(writer: int, job: dict = job) -> None:
            os.environ["SERIATIM_MUTANT"] = str(job["number"])
            # The plugin stops at a failure of a test; an error of collection is one too.
            code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *job["tests"]], plugins=[Stop(writer)])
            if code:
                os.write(writer, b"does not import or collect")
                os._exit(1)

        begin = time.monotonic()
        how, what = outcome(run, job["seconds"])
        _write(job["number"], how, what, len(job["tests"]), time.monotonic() - begin)


def _replace_core(path: str) -> None:
    """Give the module the functions of another build: everybody looks them up there."""
    import importlib.machinery
    import importlib.util

    import seriatim._core as core

    spec = importlib.util.spec_from_file_location(
        core.__name__, path, loader=importlib.machinery.ExtensionFileLoader(core.__name__, path)
    )
    assert spec
    assert spec.loader
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    core.__dict__.update({name: value for name, value in vars(other).items() if not name.startswith("__")})
