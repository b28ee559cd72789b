"""An LSTM of our kernels in Lightning: packed batches from a DataLoader, a Trainer on the CPU.

Made-up sequences of 2 to 9 numbers; the answer is the first of them, so that the LSTM has to remember it. A batch is a
PackedSequence, of which `seriatim.torch.LSTM` computes no padding.

Run: python examples/torch_lightning.py [--epochs 15]

Needs: pip install 'seriatim[torch]' lightning
"""

from __future__ import annotations

import argparse
from typing import Any

import lightning
import torch
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader

import seriatim.torch


class Remember(lightning.LightningModule):
    """An LSTM over the sequence, a linear layer on its last state."""

    def __init__(self, hidden_size: int = 16) -> None:
        super().__init__()
        self.lstm = seriatim.torch.LSTM(1, hidden_size)
        self.head = torch.nn.Linear(hidden_size, 1)

    def forward(self, x: Any) -> Any:
        """Return an answer for each sequence."""
        _, (h_n, _) = self.lstm(x)
        return self.head(h_n[-1])[:, 0]

    def training_step(self, batch: Any, number: int) -> Any:
        """Return the loss of a batch."""
        x, y = batch
        loss = torch.nn.functional.mse_loss(self(x), y)
        self.log("loss", loss, on_epoch=True, on_step=False, batch_size=len(y))
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimiser."""
        return torch.optim.Adam(self.parameters(), lr=0.02)


def collate(sequences: list[Any]) -> tuple[Any, Any]:
    """Pack a batch."""
    return pack_sequence(sequences, enforce_sorted=False), torch.stack([sequence[0, 0] for sequence in sequences])


def main(arguments: list[str] | None = None) -> float:
    """Train; returns the last epoch's loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args(arguments)
    lightning.seed_everything(0, verbose=False)
    sequences = [torch.randn(int(n), 1) for n in torch.randint(2, 10, (256,))]
    trainer = lightning.Trainer(
        max_epochs=options.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Remember(), DataLoader(sequences, 32, shuffle=True, collate_fn=collate))
    loss = float(trainer.callback_metrics["loss"])
    print(f"mean square error: {loss:.3f}; guessing the mean has {torch.stack([s[0, 0] for s in sequences]).var():.3f}")
    return loss


if __name__ == "__main__":
    main()
