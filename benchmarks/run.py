"""``make bench``: seriatim beside torch and onnxruntime in one process, on the same weights and data.

Writes benchmarks/results/: a Markdown table, a JSON and pictures. A ratio is our time over theirs: below 1 is faster.

The last part is the verdict: jobs ahead and behind, targets met and missed, and the noise of the run.

``--avx2`` holds all of them to AVX2; where the clock is noisy, ``--count`` counts instructions and ``--caches`` bytes
from beyond a core's caches (valgrind).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
AVX2 = {
    "SERIATIM_LEVEL": "v3",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["recurrent", "odd", "deepgru", "collation", "sweep", "convolution", "self"],
        choices=["recurrent", "odd", "norm", "deepgru", "collation", "sweep", "convolution", "self"],
    )
    kinds = ["GRU", "LSTM", "RNN", "MinGRU", "MinLSTM", "IndRNN"]
    parser.add_argument("--kinds", nargs="+", default=["GRU", "LSTM"], choices=kinds)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--caches", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = parse()
    if options.count:
        import count

        return count.main()
    if options.caches:
        import caches

        return caches.main([])
    if options.avx2 and any(os.environ.get(k) != v for k, v in AVX2.items()):
        # Libraries read these when they are loaded.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **AVX2})
    measure(options)


def measure(options: argparse.Namespace) -> None:
    import machine
    import onnxruntime
    import report
    import torch
    import verdict

    import seriatim
    from seriatim import _config

    rows: list[dict[str, Any]] = []
    texts: list[str] = []
    name = "avx2" if options.avx2 else "results"
    RESULTS.mkdir(exist_ok=True)
    config = seriatim.show_config()
    about = {
        "cpu": machine.cpu(),
        "level": config["level"],
        "caches": _config.format_caches(config["caches"]),
        "versions": {m.__name__: m.__version__ for m in (seriatim, torch, onnxruntime)},
    }
    for threads in options.threads:
        seriatim.set_num_threads(threads)
        torch.set_num_threads(threads)
        for part in options.parts:
            found = PARTS[part](options, threads)
            for row in found:
                row |= {"part": part, "threads": threads}
            rows += found
            plural = "thread" if threads == 1 else "threads"
            texts.append(report.table(found, f"{about['cpu']}, {about['level']}: {part}, {threads} {plural}"))
            print(texts[-1], flush=True)
            (RESULTS / f"{name}.md").write_text("\n\n".join(texts) + "\n")
            (RESULTS / f"{name}.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    texts.append(verdict.verdict(rows, about))
    print(texts[-1], flush=True)
    (RESULTS / f"{name}.md").write_text("\n\n".join(texts) + "\n")
    chosen = [r for r in rows if r["threads"] == options.threads[-1] and r["part"] in ("recurrent", "deepgru")]
    if chosen:
        versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
        title = f"{about['cpu']}, {options.threads[-1]} threads, {about['level']}; {versions}"
        report.picture(chosen, RESULTS / f"{name}.png", title)
    swept = [r for r in rows if r["threads"] == options.threads[-1] and r["part"] == "sweep"]
    if swept:
        report.curves(swept, RESULTS / f"{name}-sweep.png")


def row(job: str, seconds: dict[str, float], **more: Any) -> dict[str, Any]:
    ratio = {peer: seconds["seriatim"] / value for peer, value in seconds.items() if peer != "seriatim"}
    return {"job": job, "seconds": seconds, "ratio": ratio, **more}


def recurrent_rows(shapes: list[Any], options: argparse.Namespace, threads: int, phases: tuple[str, ...]) -> list[Any]:
    import limits
    import recurrent
    from timing import in_turns

    rows = []
    for shape in shapes:
        jobs = recurrent.jobs(shape, threads)
        for phase in phases:
            seconds = in_turns(getattr(jobs, phase), options.turns)
            # Training multiplies three times as much: the input's gradient and the weights' besides.
            flops = shape.flops * (1 if phase == "forward" else 3)
            bounds = {"the multiply-add peak": flops / limits.peak(threads)}
            if shape.batch <= 4 and shape.step_bytes:
                # Every step reads the recurrent weights once forward, once more backward.
                passes = 1 if phase == "forward" else 2
                read = shape.step_bytes * shape.steps * passes
                bounds["cache bandwidth"] = read / limits.bandwidth(shape.step_bytes / 2**20, threads)
            limit = max(bounds, key=lambda k: bounds[k])
            rows.append(
                row(
                    f"{shape.name}, {phase}",
                    seconds,
                    gflops=flops / seconds["seriatim"] / 1e9,
                    share=bounds[limit] / seconds["seriatim"],
                    limit=limit,
                    difference=jobs.difference,
                    kind=shape.kind,
                    hidden=shape.hidden,
                    batch=shape.batch,
                    steps=shape.steps,
                )
            )
    return rows


def recurrent_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import recurrent

    shapes = [shape for kind in options.kinds for shape in recurrent.shapes(kind)]
    return recurrent_rows(shapes, options, threads, ("forward", "training"))


def odd_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import recurrent

    shapes = [shape for kind in options.kinds for shape in recurrent.odd(kind)]
    return recurrent_rows(shapes, options, threads, ("forward", "training"))


def norm_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import recurrent

    # Only these have normalised cells.
    kinds = [kind for kind in options.kinds if kind in ("GRU", "LSTM")]
    shapes = [shape for kind in kinds for shape in recurrent.normalized(kind)]
    return recurrent_rows(shapes, options, threads, ("forward", "training"))


def sweep_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import recurrent

    rows = []
    for kind in options.kinds:
        shapes = recurrent.sweep(kind)
        for shape, found in zip(shapes, recurrent_rows(shapes, options, threads, ("forward",)), strict=True):
            varies = "hidden" if (shape.batch, shape.steps) == (32, 50) else "batch" if shape.steps == 50 else "steps"
            rows.append(found | {"varies": varies})
    return rows


def deepgru_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import deepgru
    from timing import in_turns

    jobs, difference = deepgru.jobs()
    return [row(name, in_turns(peers, options.turns), difference=difference) for name, (peers, _) in jobs.items()]


def collation_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import collation
    from timing import in_turns

    jobs, size = collation.jobs()
    rows = []
    for name, peers in jobs.items():
        seconds = in_turns(peers, options.turns, most=200)
        copied = seconds["memcpy"] / seconds["seriatim"]
        rows.append(row(name, seconds, share=copied, limit=f"a memcpy of {size / 1e6:.0f} MB"))
    return rows


def convolution_part(options: argparse.Namespace, threads: int) -> list[Any]:
    import convolution
    import limits
    from timing import in_turns

    rows = []
    for case in convolution.cases():
        for phase in ("forward", "training") if case.trains else ("forward",):
            seconds = in_turns(getattr(case, phase)(), options.turns)
            flops = case.flops * (1 if phase == "forward" else 3)
            rows.append(
                row(
                    f"{case.name}, {phase}",
                    seconds,
                    gflops=flops / seconds["seriatim"] / 1e9,
                    # Winograd's method multiplies less than the definition: it may pass 100 %.
                    share=flops / limits.peak(threads) / seconds["seriatim"],
                    limit="the direct method's peak",
                    difference=case.difference(),
                )
            )
    return rows


def self_part(options: argparse.Namespace, threads: int) -> list[Any]:
    """A peer beside itself: what is not 1.00 here is noise everywhere."""
    import recurrent
    from timing import in_turns

    jobs = recurrent.jobs(recurrent.Shape("GRU", 64, 40, 13, 512), threads)
    rows = []
    for peer, job in jobs.forward.items():
        rows.append(row(f"{peer} beside itself", in_turns({"seriatim": job, "torch": job}, options.turns)))
    return rows


PARTS = {
    "recurrent": recurrent_part,
    "odd": odd_part,
    "norm": norm_part,
    "deepgru": deepgru_part,
    "collation": collation_part,
    "sweep": sweep_part,
    "convolution": convolution_part,
    "self": self_part,
}

if __name__ == "__main__":
    main()
