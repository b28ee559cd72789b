"""``make bench``: DeepGRU on spoken digits beside torch, one process, the same network, batches and data.

Prints a Markdown table and writes it with a JSON to benchmarks/results/. Ratios are ours / torch's: less is faster.
Turns alternate; before each there is a pause and one uncounted call, for thread pools spin after a call.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch_deepgru import TorchDeepGRU, packed

import seriatim
from seriatim import nn
from seriatim.demo import digits
from seriatim.optim import Adam
from seriatim.sequences import Sequences
from seriatim.training import bucketed, by_length, collate

RESULTS = Path(__file__).parent / "results"


def alternate(ours: Callable[[], object], theirs: Callable[[], object], turns: int) -> tuple[float, float]:
    """Median seconds of both, in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        for function, kept in ((ours, times[0]), (theirs, times[1])):
            time.sleep(0.2)
            began = time.perf_counter()
            function()
            kept.append(time.perf_counter() - began)
    return float(np.median(times[0])), float(np.median(times[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    seriatim.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)

    train, test = digits()
    sequences, held = (
        Sequences(train.X.astype(np.float32), train.lengths),
        Sequences(test.X.astype(np.float32), test.lengths),
    )
    target = np.asarray(train.y, np.int64)
    model, peer = nn.DeepGRU(13, 10, rng=0), TorchDeepGRU(13, 10)
    peer.load_state_dict({k: torch.from_numpy(v) for k, v in model.state_dict().items()})
    optimizer, criterion = Adam(model.parameters()), nn.NLLLoss()
    peer_optimizer, peer_criterion = torch.optim.Adam(peer.parameters()), torch.nn.NLLLoss()
    batches = [collate(sequences, index) for index in bucketed(sequences.lengths, 64, np.random.default_rng(0))]

    def our_epoch() -> None:
        model.train()
        for x, order in batches:
            optimizer.zero_grad()
            criterion(model(x), target[order])
            model.backward(criterion.backward())
            optimizer.step()

    def their_epoch() -> None:
        peer.train()
        for x, order in batches:
            peer_optimizer.zero_grad()
            peer_criterion(peer(packed(x.data, x.batch_sizes)), torch.from_numpy(target[order])).backward()
            peer_optimizer.step()

    def our_prediction() -> np.ndarray:
        model.eval()
        return np.concatenate([model(collate(held, index)[0]) for index in by_length(held.lengths, 64)])

    def their_prediction() -> np.ndarray:
        peer.eval()
        with torch.no_grad():
            parts = []
            for index in by_length(held.lengths, 64):
                x, _ = collate(held, index)
                parts.append(peer(packed(x.data, x.batch_sizes)).numpy())
            return np.concatenate(parts)

    one, _ = collate(held, np.array([int(np.argmin(np.abs(held.lengths - 18)))]))

    def our_single() -> None:
        for _ in range(20):
            model.eval()(one)

    def their_single() -> None:
        peer.eval()
        with torch.no_grad():
            for _ in range(20):
                peer(packed(one.data, one.batch_sizes))

    difference = float(np.abs(our_prediction() - their_prediction()).max())
    our_epoch(), their_epoch()
    jobs = {
        "training, one epoch of 1,500 recordings": (our_epoch, their_epoch, 1),
        "predicting 1,500 recordings": (our_prediction, their_prediction, 1),
        f"one recording of {len(one.batch_sizes)} frames": (our_single, their_single, 20),
    }
    rows = []
    for name, (ours, theirs, calls) in jobs.items():
        a, b = alternate(ours, theirs, options.turns)
        rows.append({"job": name, "seriatim": a / calls, "torch": b / calls, "ratio": a / b})
    config = seriatim.show_config() | {"torch": torch.__version__, "threads": options.threads}
    lines = ["| DeepGRU on spoken digits | seriatim, s | torch, s | ratio |", "|---|---|---|---|"]
    lines += [f"| {r['job']} | {r['seriatim']:.4f} | {r['torch']:.4f} | {r['ratio']:.2f} |" for r in rows]
    lines.append(
        f"\n{options.threads} threads, level {config['level']}, torch {torch.__version__}, medians of {options.turns}"
    )
    lines.append(f"turns; largest difference of log-probabilities before training {difference:.1e}.")
    text = "\n".join(lines)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"digits-{options.threads}.md").write_text(text + "\n")
    (RESULTS / f"digits-{options.threads}.json").write_text(
        json.dumps({"config": config, "rows": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
