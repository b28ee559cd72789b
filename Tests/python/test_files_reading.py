"""Files from anywhere: none costs more than its size, none sets more than values, none is read in part."""

import json
import os
import sys
import threading
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import seriatim
from seriatim import convert, nn
from seriatim import preprocessing as prep
from seriatim._files import parsed, read_tensors, to_bytes
from seriatim.training._checkpoint import Checkpoint, Origin

sys.path.append(str(Path(__file__).parents[1] / "fuzz"))
import files_target

CORPUS = Path(__file__).parents[1] / "fuzz" / "files_corpus"


def written(path, model, payload=b"", header=None, **others):
    """Write a file by hand, without a checksum."""
    told = {"format": 3, "version": "0", "model": model, **others}
    path.write_bytes(files_target.put_together(header or {}, {"seriatim": told}, payload))
    return path


def made(name, *args, **config):
    return {"class": name, "args": list(args), "config": config}


# ---- Costs


@pytest.mark.parametrize(
    "model",
    [
        made("Linear", in_features=65536, out_features=49152),
        made("GRU", input_size=1, hidden_size=1, num_layers=10**9),
        made("GRU", input_size=1, hidden_size=1, num_layers=4000),
        made("BatchNorm1d", num_features=10**10),
        made("ConvGRU", input_size=1, hidden_sizes=3000, kernel_sizes=3, n_layers=1),
        made("ConvGRU", input_size=1, hidden_sizes=1, kernel_sizes=1, n_layers=10**7),
        made("ConvGRU", input_size=1, hidden_sizes={"range": [0, 10**9, 1]}, kernel_sizes=1, n_layers=1),
        made("Embedding", num_embeddings=10**9, embedding_dim=10),
        made("VGG16", num_classes=10),
        made("Sequential", *[made("Linear", in_features=3000, out_features=3000)] * 4),
        made("ReLU") | {"parameters": [["weight", {"shape": [65536, 65536], "dtype": "parameter"}]]},
        made("ReLU") | {"parameters": [["weight", {"shape": [65536, 65536], "dtype": "int8"}]]},
        made("ReLU") | {"buffers": [["weight", {"shape": [1], "dtype": "<U400000000"}]]},
        made("ReLU") | {"attributes": {"a": {"array": ["a"], "dtype": "<U400000000"}}},
    ],
    ids=lambda m: m["class"],
)
def test_a_small_file_makes_no_large_model(tmp_path, model, monkeypatch):
    asked = []
    for name in ("zeros", "ones", "empty"):
        real = getattr(np, name)
        monkeypatch.setattr(
            np, name, lambda shape, *a, _real=real, **k: asked.append(np.prod(shape)) or _real(shape, *a, **k)
        )
    with pytest.raises(ValueError, match=r"can fill|at most|unknown type|which are shorter"):
        seriatim.load(written(tmp_path / "m", model))
    assert sum(asked) <= 2**24


def test_what_is_alike_is_at_most_a_hundred_times_as_large(tmp_path):
    header = {"x": {"dtype": "U8", "shape": [1000], "data_offsets": [0, 1000]}}
    path = written(tmp_path / "m", made("ReLU"), bytes(1000), header, alike={f"y{i}": "x" for i in range(101)})
    with pytest.raises(ValueError, match="101000 bytes are said to be like 1000"):
        seriatim.load(path)
    # A model that is so is written in full.
    model = nn.ReLU()
    model.many = [np.zeros(100) for _ in range(250)]
    seriatim.save(model, path)
    assert len(load_file(path)) == 3
    assert len(seriatim.load(path).many) == 250
    with pytest.raises(ValueError, match="'x' is said to be like 'x', which is in the file as well"):
        seriatim.load(written(path, made("ReLU"), bytes(1000), header, alike={"x": "x"}))


# ---- Attributes


@pytest.mark.parametrize(
    "name", ["fit", "predict", "__class__", "__dict__", "checkpoint_dir", "_parameter_constraints"]
)
@pytest.mark.parametrize("place", ["fitted", "attributes"])
@pytest.mark.parametrize("cls", ["GRUClassifier", "sklearn.pipeline.Pipeline"])
def test_what_no_file_can_set(tmp_path, cls, place, name):
    parameters = {"steps": []} if "." in cls else {}
    name = "memory" if name == "checkpoint_dir" and "." in cls else name
    if (cls, place) == ("sklearn.pipeline.Pipeline", "attributes"):
        pytest.skip("has all in one")
    node = {"class": cls, "parameters": parameters, "fitted": {}, "scikit-learn": seriatim.__version__}
    with pytest.raises(ValueError, match=r"in the file|out of its own"):
        seriatim.load(written(tmp_path / "m", node | {place: {name: 1}}))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"class": "GRUClassifier", "parameters": {"checkpoint_dir": "x"}, "fitted": {}}, "checkpoint_dir in the file"),
        ({"class": "GRUClassifier", "parameters": {"callbacks": [1]}, "fitted": {}}, "callbacks in the file"),
        ({"class": "Pipeline", "parameters": {"steps": [], "memory": "x"}, "fitted": {}}, "memory in the file"),
        (made("Linear", in_features=1, out_features=1) | {"attributes": {"forward": 1}}, "'forward' in the file"),
        (made("Linear", in_features=1, out_features=1) | {"attributes": {"__dict__": {}}}, "no file can set"),
        (made("Linear", in_features=1, out_features=1) | {"parts": [["forward", made("ReLU")]]}, "no file can set"),
        (made("GRU", input_size=1, hidden_size=1) | {"attributes": {"_kind": 1}}, "whose _kind is set"),
        (made("Sequential") | {"children": [["0", {"class": "Center", "parameters": {}, "fitted": {}}]]}, "a module"),
        ({"class": "ModuleList", "parameters": {}, "fitted": {}}, "is not as save writes it"),
        ({"class": "Center", "config": {}}, "is not as save writes it"),
    ],
)  # fmt: skip
def test_nodes_that_no_save_writes(tmp_path, node, words):
    with pytest.raises(ValueError, match=words):
        seriatim.load(written(tmp_path / "m", node))


