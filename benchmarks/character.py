"""The default CharacterModel beside the same network in torch: an update, a text of 10,000 characters, the whole curve.

    python benchmarks/character.py [--threads 2] [--turns 3] [--epochs 0] [--output character.csv]

The corpus is Python's own: the texts of pydoc_data.topics in the order of their names. Both sides begin with the same
weights and read the same windows in the same order; the first updates are made without dropout and their losses
compared. An update is the forward and backward passes, clipping and Adam.

With ``--epochs`` both train for so long on the first 90 %, an epoch each in turns, and say after every epoch what a
character of the last 10 % costs: of each side the seconds are those of its own updates. ``--output`` keeps the curves,
which docs/gallery/character.py draws.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
from timing import in_turns

import seriatim
from seriatim import nn, optim
from seriatim.models import CharacterModel

CHARACTERS = 10_000


def corpus() -> tuple[str, str]:
    """Return the first 90 % and the rest, without characters that the first part has not."""
    from pydoc_data.topics import topics

    text = "\n".join([topics[name] for name in sorted(topics)])
    cut = len(text) * 9 // 10
    known = set(text[:cut])
    return text[:cut], "".join([character for character in text[cut:] if character in known])


def streams(codes: Any, batch: int, length: int, start: int) -> list[tuple[Any, Any]]:
    """Return windows (length, batch) of streams side by side: characters, and those that follow them."""
    steps = len(codes) // batch // length * length
    own = codes[: steps * batch].reshape(batch, steps).T
    before = np.concatenate([np.full((1, batch), start), own[:-1]])
    return [(before[t : t + length], own[t : t + length]) for t in range(0, steps, length)]


class Ours:
    def __init__(self, net: Any, settings: dict[str, Any], updates: int, dropout: float) -> None:
        self.net, self.clip, self.states = net, settings["clip_norm"], None
        net.rnn.dropout = dropout
        self.criterion, self.optimizer = nn.CrossEntropyLoss(), optim.Adam(net.parameters(), settings["learning_rate"])
        self.schedule = optim.CosineAnnealingLR(self.optimizer, updates)

    def begin(self) -> None:
        self.states = None

    def update(self, x: Any, target: Any) -> float:
        self.optimizer.zero_grad()
        self.net.train()
        (logits, self.states), context = self.net.trace(x.reshape(-1), np.full(len(x), x.shape[1]), self.states)
        loss = float(self.criterion(logits, target.reshape(-1)))
        self.net.pullback(context, self.criterion.backward())
        optim.clip_grad_norm_(self.net.parameters(), self.clip)
        self.optimizer.step()
        self.schedule.step()
        return loss

    def bits(self, codes: Any) -> float:
        self.net.eval()
        before = np.concatenate([[self.net.start], codes[:-1]])
        logits, _ = self.net(before, np.ones(len(codes), np.int64))
        return float(nn.CrossEntropyLoss()(logits, codes)) / math.log(2)


class Torch:
    def __init__(self, net: Any, settings: dict[str, Any], updates: int, dropout: float) -> None:
        import torch

        self.torch, self.clip, self.states = torch, settings["clip_norm"], None
        width, size, layers = net.rnn.input_size, net.rnn.hidden_size, net.rnn.num_layers
        kind = torch.nn.LSTM if settings["rnn"] == "lstm" else torch.nn.GRU
        parts = {"rnn": kind(width, size, layers, dropout=dropout), "decoder": torch.nn.Linear(size, net.n_characters)}
        self.start, self.eye = net.start, torch.eye(net.start + 1)[:, : net.start].contiguous()
        if net.embedding is not None:
            parts["embedding"] = torch.nn.Embedding(net.start + 1, width)
        self.net = torch.nn.ModuleDict(parts)
        self.net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in net.state_dict().items()})
        self.optimizer = torch.optim.Adam(self.net.parameters(), settings["learning_rate"])
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, updates)

    def begin(self) -> None:
        self.states = None

    def rows(self, x: Any) -> Any:
        return self.net["embedding"](x) if "embedding" in self.net else self.eye[x]

    def update(self, x: Any, target: Any) -> float:
        torch = self.torch
        self.net.train()
        y, states = self.net["rnn"](self.rows(torch.from_numpy(x)), self.states)
        self.states = tuple([one.detach() for one in states]) if isinstance(states, tuple) else states.detach()
        logits = self.net["decoder"](y).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(target).flatten())
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def bits(self, codes: Any) -> float:
        torch = self.torch
        self.net.eval()
        with torch.inference_mode():
            before = torch.from_numpy(np.concatenate([[self.start], codes[:-1]]))
            y, _ = self.net["rnn"](self.rows(before)[:, None])
            logits = self.net["decoder"](y)[:, 0]
            return torch.nn.functional.cross_entropy(logits, torch.from_numpy(codes)).item() / math.log(2)

    def sample(self, n: int) -> list[int]:
        torch = self.torch
        self.net.eval()
        written, states, code = [], None, torch.tensor([[self.start]])
        with torch.inference_mode():
            for _ in range(n):
                y, states = self.net["rnn"](self.rows(code), states)
                code = torch.multinomial(self.net["decoder"](y)[0].softmax(-1), 1)
                written.append(int(code))
        return written


def curve(sides: dict[str, Any], windows: list[Any], codes: Any, epochs: int) -> dict[str, list[tuple[float, float]]]:
    """Train all sides in turns; of each its seconds so far and the bits of a character after every epoch."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for epoch in range(1, epochs + 1):
        for name, side in sides.items():
            time.sleep(0.3)
            began = time.perf_counter()
            side.begin()
            for x, target in windows:
                side.update(x, target)
            seconds = time.perf_counter() - began + (found[name][-1][0] if found[name] else 0.0)
            found[name].append((seconds, side.bits(codes)))
        shown = "   ".join(f"{name} {line[-1][0]:7.1f} s {line[-1][1]:.3f} bits" for name, line in found.items())
        print(f"epoch {epoch:>3}   {shown}", flush=True)
    return found


