"""One rank of DistributedDataParallel over gloo: python data_parallel.py RANK RANKS FOLDER.

Trains a twin for three steps on its part of a batch, and leaves the parameters in FOLDER.
"""

import sys

import torch
from torch.nn.parallel import DistributedDataParallel

import seriatim.torch


def batch():
    """Four sequences, and what they should become."""
    random = torch.Generator().manual_seed(1)
    return torch.randn(6, 4, 3, generator=random), torch.randn(6, 4, 8, generator=random)


def train(model, x, target):
    """Take three steps."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (model(x)[0] - target).square().mean().backward()
        optimizer.step()


def main(rank, ranks, folder):
    torch.manual_seed(rank)  # DDP sends the first rank's weights to the others
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=ranks)
    model = seriatim.torch.GRU(3, 4, bidirectional=True)
    x, target = batch()
    part = slice(rank * 4 // ranks, (rank + 1) * 4 // ranks)
    train(DistributedDataParallel(model), x[:, part], target[:, part])
    torch.save(model.state_dict(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
