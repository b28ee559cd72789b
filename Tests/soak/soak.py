"""A soak: several processes train, predict, save, load, fork and are interrupted, for as long as is asked.

    python Tests/soak --minutes 60

Every result is held bit by bit against what a process of one thread has computed before. Memory, open files and
threads of the processes are looked at every second and must be flat behind the first fifth of the time; nothing may be
left in their folders. Ends with exit code 0 and a table, or says what went wrong.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
WARM_UP = 0.2
# What a process may grow by from the warm-up to the end: the larger one.
MEGABYTES, SHARE = 6.0, 0.03


# ---- A worker


class Interrupts:
    """Ctrl-C reaches the work, and never what is around it."""

    def __init__(self) -> None:
        self.inside, self.count = False, 0
        signal.signal(signal.SIGINT, self)

    def __call__(self, *_: Any) -> None:
        if self.inside:
            self.inside = False
            self.count += 1
            raise KeyboardInterrupt


def attempt(job: Any, folder: Path, interrupts: Interrupts, again: bool) -> str | None:
    """Return a job's digest, None if it was interrupted, which ``again`` says that it was before."""
    try:
        # On a slow machine Ctrl-C would end every attempt.
        interrupts.inside = not again
        found = job(folder)
        interrupts.inside = False
    except KeyboardInterrupt:
        return None
    except RuntimeWarning as warning:
        # A fit that is called by hand ends with a model that can be used, and says so.
        if "interrupted" not in str(warning):
            raise
        return None
    finally:
        interrupts.inside = False
    return str(found)


def note_lost(lost: list[str], args: Any) -> None:
    """Note an exception that nobody sees, but for interrupts, and for Python's own account of interrupted threads."""
    frames = traceback.extract_tb(args.exc_traceback)
    if not isinstance(args.exc_value, KeyboardInterrupt) and not (frames and frames[-1].filename == threading.__file__):
        lost.append(f"{args.exc_value!r} in {args.object!r}: {frames[-1:]}")