# ---- Headers


def entry(**others):
    return {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **others}}


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (entry(data_offsets=[0, 5]), 5),
        (entry(data_offsets=[4, 8]), 8),
        (entry(data_offsets=[-4, 0]), 4),
        (entry(data_offsets=[0, 4.0]), 4),
        (entry(data_offsets=[0, float("nan")]), 4),
        (entry(data_offsets=[0]), 4),
        (entry(data_offsets=[0, 10**30]), 4),
        (entry(shape=[True]), 4),
        (entry(shape=[2**62, 4]), 4),
        (entry(shape=[0, 2**62, 2**62], data_offsets=[0, 0]), 0),
        (entry(shape=[1] * 33), 4),
        (entry(shape=None), 4),
        (entry(dtype="F33"), 4),
        (entry(dtype=["F32"]), 4),
        (entry(dtype="BF16", data_offsets=[0, 2]), 2),
        (entry(more=1), 4),
        ({**entry(), "y": entry()["x"]}, 4),
        ({**entry(), "y": entry(data_offsets=[2, 6])["x"]}, 6),
        (entry(), 5),
        (entry(), 3),
        (entry(dtype="BOOL", shape=[4]), 4),
        ({"x": []}, 0),
        (entry(), 4),
    ],
)
def test_headers_that_are_not_true(tmp_path, header, payload):
    """The last one is, but nothing names the tensor."""
    path = written(tmp_path / "m", made("ReLU"), b"\2" * payload, header)
    with pytest.raises(ValueError, match="m: "):
        seriatim.load(path)


@pytest.mark.parametrize(
    "head",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"a":1,"a":1}', b'{"__metadata__":{"a":1}}', b'{"__metadata__":[]}',
     b'{"a":' * 2000 + b"1" + b"}" * 2000, b'{"a":NaN}', b'{"a":' + b"9" * 5000 + b"}", b'{"\\ud800":1}', b" {}"],
)  # fmt: skip
def test_heads_that_are_none(tmp_path, head):
    path = tmp_path / "m"
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    for read in (seriatim.load, seriatim.read_metadata, convert.read_safetensors):
        with pytest.raises(ValueError, match="m: "):
            read(path)


def test_json_that_is_none_of_ours():
    for text in ('{"a": 1, "b": {"c": 1, "c": 2}}', "[" * 1001, "[1]", '{"a": NaN}', '{"a": 1e5'):
        with pytest.raises(ValueError, match=r"twice|nested|expected|no JSON|Expecting"):
            parsed(text)
    assert parsed('{"a": NaN, "b": "' + "[" * 2000 + '"}', finite=False)["b"] == "[" * 2000


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(ValueError, match="got that of a pipe or a device"):
            seriatim.load(path)


def test_a_file_that_is_cut_while_it_is_read(tmp_path, monkeypatch):
    """A reader that maps the file would end the process."""
    path = tmp_path / "m"
    save_file({"x": np.zeros(10**6)}, path)
    real = os.fstat
    monkeypatch.setattr("os.fstat", lambda d: (real(d), os.truncate(path, 2000))[0])
    with pytest.raises(ValueError, match="cut while it was read"):
        convert.read_safetensors(path)


# ---- Flips and cuts


def checkpoint(folder):
    origin = Origin("Some", "0" * 12, {"a": ("1", "1")}, True)
    with Checkpoint(folder, origin, 1) as one:
        one.save({"module": {"weight": np.arange(3.0)}, "epoch": 1})
        return one.path, lambda: _taken_up(folder, origin)


def _taken_up(folder, origin):
    with Checkpoint(folder, origin, 1) as one:
        return one.load()


def files(tmp_path):
    """Yield small files of each kind, and what reads them."""
    for name, model in (("module", nn.Linear(1, 1)), ("pipeline", prep.Standardize().fit([np.eye(2)]))):
        seriatim.save(model, tmp_path / name)
        yield tmp_path / name, lambda path=tmp_path / name: seriatim.load(path)
    yield checkpoint(tmp_path / "folder")


