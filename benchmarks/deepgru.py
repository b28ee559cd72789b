"""DeepGRU on spoken digits: the same network, batches and data in seriatim and torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch_deepgru import TorchDeepGRU, packed

import seriatim
from seriatim import nn
from seriatim.demo import digits
from seriatim.optim import Adam
from seriatim.sequences import Sequences
from seriatim.training import bucketed, by_length, collate


def jobs() -> tuple[dict[str, tuple[dict[str, Callable[[], object]], int]], float]:
    """Return ``{name: ({peer: job}, calls a job)}``, and the largest difference of log-probabilities."""
    train, test = digits()
    sequences = Sequences(train.X.astype(np.float32), train.lengths)
    testing = Sequences(test.X.astype(np.float32), test.lengths)
    target = np.asarray(train.y, np.int64)
    model, peer = nn.DeepGRU(13, 10, rng=0), TorchDeepGRU(13, 10)
    peer.load_state_dict({k: torch.from_numpy(v) for k, v in model.state_dict().items()})
    optimizer, criterion = Adam(model.parameters()), nn.NLLLoss()
    peer_optimizer, peer_criterion = torch.optim.Adam(peer.parameters()), torch.nn.NLLLoss()
    batches = [collate(sequences, index) for index in bucketed(sequences.lengths, 64, np.random.default_rng(0))]
    batches = [batch for batch in batches if len(batch[1]) == 64]
    middle, order = sorted(batches, key=lambda batch: len(batch[0].data))[len(batches) // 2]

    def our_step(x: object = middle, order: np.ndarray = order) -> None:
        model.train()
        optimizer.zero_grad()
        criterion(model(x), target[order])
        model.backward(criterion.backward())
        optimizer.step()

    def their_step(x: seriatim.PackedSequence = middle, order: np.ndarray = order) -> None:
        peer.train()
        peer_optimizer.zero_grad()
        loss = peer_criterion(peer(packed(x.data, x.batch_sizes)), torch.from_numpy(target[order]))
        loss.backward()
        peer_optimizer.step()

    def our_epoch() -> None:
        for batch in batches:
            our_step(*batch)

    def their_epoch() -> None:
        for batch in batches:
            their_step(*batch)

    def our_prediction() -> np.ndarray:
        model.eval()
        return np.concatenate([model(collate(testing, index)[0]) for index in by_length(testing.lengths, 64, 1 << 20)])

    def their_prediction() -> np.ndarray:
        peer.eval()
        with torch.inference_mode():
            parts = []
            for index in by_length(testing.lengths, 64, 1 << 20):
                x, _ = collate(testing, index)
                parts.append(peer(packed(x.data, x.batch_sizes)).numpy())
            return np.concatenate(parts)

    one, _ = collate(testing, np.array([int(np.argmin(np.abs(testing.lengths - 45)))]))

    def our_single(x: seriatim.PackedSequence = one) -> None:
        model.eval()(x)

    def their_single(x: seriatim.PackedSequence = one) -> None:
        peer.eval()
        with torch.inference_mode():
            peer(packed(x.data, x.batch_sizes))

    difference = float(np.abs(our_prediction() - their_prediction()).max())
    frames = len(middle.data)
    found: dict[str, tuple[dict[str, Callable[[], object]], int]] = {
        f"DeepGRU forward, 64 recordings, {frames} frames": (
            {"seriatim": lambda: our_single(middle), "torch": lambda: their_single(middle)},
            1,
        ),
        f"DeepGRU training step, 64 recordings, {frames} frames": ({"seriatim": our_step, "torch": their_step}, 1),
        f"DeepGRU training epoch, {len(batches)} batches": ({"seriatim": our_epoch, "torch": their_epoch}, 1),
        "DeepGRU predicting 1,500 recordings": ({"seriatim": our_prediction, "torch": their_prediction}, 1),
        f"DeepGRU one recording of {len(one.batch_sizes)} frames": (
            {"seriatim": our_single, "torch": their_single},
            1,
        ),
    }
    return found, difference


def flops(frames: int) -> float:
    """Of a forward pass of the recurrent layers."""
    sizes = [(13, 512), (512, 512), (512, 256), (256, 256), (256, 128)]
    return float(frames * sum(6 * h * (i + h) for i, h in sizes))


__all__ = ["flops", "jobs"]