def work(seed: int, minutes: float, known: dict[str, str], threads: int, interrupts: Interrupts) -> dict[str, Any]:
    """Do jobs in the current folder until the time is up and each was done; returns what there is to tell."""
    import jobs
    from sklearn.exceptions import ConvergenceWarning

    import seriatim
    from seriatim import _core

    seriatim.set_num_threads(threads)
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    rng = random.Random(seed)
    done = dict.fromkeys(jobs.JOBS, 0)
    # What has been raised where nobody is told: from __del__, weak references and the like.
    lost: list[str] = []
    sys.unraisablehook = lambda args: note_lost(lost, args)
    folder, end, resting = Path.cwd(), time.monotonic() + 60 * minutes, []
    name, found = "", ""
    while time.monotonic() < end or not all(done.values()):
        if found is not None:
            name = rng.choice(sorted(done)) if all(done.values()) else min(done, key=lambda each: done[each])
        found = attempt(jobs.JOBS[name], folder, interrupts, found is None)
        if found is not None and found != known.setdefault(name, found):
            raise AssertionError(f"{name} gave other bits than before")
        done[name] += found is not None
        left = [path.name for path in folder.rglob("*")]
        if found is None:
            for path in sorted(folder.rglob("*"), reverse=True):
                # An interrupt leaves whole files and checkpoints behind, and nothing half written.
                if path.name.startswith(".") or path.suffix == ".tmp":
                    raise AssertionError(f"{name}, interrupted, has left {path.name}")
                path.rmdir() if path.is_dir() else path.unlink()
        elif left:
            raise AssertionError(f"{name} has left {left}")
        if sum(done.values()) % 50 == 0:
            gc.collect()
            resting.append(_core.memory_info()["bytes_used"])
    return {
        "digests": known, "done": done, "interrupts": interrupts.count,
        "lost": lost,
        "resting": [min(resting, default=0), max(resting[len(resting) // 5 :], default=0)],
    }  # fmt: skip


def run_worker(options: argparse.Namespace) -> int:
    known = json.loads(Path(options.known).read_text()) if options.known else {}
    try:
        interrupts = Interrupts()
        Path(options.report).with_suffix(".ready").touch()
        report = work(options.seed, options.minutes, known, options.threads, interrupts)
    except BaseException:
        report = {"error": traceback.format_exc()}
    # From here on Ctrl-C would end the process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path(options.report).write_text(json.dumps(report))
    return int("error" in report)


# ---- The parent


class Watched:
    """One worker, and what was seen of it."""

    def __init__(self, place: Path, seed: int, minutes: float, known: Path | None, threads: int) -> None:
        self.folder, self.report = place / f"work-{seed}", place / f"report-{seed}.json"
        self.ready = self.report.with_suffix(".ready")
        self.folder.mkdir()
        command = [sys.executable, str(HERE.parent), "--worker", "--seed", str(seed), "--minutes", str(minutes)]
        command += ["--report", str(self.report), "--threads", str(threads)]
        command += [] if known is None else ["--known", str(known)]
        (place / f"tmp-{seed}").mkdir()
        environment = {**os.environ, "TMPDIR": str(place / f"tmp-{seed}"), "PYTHONPATH": os.pathsep.join(sys.path[1:])}
        self.process = subprocess.Popen(command, cwd=self.folder, env=environment)
        self.seen: list[tuple[float, float, int, int]] = []
        self.began = time.monotonic()

    def look(self) -> bool:
        """Note memory, files and threads; returns whether the worker still runs."""
        if self.process.poll() is not None:
            return False
        home = Path(f"/proc/{self.process.pid}")
        try:
            pages, files = int((home / "statm").read_text().split()[1]), len(os.listdir(home / "fd"))
            threads = len(os.listdir(home / "task"))
        except (OSError, IndexError):
            return True
        self.seen.append((time.monotonic() - self.began, pages * os.sysconf("SC_PAGESIZE") / 2**20, files, threads))
        return True

    def interrupt(self) -> None:
        # The worker's handler may not be there yet.
        if self.ready.exists():
            self.process.send_signal(signal.SIGINT)

    def judge(self) -> tuple[dict[str, Any], list[str]]:
        """Return the figures, and what is wrong."""
        report = json.loads(self.report.read_text()) if self.report.exists() else {"error": "the process has died"}
        wrong = [report["error"]] if "error" in report else []
        if self.process.returncode < 0:
            wrong.append(f"ended by signal {-self.process.returncode}")
        whole = self.seen[-1][0] if self.seen else 0.0
        late = np.array([row for row in self.seen if row[0] > WARM_UP * whole] or [(0.0, 0.0, 0, 0)])
        figures = {
            "seconds": round(whole), "MB at first": late[0, 1], "MB at most": late[:, 1].max(), "MB an hour": 0.0,
            "files": late[:, 2].max(), "threads": late[:, 3].max(), "jobs": sum(report.get("done", {}).values()),
            "interrupts": report.get("interrupts", 0),
        }  # fmt: skip
        if len(late) > 200:
            figures["MB an hour"] = float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) * 3600
            # Halves, not ends: what a job holds for its time is no growth.
            first, last = (np.median(half, axis=0) for half in np.array_split(late, 2))
            if last[1] - first[1] > max(MEGABYTES, SHARE * first[1]):
                wrong.append(f"memory grows: {first[1]:.1f} MB in the first half, {last[1]:.1f} MB in the second")
            if last[2] > first[2]:
                wrong.append(f"open files grow: {first[2]:.0f}, then {last[2]:.0f}")
        if report.get("lost"):
            wrong.append(f"exceptions that nobody saw: {report['lost'][:3]}")
        temporaries = [path.name for path in self.folder.parent.glob(f"tmp-{self.folder.name[5:]}/**/*")]
        if temporaries:
            wrong.append(f"left in the folder of temporaries: {temporaries[:5]}")
        figures["resting"] = report.get("resting", [])
        return figures, wrong


def soak(minutes: float, workers: int, seed: int) -> int:
    """Run workers, print what was seen, and return the exit code."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        # Known answers: every job once, by one thread, not interrupted.
        first = Watched(place, 0, 0.0, None, 1)
        first.process.wait()
        figures, wrong = first.judge()
        if wrong:
            print("\n".join(wrong))
            return 1
        known = place / "known.json"
        known.write_text(json.dumps(json.loads(first.report.read_text())["digests"]))
        running = [Watched(place, 1 + i, minutes, known, 1 + i % 2) for i in range(workers)]
        due = time.monotonic() + 1
        while any([each.look() for each in running]):
            time.sleep(1 if minutes >= 1 else 0.1)
            if time.monotonic() > due:
                rng.choice(running).interrupt()
                due = time.monotonic() + rng.uniform(0.05, 4)
            if time.monotonic() > running[0].began + 60 * minutes + 300:
                print("a worker hangs: no end five minutes after its time")
                for each in running:
                    each.process.kill()
        code = 0
        for each in running:
            figures, wrong = each.judge()
            shown = [f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()]
            print(f"{each.folder.name}: {', '.join(shown)}")
            for text in wrong:
                code = 1
                print(f"  WRONG: {text}")
        print("soak: " + ("failed" if code else "all results as known, memory, files and threads flat"))
        return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    for name in ("--report", "--known"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    return run_worker(options) if options.worker else soak(options.minutes, options.workers, options.seed)
