"""Run the python blocks of the documentation's pages and of the README, and compare what they print.

    python docs/check_examples.py [--slow] [page ...]

Each page has a process and an empty folder of its own; its blocks run in order and share their names. Warnings are
errors. A block that is followed by a block of ``text`` must print that. A comment in front of a block says what else it
wants:

    % needs: torch, keras    left out where one of the packages is not installed; warnings are not errors
    % slow                   left out without --slow
    % slow; needs: torch     both

In the README it is a comment of HTML, which GitHub does not show: ``<!-- slow -->``.

The reference is checked too: every public module has to be in it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
BLOCK = re.compile(
    r"^(?:(?:% |<!-- )(?P<mark>[^\n]*?)(?: -->)?\n)?"
    r"```python\n(?P<code>.*?)^```$(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.M | re.S,
)


def wanting(mark: str | None, slow: bool) -> str | None:
    """Return why a block is left out, None if it is not."""
    for part in (mark or "").split("; "):
        if part == "slow" and not slow:
            return "slow"
        if part.startswith("needs: "):
            names = part.removeprefix("needs: ").split(", ")
            missing = [name for name in names if importlib.util.find_spec(name) is None]
            if missing:
                return f"needs {', '.join(missing)}"
    return None


def run(page: Path, slow: bool) -> list[str]:
    """Run a page's blocks; returns what went wrong."""
    text = page.read_text()
    names: dict[str, object] = {"__name__": "__main__"}
    for match in BLOCK.finditer(text):
        line = text[: match.start("code")].count("\n")
        place = f"{page.relative_to(ROOT)}:{line + 1}"
        reason = wanting(match["mark"], slow)
        if reason:
            print(f"  left out {place}: {reason}")
            continue
        printed = io.StringIO()
        try:
            # Empty lines in front: a traceback has the line of the page.
            code = compile("\n" * line + match["code"], str(page), "exec")
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore" if "needs" in (match["mark"] or "") else "error")
                exec(code, names)
        except Exception:
            return [f"{place}:\n{traceback.format_exc()}"]
        if match["output"] is not None and printed.getvalue() != match["output"]:
            return [f"{place}: expected\n{match['output']}\ngot\n{printed.getvalue()}"]
    return []


def not_listed() -> list[str]:
    """Return the public modules that the reference does not list."""
    import seriatim

    listed = "".join(path.read_text() for path in (DOCS / "api").glob("*.rst"))
    found = [module.name for module in pkgutil.walk_packages(seriatim.__path__, "seriatim.")]
    # The rooms of nn have no names of their own.
    found = [name for name in found if not name.startswith("seriatim.nn.")]
    return [name for name in found if "._" not in name and not re.search(rf"\b{re.escape(name)}\b", listed)]


def main() -> int:
    """Run all pages, or those that are named; returns 0 if nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slow", action="store_true", help="run the slow blocks too")
    parser.add_argument("pages", nargs="*", type=Path)
    options = parser.parse_args()
    if len(options.pages) == 1:
        page = options.pages[0].resolve()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            failures = run(page, options.slow)
            os.chdir(DOCS)
        print("\n".join(failures), end="")
        return bool(failures)
    failed = [f"api: {name} is not listed" for name in not_listed()]
    pages = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)]
    flags = ["--slow"] if options.slow else []

    def check(page: Path) -> tuple[Path, int, str, float]:
        began = time.perf_counter()
        command = [sys.executable, __file__, *flags, page.resolve()]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return page, done.returncode, done.stdout, time.perf_counter() - began

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for page, code, printed, seconds in pool.map(check, options.pages or pages):
            print(f"{page.resolve().relative_to(ROOT)}: {seconds:.1f} s\n{printed}", end="", flush=True)
            if code:
                failed.append(f"{page}: failed")
    print("\n".join(failed) or "all examples run")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
