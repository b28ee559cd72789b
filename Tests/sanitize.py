"""Runs tests on native code that was built with a sanitizer, under valgrind, or reads it with analyzers.

    python Tests/sanitize.py address     AddressSanitizer over C and Swift, UndefinedBehaviorSanitizer over C
    python Tests/sanitize.py thread      ThreadSanitizer over C and Swift: the pool, Lockstep, concurrent fits
    python Tests/sanitize.py valgrind    every function of _core under memcheck
    python Tests/sanitize.py leaks       every function of _core a thousand times, under LeakSanitizer
    python Tests/sanitize.py analyze     clang's analyzer and gcc's on all C

What follows is handed to pytest in place of the tests that belong to the kind. Needs clang, which comes with Swift;
what is built stays in build/sanitize. Swift's own checks (overflow, conversions, bounds) are on in every build: kernels
are compiled with -O or -Osize, never -Ounchecked.
"""

from __future__ import annotations

import functools
import os
import platform
import runpy
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import setuptools

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitize"
TESTS = ROOT / "Tests" / "python"
setuptools.setup = lambda **_: None
SETUP = runpy.run_path(str(ROOT / "setup.py"))
SWIFT = SETUP["find_swift"]()
CLANG = Path(SWIFT).resolve().parent / "clang"

