"""Fuzzing of `_core`: executions are bytes, which core/decode.c makes arguments of by the functions' own tables.

    python Tests/fuzz/core.py [--minutes M] [--executions N] [--functions NAME ...]
    python Tests/fuzz/core.py --guided ...     libFuzzer, with AddressSanitizer: finds its way by the edges it has seen
    python Tests/fuzz/core.py --replay NAME HEX    one execution, said aloud: what a crash printed

Without --guided bytes are random, all arrays end at a page that nobody may touch, and a core does 10,000 to 100,000
executions a second. Either way it is a fault when a call ends the process, writes where it must not, changes what it
only reads, gives what depends on memory that nobody has written, raises what is no clear error, or keeps an array.
--guided builds the extension of Tests/sanitize.py; --keep puts what leads to new edges into corpus/, which tests run.
"""

from __future__ import annotations

import argparse
import base64
import gc
import importlib
import json
import os
import resource
import runpy
import subprocess
import sys
import sysconfig
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "fuzz"
CORPUS = HERE / "corpus"
FILES = ("module", "fuzz", "guard", "decode", "spoil")
# These belong to no operator; or change what all others do.
LEFT_OUT = (
    "signatures", "memory_info", "release_memory", "refuse_memory", "group_limits", "set_num_threads",
    "get_num_threads", "set_runs_alone", "level", "levels", "caches", "recurrent_names",
)  # fmt: skip
KEPT = 12  # executions of a function in the corpus


def build(compiler: str = "cc", *flags: str, folder: Path = BUILD) -> Path:
    """Compiles the harness, unless that was done."""
    import numpy

    made = folder / "srt_fuzz.so"
    sources = [HERE / "core" / f"{name}.c" for name in FILES]
    newest = max(path.stat().st_mtime for path in [*sources, HERE / "core" / "fuzz.h"])
    if not made.exists() or made.stat().st_mtime < newest:
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / f"srt_fuzz.{os.getpid()}.so"  # workers of a test run may build at once
        headers = [f"-I{sysconfig.get_path('include')}", f"-I{numpy.get_include()}"]
        command = [
            compiler,
            "-std=gnu11",
            "-O1",
            "-g",
            "-fPIC",
            "-shared",
            *headers,
            *sources,
            "-o",
            own,
            *flags,
            "-lm",
        ]
        subprocess.run([*map(str, command), "-lm"], check=True)
        own.replace(made)
    return folder


def harness(folder: Path):
    sys.path.insert(0, str(folder))
    return importlib.import_module("srt_fuzz")


def names() -> list[str]:
    from seriatim import _core

    return [table["name"] for table in _core.signatures() if table["name"] not in LEFT_OUT]


def corpus(name: str) -> list[bytes]:
    path = CORPUS / f"{name}.txt"
    return [base64.b85decode(line) for line in path.read_text().split()] if path.exists() else []


# ---- One process


def prepare(is_guided: bool, verbose: bool = False):
    """The harness with the tables, in a process whose mistakes are its own."""
    # Before the extension, which looks in it for libFuzzer.
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    made = harness(BUILD / "guided" if is_guided else build())
    from seriatim import _core

    warnings.simplefilter("ignore")
    gc.disable()
    if not is_guided:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    made.setup(_core, is_guided, verbose)
    return made


def work(name: str, seed: int, executions: int) -> None:
    """A child: random bytes, after the corpus; prints its counts."""
    made = prepare(False)
    for data in corpus(name):
        made.execute(name, data)
    made.at_random(name, seed, executions)
    print(json.dumps(made.counts()[name]))


def work_guided(name: str, arguments: list[str]) -> None:
    made = prepare(True)
    made.fuzz(name, ["srt_fuzz", *arguments])


# ---- All of them