def write(found: dict[str, list[tuple[float, float]]], path: Path, about: dict[str, Any]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["library", "epoch", "seconds", "bits", *about])
        for name, line in found.items():
            for epoch, (seconds, bits) in enumerate(line, 1):
                table.writerow([name, epoch, f"{seconds:.1f}", f"{bits:.4f}", *about.values()])


def main(given: list[str] | None = None) -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(given)
    seriatim.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    about = {"cpu": machine.cpu(), "level": seriatim.show_config()["level"], "threads": options.threads}
    print(*about.values(), "torch", torch.__version__)

    text, rest = corpus()
    # Without learning, on one of each character: the weights that training begins with.
    model = CharacterModel(random_state=0, max_epochs=1).set_params(learning_rate=0.0).fit("".join(sorted(set(text))))
    settings = CharacterModel().get_params()
    place = {character: code for code, character in enumerate(model.vocabulary_)}
    codes, held_out = (np.array([place[character] for character in part]) for part in (text, rest))
    windows = streams(codes, settings["batch_size"], settings["sequence_length"], model.module_.start)

    def make(dropout: float, updates: int) -> dict[str, Any]:
        ours = Ours(copy.deepcopy(model.module_), settings, updates, dropout)
        return {"seriatim": ours, "torch": Torch(model.module_, settings, updates, dropout)}

    sides = make(0.0, 1000)
    losses = [[side.update(*window) for side in sides.values()] for window in windows[:5]]
    print(f"losses of five updates differ by {np.ptp(losses, axis=1).max():.1e} at most")
    jobs = {name: lambda side=side: side.update(*windows[5]) for name, side in sides.items()}
    report("an update", in_turns(jobs, options.turns, seconds=2))
    for threads in sorted({1, options.threads}):
        seriatim.set_num_threads(threads)
        torch.set_num_threads(threads)
        jobs = {"seriatim": lambda: model.sample(CHARACTERS), "torch": lambda: sides["torch"].sample(CHARACTERS)}
        report(f"{CHARACTERS} characters, {threads} thread(s)", in_turns(jobs, options.turns))
    if options.epochs:
        sides = make(settings["dropout"], options.epochs * len(windows))
        found = curve(sides, windows, held_out, options.epochs)
        if options.output:
            write(found, options.output, about)


def report(what: str, seconds: dict[str, float]) -> None:
    ratio = seconds["seriatim"] / seconds["torch"]
    print(f"{what}: " + ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in seconds.items()) + f", ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
