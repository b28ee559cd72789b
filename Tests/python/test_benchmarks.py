"""The parts of the benchmarks that judge: the verdict, the kind of CPU, the published table."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Import a module of the benchmarks as they import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name)

    return load


def row(job, ratio, share=None, part="recurrent", threads=2):
    seconds = {"seriatim": 0.01, **{peer: 0.01 / value for peer, value in ratio.items()}}
    return {"job": job, "ratio": ratio, "share": share, "part": part, "threads": threads, "seconds": seconds}


ABOUT = {"cpu": "Zen 9 (an EPYC)", "level": "v4", "caches": "48K,1M/1,32M/8", "versions": {"torch": "2"}}


def test_verdict(benchmark):
    rows = [
        row("GRU B64 T40 D13 H512, forward", {"torch": 0.4, "onnxruntime": 0.71}, 0.9),
        row("GRU B64 T40 D13 H512, training", {"torch": 0.5}, 0.7),
        row("LSTM B32 T100 D512 H512, forward", {"torch": 0.9, "onnxruntime": 0.8}, 0.9),
        row("LSTM B32 T100 D512 H512, training", {"torch": 0.93}, 0.9),
        row("3x3 stride 2, forward", {"torch": 1.07}, 0.5, part="convolution"),
        row("torch beside itself", {"torch": 0.96}, part="self"),
    ]
    lines = benchmark("verdict").verdict(rows, ABOUT).splitlines()
    assert (
        lines[2] == "Zen 9 (an EPYC), level v4, caches 48K,1M/1,32M/8. Noise: a job beside itself differs by up to 4 %."
    )
    for line in (
        "| 2 | torch | 4 | 1 | 1.07: 3x3 stride 2, forward |",
        "| 2 | onnxruntime | 2 | 0 | 0.80: LSTM B32 T100 D512 H512, forward |",
        "| LSTM B32 T100 D512 H512 | at most 0.92 of torch | 1 of 2 | 0.93 | FAIL |",
        "| LSTM B32 T100 D512 H512 | at most 0.92 of onnxruntime | 1 of 1 | 0.80 | pass |",
        "| GRU, forward | at most 0.5 of torch | 1 of 1 | 0.40 | pass |",
        "| forward | at least 85% of the limit | 2 of 2 | 90% | pass |",
        "- GRU B64 T40 D13 H512, training, 2 threads: 70% of the limit, wanted 0.75",
        "- GRU B64 T40 D13 H512, forward, 2 threads: 0.71 of onnxruntime, wanted 0.7",
    ):
        assert line in lines
    # What a special target takes is not held to the general one.
    assert not any(line.startswith("| LSTM, ") for line in lines)


def test_one_thread_is_never_behind(benchmark):
    verdict = benchmark("verdict")
    rows = [row("LSTM B32 T100 D512 H512, forward", {"torch": 1.01, "onnxruntime": 1.0}, 0.5, threads=1)]
    text = verdict.verdict(rows, ABOUT)
    assert "| recurrent, any shape, 1 thread | at most 1.0 of torch | 0 of 1 | 1.01 | FAIL |" in text
    assert "| recurrent, any shape, 1 thread | at most 1.0 of onnxruntime | 1 of 1 | 1.00 | pass |" in text
    assert "Noise: not measured." in text


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (
            ["vendor_id : GenuineIntel", "cpu family : 6", "model : 207", "model name : Intel(R) Xeon(R) Processor"],
            "Emerald Rapids (family 6, model 207)",
        ),
        (
            [
                "vendor_id : AuthenticAMD",
                "cpu family : 26",
                "model : 2",
                "model name : AMD EPYC 9575F 64-Core Processor",
            ],
            "Zen 5 (AMD EPYC 9575F Processor)",
        ),
        (["vendor_id : Other", "cpu family : 7", "model : 59", "model name : Some CPU"], "Some (family 7, model 59)"),
        (["CPU implementer : 0x41", "CPU part : 0xd40"], "Neoverse V1 (implementer 0x41, part 0xd40)"),
    ],
)
def test_kind_of_cpu(benchmark, lines, kind):
    text = "".join(line.replace(" : ", "\t: ") + "\n" for line in lines)
    assert benchmark("machine").kind_of(f"processor\t: 0\n{text}") == kind


def test_the_page_takes_a_table_of_each_kind_of_cpu(benchmark, tmp_path):
    report = benchmark("report")
    page, results = tmp_path / "performance.md", tmp_path / "results.json"
    page.write_text("a\n<!-- measured: Zen 9 -->\nold\n<!-- end -->\nb\n<!-- measured: Zen 8 -->\nkept\n<!-- end -->\n")
    rows = [
        row("GRU B1, forward", {"torch": 0.4, "onnxruntime": 0.5}, 0.9),
        row("GRU B1, training", {"torch": 0.3}, 0.8),
    ]
    results.write_text(json.dumps({"about": ABOUT, "rows": rows}))
    report.publish(results, page)
    text = page.read_text()
    assert "| GRU B1 | 10 | 90 % | 0.50 | 0.40 | 10 | 80 % | 0.30 |" in text
    assert "Zen 9 (an EPYC), level v4, caches 48K,1M/1,32M/8; torch 2." in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert "\nb\n<!-- measured: Zen 8 -->\nkept\n" in text
    results.write_text(json.dumps({"about": ABOUT | {"cpu": "Zen 7"}, "rows": rows}))
    with pytest.raises(SystemExit, match="no place for Zen 7"):
        report.publish(results, page)