def guided_command(name: str, seed: int, seconds: int, executions: int) -> tuple[list[str], dict[str, str]]:
    sanitize = runpy.run_path(str(ROOT / "Tests" / "sanitize.py"))
    folder = BUILD / "guided" / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(corpus(name)):
        (folder / f"kept{i}").write_bytes(data)
    arguments = [
        str(folder),
        f"-seed={seed}",
        f"-max_total_time={seconds}",
        "-max_len=160",
        "-timeout=20",
        "-verbosity=0",
    ]
    arguments += [f"-runs={executions}", f"-artifact_prefix={BUILD}/{name}-", "-detect_leaks=0", "-rss_limit_mb=4096"]
    env = sanitize["environment"]("address", sanitize["BUILD"] / "address" / "python")
    return [sys.executable, __file__, "--guided", "--child", name, "--", *arguments], {
        **env,
        "SERIATIM_NUM_THREADS": "1",
    }


def prepare_guided() -> None:
    sanitize = runpy.run_path(str(ROOT / "Tests" / "sanitize.py"))
    sanitize["build"]("address")
    clang = str(sanitize["CLANG"])
    found = subprocess.run(
        [clang, "-print-file-name=libclang_rt.fuzzer_no_main-x86_64.a"], capture_output=True, text=True, check=True
    )
    library = ["-Wl,--whole-archive", found.stdout.strip(), "-Wl,--no-whole-archive", "-Wl,-Bsymbolic"]
    build(clang, "-DSRT_WITH_LIBFUZZER", *library, "-lstdc++", "-lpthread", folder=BUILD / "guided")


def keep_corpus(name: str) -> None:
    """Some of what led to new edges, from the first to the last: two thirds of it gives results."""
    folder = BUILD / "guided" / "corpus" / name
    found = [path.read_bytes().rstrip(b"\0") for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)]
    code = "import sys, json, core\nmade = core.prepare(False)\n"
    code += "print([made.execute(sys.argv[1], bytes.fromhex(h)) for h in json.load(sys.stdin)])"
    given = json.dumps([data.hex() for data in found])
    done = subprocess.run(
        [sys.executable, "-c", code, name], input=given, capture_output=True, text=True, cwd=HERE, check=True
    )
    gives = json.loads(done.stdout.lower())
    kept = []
    for wanted, count in ((True, KEPT * 2 // 3), (False, KEPT // 3)):
        some = [data for data, result in zip(found, gives, strict=True) if result is wanted]
        kept += [some[i * len(some) // count] for i in range(count)] if len(some) > count else some
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{name}.txt").write_text("".join(base64.b85encode(data).decode() + "\n" for data in kept))


def fuzz(options: argparse.Namespace) -> int:
    all_names, end = options.functions or names(), time.monotonic() + 60 * options.minutes
    if options.guided:
        prepare_guided()
    total = {name: [0, 0, 0] for name in all_names}
    faults, seed = 0, options.seed
    left = set(all_names)
    while left and time.monotonic() < end:
        seed += 1
        for name in [name for name in all_names if name in left]:
            batch = min(options.executions, 20_000 if options.guided else 100_000)
            env = {**os.environ, "SERIATIM_NUM_THREADS": "1"}
            command = [sys.executable, __file__, "--child", name, "--seed", str(seed), "--executions", str(batch)]
            if options.guided:
                command, env = guided_command(name, seed, 120, batch)
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            if done.returncode:
                faults += 1
                left.discard(name)
                print(f"{name}: a fault\n{done.stderr[-3000:]}", flush=True)
                continue
            total[name] = [a + b for a, b in zip(total[name], json.loads(done.stdout.splitlines()[-1]), strict=True)]
            if total[name][0] >= options.executions:
                left.discard(name)
            if time.monotonic() > end:
                break
    if options.guided and options.keep:
        for name in all_names:
            keep_corpus(name)
    for name, (executions, calls, results) in total.items():
        print(f"{name:28}{executions:12,} executions{calls:12,} calls{results:12,} with results")
    print(f"{sum(row[0] for row in total.values()):,} executions, {faults} faults")
    return faults > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each function")
    parser.add_argument("--functions", nargs="*")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--replay", nargs=2, metavar=("NAME", "HEX"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay:
        print(prepare(False, True).execute(options.replay[0], bytes.fromhex(options.replay[1])))
    elif options.child and options.guided:
        work_guided(options.child, options.rest)
    elif options.child:
        work(options.child, options.seed, options.executions)
    else:
        sys.exit(fuzz(options))


if __name__ == "__main__":
    main()