# Of each kind: what Swift is compiled with, what C is, the runtime that Python is started with, its options, and tests.
# Counters of edges are for libFuzzer: Tests/fuzz/core.py.
COVERAGE = "edge,inline-8bit-counters,pc-table"
KINDS: dict[str, tuple[list[str], list[str], str, dict[str, str], list[str]]] = {
    "address": (
        ["-sanitize=address", f"-sanitize-coverage={COVERAGE}"],
        ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", f"-fsanitize-coverage={COVERAGE}"],
        "asan",
        {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:use_sigaltstack=0", "PYTHONMALLOC": "malloc"},
        ["functional", "test_threads.py", "test_core_arguments.py", "test_memory.py", "nn/test_empty.py"],
    ),
    "thread": (
        ["-sanitize=thread"],
        ["-fsanitize=thread"],
        "tsan",
        {"TSAN_OPTIONS": f"suppressions={ROOT}/Tests/thread.supp:ignore_noninstrumented_modules=1:exitcode=66"},
        ["test_threads.py"],
    ),
}


def level(kind: str = "") -> tuple[str, str, str]:
    """The best level of this CPU: its name, -march, and Swift's flag; the first where registers hide what is read."""
    levels = SETUP["LEVELS"][platform.machine()]
    if kind == "thread":  # ThreadSanitizer sees no access of more than 16 bytes
        return next((name, *how) for name, how in levels.items())
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    best = "v4" if "avx512vl" in flags else "v3" if "avx2" in flags else next(iter(levels))
    return best, *levels[best]


def run(*command: str | Path, **how) -> None:
    done = subprocess.run([str(part) for part in command], check=False, **how)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nfailed with {done.returncode}")


def kernels(kind: str) -> Path:
    """Compile the kernels as setup.py does, with what the kind adds; returns the object."""
    name, march, flag = level(kind)
    folder = BUILD / kind
    compiled, made, maps = folder / "kernels.o", folder / f"kernels_{name}.o", folder / "module.modulemap"
    system = ROOT / "Sources" / "SeriatimSystem" / "include" / "SeriatimSystem.h"
    folder.mkdir(parents=True, exist_ok=True)
    maps.write_text(f'module SeriatimSystem {{ header "{system}" export * }}\n')
    sources = sorted(p for part in ("SeriatimKernels", "SeriatimC") for p in (ROOT / "Sources" / part).rglob("*.swift"))
    command = [
        SWIFT, "-module-name", "SeriatimKernels", "-parse-as-library", "-wmo", "-swift-version", "6", "-Osize", "-g",
        f"-D{flag}", "-enable-experimental-feature", "Embedded", "-enable-experimental-feature", "BuiltinModule",
        "-Xcc", "-fPIC", "-Xcc", f"-march={march}", "-Xcc", f"-fmodule-map-file={maps}",
        "-Xcc", f"-fmodule-map-file={ROOT / 'Bindings' / 'include' / 'module.modulemap'}",
        *KINDS[kind][0], "-c", *sources, "-o", compiled,
    ]  # fmt: skip
    key = SETUP["fingerprint"](command)
    if made.exists() and (folder / "key").exists() and (folder / "key").read_text() == key:
        return made
    run(*command)
    renames = folder / "renames.txt"
    renames.write_text("".join(f"srt_{n} srt_{n}_{name}\n" for n in SETUP["abi_names"]()))
    run("objcopy", f"--redefine-syms={renames}", compiled, made)
    (folder / "key").write_text(key)
    return made


def c_sources() -> list[Path]:
    return [*sorted((ROOT / "Bindings").glob("*.c")), *sorted((ROOT / "Sources" / "SeriatimSystem").glob("*.c"))]


def includes() -> list[str]:
    import numpy

    folders = [ROOT / "Bindings" / "include", ROOT / "Sources" / "SeriatimSystem" / "include"]
    system = [sysconfig.get_path("include"), numpy.get_include()]
    return [f"-I{folder}" for folder in folders] + [f"-isystem{folder}" for folder in system]


def macros(kind: str = "") -> list[str]:
    return [f"-D{name}={value}" for name, value in SETUP["macros"]] + [f"-DSRT_HAS_{level(kind)[0].upper()}=1"]


def build(kind: str) -> Path:
    """Makes the package with an extension of this kind; returns the folder to import it from."""
    library, folder = kernels(kind), BUILD / kind / "python" / "seriatim"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in (ROOT / "python" / "seriatim").iterdir():
        if not entry.name.startswith("_core.") or entry.suffix == ".pyi":
            (folder / entry.name).symlink_to(entry)
    # Scratch memory that ends where its sanitizer looks: by default it is rounded up to cache lines.
    wrap = ["-Wl,--wrap=srt_scratch", ROOT / "Tests" / "fuzz" / "core" / "scratch.c"] if kind == "address" else []
    run(
        CLANG, "-shared", "-fPIC", "-std=c11", "-O1", "-g", "-fno-omit-frame-pointer", *KINDS[kind][1], *macros(kind),
        *includes(), f"-iquote{ROOT}/Bindings", *c_sources(), *wrap, library,
        "-Wl,--exclude-libs,ALL", "-lpthread", "-lm", "-o", folder / "_core.abi3.so",
    )  # fmt: skip
    return folder.parent


def runtime(name: str) -> str:
    """The sanitizer's library, which must be in a process before all others."""
    found = subprocess.run(
        [str(CLANG), f"-print-file-name=libclang_rt.{name}-{platform.machine()}.so"],
        capture_output=True,
        text=True,
        check=True,
    )
    libraries = Path(SWIFT).resolve().parents[1] / "lib" / "swift" / "linux"
    return f"{found.stdout.strip()} {libraries}/libdispatch.so" if name == "tsan" else found.stdout.strip()


def environment(kind: str, package: Path) -> dict[str, str]:
    _, _, name, options, _ = KINDS[kind]
    preload = {"LD_PRELOAD": runtime(name)} if name else {}
    if name == "tsan":
        preload["LD_LIBRARY_PATH"] = str(Path(SWIFT).resolve().parents[1] / "lib" / "swift" / "linux")
    return {**os.environ, "PYTHONPATH": str(package), "SERIATIM_NUM_THREADS": "2", **options, **preload}


def tested(kind: str, arguments: list[str]) -> None:
    package = build(kind)
    paths = arguments or [str(TESTS / path) for path in KINDS[kind][4]]
    # Subprocesses of tests start with the same runtime; what asks for the time is not asked here.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", *paths]
    # Addresses in their order: ThreadSanitizer's own memory has fixed places.
    run("setarch", "-R", *_with(environment(kind, package)), *command, cwd=ROOT)


def _with(env: dict[str, str]) -> list[str]:
    return ["env", *(f"{name}={value}" for name, value in env.items() if os.environ.get(name) != value)]


def valgrind(arguments: list[str]) -> None:
    command = [
        "valgrind",
        "--error-exitcode=99",
        "--num-callers=30",
        f"--suppressions={ROOT}/Tests/valgrind.supp",
        "-q",
    ]
    env = {**os.environ, "PYTHONMALLOC": "malloc", "SERIATIM_LEVEL": "v3", "OPENBLAS_NUM_THREADS": "1"}
    run(*command, sys.executable, TESTS / "every_call.py", *(arguments or ["3"]), env=env)


def leaks(arguments: list[str]) -> None:
    package = build("address")
    env = environment("address", package)
    env["ASAN_OPTIONS"] = env["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")
    env["LSAN_OPTIONS"] = f"suppressions={ROOT}/Tests/leak.supp"
    run(sys.executable, TESTS / "every_call.py", *(arguments or ["1000"]), env=env)


def analyze(_: list[str]) -> None:
    tidy = [str(Path(sys.executable).parent / "clang-tidy"), "--quiet", "--checks=-*,clang-analyzer-*"]
    gcc = ["gcc", "-fanalyzer", "-O1", "-c", "-o", os.devnull]
    flags, reports = ["-std=c11", *macros(), *includes()], 0
    for source in map(str, c_sources()):
        for command in ([*tidy, source, "--", *flags], [*gcc, *flags, source]):
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            found = (done.stdout + done.stderr).count("warning: ") + done.stderr.count("error: ")
            reports += found
            if found:
                print(done.stdout[:4000], done.stderr[:4000])
    print(f"{len(c_sources())} files, two analyzers, {reports} reports")
    if reports:
        sys.exit(1)


def main() -> None:
    jobs = {"valgrind": valgrind, "leaks": leaks, "analyze": analyze}
    jobs.update({kind: functools.partial(tested, kind) for kind in KINDS})
    if len(sys.argv) < 2 or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    began = time.monotonic()
    jobs[sys.argv[1]](sys.argv[2:])
    print(f"{sys.argv[1]}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
