"""Mutation testing: does a test fail when an operator, a number, a condition or a statement is changed?

    python Tests/mutation/mutate.py prepare [--seed 16] [--level v4]    copy, sample, build: build/mutation
    python Tests/mutation/mutate.py build                               only build again
    python Tests/mutation/mutate.py reach [--cases 4]                   which tests reach which mutants
    python Tests/mutation/mutate.py kill [--language C] [--budget 30]   run the tests of each mutant, so many seconds
    python Tests/mutation/mutate.py report                              what became of each

`all` is these. README.md beside this file says how it works; verdicts.csv what was found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
TREE = WORK / "tree"
# The sources as they were when the sample was taken.
PLAIN = WORK / "plain"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import python_places  # noqa: E402
import schemata  # noqa: E402
from places import Place, of_text  # noqa: E402

WANTED = {"Swift": 160, "C": 100, "Python": 140}
# Other machines' code, code for other packages' sake that this environment has not, and pictures.
LEFT_OUT = re.compile(r"compat/(aeon|sktime)|make_stub|/plotting/|/recipes/|/demo\.py|/cli\.py|__main__")


def sources(language: str) -> list[Path]:
    """Return the files that a language's mutants are taken from."""
    patterns = {
        "Swift": ["Sources/Seriatim?*/**/*.swift"],
        "C": ["Bindings/*.c"],
        "Python": ["python/seriatim/**/*.py"],
    }[language]
    found = [path for pattern in patterns for path in sorted(PLAIN.glob(pattern))]
    return [path for path in found if not LEFT_OUT.search(path.as_posix())]


def sample(seed: int) -> list[Place]:
    """Choose places at random, at most one a line, none inside another."""
    chance, chosen = random.Random(seed), []
    for language, count in WANTED.items():
        places: list[Place] = []
        for path in sources(language):
            name = path.relative_to(PLAIN).as_posix()
            if language == "Python":
                places += python_places.of_python(path, name, chance)
            else:
                places += of_text(path, name, language, chance)
        print(f"{language}: {len(places)} places in {len(sources(language))} files")
        chance.shuffle(places)
        mine: list[Place] = []
        for place in places:
            clash = any(
                p.file == place.file and (p.line == place.line or (p.start < place.end and place.start < p.end))
                for p in mine
            )
            if not clash and len(mine) < count and _starts_its_line(place):
                mine.append(place)
        chosen += sorted(mine, key=lambda place: (place.file, place.start))
    for number, place in enumerate(chosen, 1):
        place.number = number
    return chosen


def _starts_its_line(place: Place) -> bool:
    if place.language != "Python" or place.kind not in ("statement", "augmented"):
        return True
    text = (PLAIN / place.file).read_bytes()
    return not text[text.rfind(b"\n", 0, place.start) + 1 : place.start].strip()


def save(places: list[Place]) -> None:
    """Keep the sample."""
    (WORK / "places.json").write_text(json.dumps([asdict(place) for place in places], indent=0))


def load() -> list[Place]:
    """Return the sample."""
    return [Place(**place) for place in json.loads((WORK / "places.json").read_text())]


def copy_tree() -> None:
    """Copy what git knows."""
    shutil.rmtree(TREE, ignore_errors=True)
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).exists():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)
    shutil.copytree(TREE, PLAIN, dirs_exist_ok=True)


def build_swift(places: list[Place], level: str) -> list[Place]:
    """Build the kernels of one level; mutants that do not compile are left out. Returns the others."""
    others = [place for place in places if place.language != "Swift"]
    mine = [place for place in places if place.language == "Swift"]
    import setuptools

    setuptools.setup = lambda *arguments, **named: None  # type: ignore[assignment]
    tools = runpy.run_path(str(TREE / "setup.py"))
    header = TREE / "Sources/SeriatimSystem/include/SeriatimSystem.h"
    modules = TREE / "build/swift/module.modulemap"
    modules.parent.mkdir(parents=True, exist_ok=True)
    modules.write_text(f'module SeriatimSystem {{ header "{header}" export * }}\n')
    while True:
        schemata.write_swift(PLAIN, TREE, mine)
        try:
            tools["build_level"](tools["find_swift"](), level, *tools["LEVELS"]["x86_64"][level])
            return others + mine
        except Exception as error:
            text = str(error)
            wrong = {(m[1], int(m[2])) for m in re.finditer(r"(Sources/[\w+/.]+\.swift):(\d+):\d+: error", text)}
            # An initializer that leaves something out is wrong where it ends.
            left = set(re.findall(r"note: '(?:self\.)?(\w+)' not initialized", text))
            bad = [
                place
                for place in mine
                if (place.file, place.line) in wrong
                or (place.kind == "statement" and re.split(r"[ .]", place.old.removeprefix("self."))[0] in left)
            ]
            if not bad:
                raise SystemExit(text[-6000:]) from None
            for place in bad:
                print(f"does not compile: {place.file}:{place.line} {place.old} -> {place.new}", flush=True)
            mine = [place for place in mine if place not in bad]