def test_every_flip_and_every_cut_is_noticed(tmp_path):
    """Of header and payload alike; but for flips in the name of the checksum, which leave the model as it is."""
    for path, read in files(tmp_path):
        whole = path.read_bytes()
        name = whole.index(b'"sha256"')
        unnoticed = []
        for bit in range(0, 8 * len(whole), 1 if path.name == "module" else 31):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            with suppress(ValueError):
                read()
                unnoticed.append(bit // 8)
        assert all(name < place < name + 7 for place in unnoticed), path
        for end in range(0, len(whole), 7):
            path.write_bytes(whole[:end])
            with pytest.raises(ValueError, match="not a whole safetensors file"):
                read()
        path.write_bytes(whole)
        assert read() is not None


def test_a_checksum_is_of_the_content_not_of_its_order(tmp_path):
    path = tmp_path / "m"
    arrays = {"a": np.arange(3.0), "b": np.zeros((0, 2), np.int8), "c": np.array(True)}
    path.write_bytes(to_bytes(arrays, {"x": "1", "y": "2"}))
    texts, again = read_tensors(path, wanted=True)
    assert texts == {"x": "1", "y": "2"}
    assert all(
        np.array_equal(again[name], value) and again[name].dtype == value.dtype for name, value in arrays.items()
    )
    content = path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    save_file(dict(reversed(arrays.items())), path, metadata=head["__metadata__"])
    read_tensors(path, wanted=True)
    save_file(arrays, path, metadata={**head["__metadata__"], "z": "3"})
    with pytest.raises(ValueError, match="is damaged, or was changed"):
        read_tensors(path)
    save_file(arrays, path)
    read_tensors(path)
    with pytest.raises(ValueError, match="has no checksum"):
        read_tensors(path, wanted=True)


# ---- Other programs' files


def npz(path, header, size, **others):
    """Write an archive by hand whose array says something of itself."""
    text = (repr(header) if isinstance(header, dict) else header).encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weight.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(size))


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ({"descr": "<f4", "fortran_order": False, "shape": (2**30, 3)}, 8),
        ({"descr": "<f4", "fortran_order": False, "shape": (2**62, 4)}, 0),
        ({"descr": "|O", "fortran_order": False, "shape": (1,)}, 8),
        ({"descr": "<f4", "fortran_order": False, "shape": (3,)}, 8),
        ({"descr": "<f4", "fortran_order": False, "shape": (2**24 + 1,)}, 2**26 + 4),
        ({"descr": "<f4"}, 8),
        ("__import__('os')", 8),
        ("(" * 100, 8),
    ],
)
def test_archives_that_are_none(tmp_path, header, size):
    path = tmp_path / "m.npz"
    npz(path, header, size)
    with pytest.raises(ValueError, match=r"m\.npz: not a whole file of numpy\.savez"):
        nn.Linear(2, 2).load_state_dict(path)


def test_every_cut_of_an_archive_is_noticed(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, **nn.Linear(2, 2).state_dict())
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place])
        with pytest.raises(ValueError, match=r"m\.npz: not a whole"):
            nn.Linear(2, 2).load_state_dict(path)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        # Dates are not looked at, and what the numbers are the archive's own checksum says.
        with suppress(ValueError, KeyError):
            nn.Linear(2, 2).load_state_dict(path)


def test_files_of_keras_that_lead_elsewhere_or_ask_for_more(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.weights.h5"

    def outside(file):
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")

    def circle(file):
        file["layers/a"] = file.create_group("layers")

    def elsewhere(file):
        file.create_dataset("a", (4,), "f4", external=[("/etc/passwd", 0, 16)])

    def large(file):
        file.create_dataset("a", (3, 2**30), "f4")

    for make, words in (
        (outside, "a link to another place"),
        (circle, "at another place as well"),
        (elsewhere, "in another file"),
        (large, "12884901888 bytes are to be unpacked"),
        (lambda file: file.attrs.update(layer_names=[b"none"]), "not a whole file of Keras"),
    ):
        with h5py.File(path, "w") as file:
            make(file)
        with pytest.raises(ValueError, match=words):
            convert.keras_gru(path)
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(2**26 + 1))
    with pytest.raises(ValueError, match="are to be unpacked"):
        convert.keras_gru(tmp_path / "m.keras")
    for content in (b"", b"PK\3\4", b"\x89HDF\r\n\x1a\n" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"m\.weights\.h5: "):
            convert.keras_gru(path)


# ---- Mutations


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="files in memory are Linux's")
@pytest.mark.filterwarnings("ignore")
def test_mutated_files(monkeypatch):
    """A few of those of ``Tests/fuzz/files_atheris.py``: a model, or ValueError, and safetensors reads the same."""
    target, corpus = files_target.Target(), files_target.seeds(CORPUS)
    with np.errstate():
        for content in corpus:
            assert target(content) is not None
        assert files_target.run(target, corpus, 250, seed=1) is None
    assert min(target.counts.values()) > 25


def test_threads_load_one_file(tmp_path):
    seriatim.save(nn.Linear(2, 2, rng=0), tmp_path / "m")
    found = []
    threads = [threading.Thread(target=lambda: found.append(seriatim.load(tmp_path / "m"))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({model.weight.data.tobytes() for model in found}) == 1
    assert len(found) == 4
