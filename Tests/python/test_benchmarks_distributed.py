"""The benchmark of many processes: its model's arithmetic, and that it runs, tiny."""

import math
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = "".join(f"<!-- measured: {name} -->\nWAS\n<!-- end -->\n" for name in ("cores", "price", "links", "limits"))


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: __import__(name)


@pytest.fixture
def model(benchmark):
    return benchmark("distributed_model")


@pytest.fixture
def costs(model):
    return model.Costs(
        fold=1e-4,
        message=1e-5,
        sums=[(1000, 1e-5), (1_000_000, 1e-3)],
        micro=[(2, 0.010), (8, 0.020), (64, 0.100)],
        move=1e-3,
        size=1_000_000,
    )


@pytest.mark.parametrize(
    ("n", "ranks", "shards", "n_bytes", "rounds"),
    [
        (1_000_000, 1, 8, 0, 0),
        # Half of the numbers goes to the other rank, and half of the sum.
        (1_000_000, 2, 8, 4_000_000, 2),
        (1_000_000, 4, 8, 6_000_000, 2),
        # Of three ranks the second has two nodes of the tree: shards 2 and 3, and shard 4.
        (900_000, 3, 8, 4 * 600_000 * 3, 2),
        # What is small goes whole to all, at once.
        (1000, 4, 8, 12_000, 1),
    ],
)
def test_bytes_that_are_sent(model, n, ranks, shards, n_bytes, rounds):
    assert model.sent(n, ranks, shards) == (n_bytes, rounds)


def test_bytes_that_are_sent_are_those_of_the_sum(model):
    from seriatim.distributed._sum import Sum

    for ranks in (2, 3, 5, 8):
        sums = [Sum(rank, ranks, 8, 120_000) for rank in range(ranks)]
        assert all(one.sliced for one in sums)
        most = max(len(nodes) for nodes in sums[0].nodes)
        received = sum(one.size for one in sums[0].received.values())
        width = 120_000 // ranks
        assert received == width * sum(len(nodes) for nodes in sums[0].nodes[1:])
        assert model.sent(120_000, ranks, 8)[0] == pytest.approx(4 * width * (ranks - 1) * (most + 1))


def test_a_sum_takes_what_is_slowest_and_its_ways(model, costs):
    slow, fast = model.Link(1, 1.0), model.Link(math.inf, 0.2)
    wire = 4_000_000 * 8e-9 * model.FRAMES
    assert model.sum_time(costs, 1_000_000, 2, 8, slow) == pytest.approx(wire + model.BEHIND * 1e-3 + 2 * 0.5e-3)
    assert model.sum_time(costs, 1_000_000, 2, 8, fast) == pytest.approx(1e-3 + 2 * 0.1e-3)
    # Of eight ranks each sends 7/4 as many bytes, and in both rounds six messages more.
    eight = costs.core(1_750_000) + 2 * 6 * 1e-5
    assert model.sum_time(costs, 1_000_000, 8, 8, model.NO_LINK) == pytest.approx(eight)
    assert model.sum_time(costs, 1_000_000, 1, 8, slow) == 0


def test_a_step_of_one_rank_is_its_micro_batches(model, costs):
    assert model.step_time(costs, 1, 8, 64) == pytest.approx(8 * 0.020 + 0.001)
    assert model.step_time(costs, 1, 1, 64) == pytest.approx(0.100 + 0.001)
    assert costs.compute(5) == pytest.approx(0.015)
    assert costs.scaled(2_000_000, cores=4).compute(8) == pytest.approx(0.010)


def test_a_step_of_many_ranks(model, costs):
    link = model.Link(1, 0.1)
    two, serial = (model.step_time(costs, 2, 8, 64, link, overlap=overlap) for overlap in (True, False))
    halved = model.step_time(costs, 2, 8, 64, link, width=2)
    least = 4 * 0.020 + 0.001 + model.FOLDS * model.fold_time(costs, 2, link)
    # Backward of the first layers hides a part of what the wire takes of the last ones, and no more than that.
    assert least < halved < two < serial
    assert serial - two <= model.BACKWARD * 0.020
    assert serial == pytest.approx(
        least + sum(model.sum_time(costs, round(share * costs.size), 2, 8, link) for share in model.pieces(costs.size))
    )
    assert sum(model.pieces(costs.size)) == pytest.approx(1)
    assert model.pieces(1000) == pytest.approx([1])


def test_costs_are_fitted_to_what_was_measured_without_a_link(model):
    blank = dict.fromkeys(("network", "ranks", "shards", "batch", "gigabits", "milliseconds", "size"))
    rows = [
        {**blank, "what": "fold", "ranks": 2, "best": 1e-4, "cpu": 1e-4},
        {**blank, "what": "fold", "ranks": 2, "best": 9.0, "cpu": 9.0, "gigabits": 1},
        {**blank, "what": "sum", "ranks": 2, "size": 1_000_000, "best": 2e-3},
        {**blank, "what": "sum", "ranks": 4, "size": 1000, "best": 1.0, "cpu": 3e-4},
        {**blank, "what": "sum", "ranks": 8, "size": 1000, "best": 1.0, "cpu": 5e-4},
        {**blank, "what": "micro", "network": "paper", "batch": 8, "best": 0.022},
        {**blank, "what": "move", "network": "paper", "size": 4_000_000, "best": 0.002},
        {**blank, "what": "alone", "network": "paper", "shards": 8, "batch": 64, "best": 0.178},
    ]
    costs = model.fitted(rows, "paper")
    assert costs.message == pytest.approx(5e-5)
    assert costs.lockstep == pytest.approx(1.1)
    assert model.step_time(costs, 1, 8, 64) == pytest.approx(0.178)


def test_the_benchmark_runs_and_writes_its_page(benchmark, tmp_path):
    pytest.importorskip("matplotlib")
    if sys.platform != "linux":
        pytest.skip("ranks are pinned to cores: Linux alone")
    reason = benchmark("distributed_ranks").why_not()
    (tmp_path / "guide").mkdir()
    page = tmp_path / "guide" / "scale.md"
    page.write_text(PAGE + "<!-- measured: errors -->\nWAS\n<!-- end -->\n")
    links = [] if reason else ["1"]
    tiny = "--networks tiny --rounds 1 --batch 16 --batches 1 --count 1 --sizes 125000 --micro 2 8 --more"
    benchmark("distributed").main([*tiny.split(), "--milliseconds", "4", "--docs", str(tmp_path), "--gigabits", *links])
    _, rows = benchmark("distributed_report").read(tmp_path / "scale.csv")
    found = {(row["what"], row["shards"]): row for row in rows if not row["gigabits"]}
    assert {what for what, _ in found} == {"alone", "beside", "overlap", "serial", "micro", "move", "fold", "sum"}
    assert all(0 < row["best"] <= row["median"] for row in rows)
    assert found["overlap", 8]["folds"] > 0
    assert "| a tiny network | " in page.read_text()
    assert (tmp_path / "scale.png").stat().st_size > 10_000
    if reason:
        pytest.skip(f"no emulated network: {reason}")
    behind = {row["what"]: row for row in rows if row["gigabits"]}
    # Half a megabyte at 1 Gbit/s, and two ways of 2 ms; a fold has one way.
    assert behind["sum"]["best"] > 0.004 + 2 * 0.002
    assert 0.002 < behind["fold"]["best"] < behind["sum"]["best"]
    assert "WAS" not in page.read_text()