def link(level: str, source: Path | None = None, target: Path | None = None) -> str:
    """Compile the binding, or the one file that differs, and link; gives what the compiler said of an error."""
    import numpy

    objects = WORK / "c"
    objects.mkdir(exist_ok=True)
    flags = ["-O1", "-std=c11", "-Wall", "-fPIC", "-DPy_LIMITED_API=0x030A0000", f"-DSRT_HAS_{level.upper()}=1"]
    flags += ["-DNPY_NO_DEPRECATED_API=NPY_1_22_API_VERSION", "-DNPY_TARGET_VERSION=NPY_1_22_API_VERSION"]
    folders = [sysconfig.get_path("include"), numpy.get_include(), "Bindings/include", "Bindings"]
    flags += [f"-I{folder}" for folder in [*folders, "Sources/SeriatimSystem/include"]]
    flags += ["-include", "Bindings/mutants.h"]
    made = {
        path: objects / f"{path.name}.o"
        for path in sorted([*TREE.glob("Bindings/*.c"), *TREE.glob("Sources/SeriatimSystem/*.c")])
    }
    jobs = dict(made) if source is None else {source: objects / "mutant.o"}
    for path, output in jobs.items():
        done = subprocess.run(["gcc", *flags, "-c", path, "-o", output], cwd=TREE, capture_output=True, text=True)
        if done.returncode:
            return done.stderr
    if source is not None:
        made[TREE / "Bindings" / source.name] = objects / "mutant.o"
    exports = WORK / "exports.map"
    exports.write_text("{ global: PyInit__core; srt_mutant; srt_reached; local: *; };\n")
    target = target or TREE / "python/seriatim/_core.abi3.so"
    kernels = TREE / f"build/swift/{level}/seriatim_{level}.o"
    command = ["gcc", "-shared", "-o", target, *made.values(), kernels, f"-Wl,--version-script={exports}", "-lpthread"]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def prepare(seed: int, level: str) -> None:
    """Copy, sample, rewrite and build."""
    WORK.mkdir(parents=True, exist_ok=True)
    copy_tree()
    places = sample(seed)
    schemata.write_c(PLAIN, TREE, [place for place in places if place.language == "C"])
    schemata.write_python(PLAIN, TREE, [place for place in places if place.language == "Python"])
    build(places, level)


def build(places: list[Place], level: str) -> None:
    """Build what was rewritten, and keep the sample."""
    save(places)
    places = build_swift(places, level)
    error = link(level)
    if error:
        raise SystemExit(error)
    (WORK / "level").write_text(level)
    save(places)


