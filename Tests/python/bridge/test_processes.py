"""The twins in several processes: DistributedDataParallel, and workers of a DataLoader."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
import seriatim.torch as twins  # noqa: E402

SCRIPT = Path(__file__).with_name("data_parallel.py")


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_two_ranks_are_one(tmp_path):
    ranks = [
        subprocess.Popen([sys.executable, SCRIPT, str(rank), "2", str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for rank in ranks:
        _, said = rank.communicate(timeout=120)
        assert rank.returncode == 0, said
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    spec = importlib.util.spec_from_file_location("data_parallel", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    torch.manual_seed(0)
    alone = twins.GRU(3, 4, bidirectional=True)
    script.train(alone, *script.batch())
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value)


class Encoded(torch.utils.data.Dataset):
    """What a twin makes of a sequence."""

    def __init__(self, module):
        self.module = module

    def __len__(self):
        return 4

    def __getitem__(self, index):
        with torch.no_grad():
            return self.module(torch.full((6, 2, 3), float(index)))[0]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_workers_of_a_data_loader():
    module = twins.GRU(3, 4)
    module(torch.zeros(6, 64, 3))  # threads are there when the worker is forked
    loaded = [*torch.utils.data.DataLoader(Encoded(module), batch_size=None, num_workers=1)]
    assert all(torch.equal(loaded[i], Encoded(module)[i]) for i in range(4))