# Tests of other packages, of whole installations, of levels that the copy has not: they say nothing about a mutant.
BESIDE = ["compat", "test_examples.py", "test_recipes.py", "test_packaging.py", "test_benchmarks.py", "test_levels.py",
          "test_plotting.py", "test_docstrings.py", "test_architecture.py", "test_names.py", "test_core_stub.py",
          "test_fixtures.py", "test_cli.py", "typed", "fuzz", "test_bits.py"]  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    """Return the environment of tests in the copy."""
    folders = os.pathsep.join([str(TREE / "python"), str(Path(__file__).resolve().parent)])
    return os.environ | {"PYTHONPATH": folders, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | more


def pytest_command(*more: str) -> list[str]:
    """Return pytest's command."""
    ignored = [f"--ignore=Tests/python/{name}" for name in BESIDE]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mutant_session", *ignored, *more]


def reach(cases: int) -> None:
    """Note which tests reach which mutants: of each test function some cases."""
    for old in WORK.glob("reach.*"):
        old.unlink()
    environ = environment(MUTATION_REACH=str(WORK / "reach"), MUTATION_CASES=str(cases))
    subprocess.run(pytest_command("Tests/python"), cwd=TREE, env=environ, check=False)


def reached_by() -> dict[int, list[tuple[float, str]]]:
    """Return the tests of each mutant, with their seconds; under 0 all."""
    lines = [json.loads(line) for path in WORK.glob("reach.*") for line in path.read_text().splitlines()]
    bad = {line["id"] for line in lines if "bad" in line}
    found: dict[int, list[tuple[float, str]]] = {}
    for line in lines:
        for number in [0, *line["reached"]] if "reached" in line and line["id"] not in bad else []:
            found.setdefault(number, []).append((line["seconds"], line["id"]))
    return found


def _distance(place: Place, test: str) -> int:
    """Return how far a test is from a place: the same stem, then its room, then functional."""
    words = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", Path(place.file).stem).lower())
    name = test.split("::")[0].lower()
    if "".join(words) in name.replace("_", "") or "_".join(words) in name:
        return 0
    if Path(place.file).parts[-2].strip("_").lower() in name:
        return 1
    return 2 if "functional" in name or "test_core" in name else 3


def tests_of(place: Place, reached: dict[int, list[tuple[float, str]]], budget: float) -> list[str]:
    """Return the tests of a mutant, the nearest and fastest first, as many as fit."""
    found, used = [], 0.0
    candidates = reached.get(place.number, [])
    if not candidates and (place.language == "C" or place.at_import):
        # A table, or what runs at import: nothing notes that it was reached.
        candidates = [(s, t) for s, t in reached[0] if _distance(place, t) < 3]
    for _, seconds, test in sorted({(_distance(place, t), s, t) for s, t in candidates}):
        if used + seconds < budget or not found:
            found.append(test)
            used += seconds
    return found


def results() -> dict[int, dict]:
    """Return the last result of each mutant."""
    path = WORK / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["number"]: line for line in lines}


def kill(language: str, budget: float, numbers: list[int]) -> None:
    """Run the tests of the mutants that have no result yet, or of those that are named."""
    known, reached = results(), reached_by()
    os.environ["MUTATION_RESULTS"] = str(WORK / "results.jsonl")
    together, alone = [], []
    for place in load():
        if place.language not in language or (place.number not in numbers if numbers else place.number in known):
            continue
        tests = tests_of(place, reached, budget)
        job = {"number": place.number, "seconds": 30 + 6 * budget, "tests": tests, "language": place.language}
        (alone if place.at_import else together).append(job)
    if together:
        (WORK / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in together))
        files = sorted({test.split("::")[0] for job in together for test in job["tests"]})
        environ = environment(MUTATION_JOBS=str(WORK / "jobs.jsonl"))
        subprocess.run(pytest_command(*files), cwd=TREE, env=environ, check=False)
    if alone:
        os.environ.update(environment())
        import mutant_session

        mutant_session.fresh(alone, TREE)


def build_c(number: int) -> str:
    """Build a mutant of C; gives the extension's path, or nothing if it does not compile."""
    place = next(place for place in load() if place.number == number)
    source, core = WORK / "c" / Path(place.file).name, WORK / "c" / f"_core{number}.abi3.so"
    text = (PLAIN / place.file).read_bytes()
    source.write_bytes(text[: place.start] + place.new.encode() + text[place.end :])
    for old in (WORK / "c").glob("_core*"):
        old.unlink()
    return "" if link((WORK / "level").read_text(), source, core) else str(core)


def report() -> None:
    """Print what became of each mutant."""
    known, counts = results(), {}
    for place in load():
        how = known.get(place.number, {}).get("outcome", "not run")
        counts.setdefault(place.language, {}).setdefault(how, 0)
        counts[place.language][how] += 1
        if how in ("survived", "not run"):
            print(place.number, f"{place.file}:{place.line}", place.kind, place.old[:70], "->", place.new[:70])
    print(counts)


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "build", "reach", "kill", "report", "all"])
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--level", default="v4")
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--budget", type=float, default=30)
    parser.add_argument("--language", default="Swift C Python")
    parser.add_argument("--numbers", nargs="*", type=int, default=[])
    given = parser.parse_args()
    if given.step in ("prepare", "all"):
        prepare(given.seed, given.level)
    if given.step == "build":
        build(load(), given.level)
    if given.step in ("reach", "all"):
        reach(given.cases)
    if given.step in ("kill", "all"):
        kill(given.language, given.budget, given.numbers)
    if given.step in ("report", "all"):
        report()


if __name__ == "__main__":
    main()
