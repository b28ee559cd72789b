"""Files that are written: whole, by one of several writers, over links, beside what is no file, and through errors."""

import errno
import fcntl
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

import seriatim
from seriatim import nn
from seriatim._files import replace_file


def names(folder):
    return sorted(each.name for each in folder.iterdir())


# ---- Who writes


def test_two_writers_and_a_reader(tmp_path):
    path, models = tmp_path / "m", [nn.Linear(20, 20, rng=seed) for seed in range(2)]
    wanted = {model.weight.data.tobytes() for model in models}
    seriatim.save(models[0], path)
    errors, stop = [], threading.Event()

    def write(model):
        try:
            for _ in range(10):
                seriatim.save(model, path)
        except BaseException as error:
            errors.append(error)

    def read():
        while not stop.is_set():
            if seriatim.load(path).weight.data.tobytes() not in wanted:
                errors.append("neither of the two")

    writers = [threading.Thread(target=write, args=(model,)) for model in models]
    reader = threading.Thread(target=read)
    for one in (*writers, reader):
        one.start()
    for one in writers:
        one.join()
    stop.set()
    reader.join()
    assert not errors
    assert names(tmp_path) == ["m"]


def left(path, token="0" * 16):
    return path.with_name(f".{path.name}.{token}.unfinished")


def test_what_a_dead_writer_left_is_removed_and_a_living_one_s_is_not(tmp_path):
    path = tmp_path / "m"
    others = [
        left(tmp_path / "n"),
        tmp_path / ".m.unfinished",
        tmp_path / f".m.{'0' * 16}.unfinished.txt",
        tmp_path / ".m.7",
    ]
    for one in (*others, left(path)):
        one.write_bytes(b"half")
    with left(path, "1" * 16).open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        replace_file(path, b"new")
        assert names(tmp_path) == sorted(["m", left(path, "1" * 16).name, *(one.name for one in others)])
    replace_file(path, b"newer")
    assert names(tmp_path) == sorted(["m", *(one.name for one in others)])


def test_a_writer_whose_file_was_taken_for_a_dead_one_s_begins_anew(tmp_path, monkeypatch):
    """Another one may find it between its making and its lock."""
    real, seen = fcntl.flock, []

    def late(descriptor, how):
        if not seen:
            seen.extend(tmp_path.glob(".m.*.unfinished"))
            seen[0].unlink()
        real(descriptor, how)

    monkeypatch.setattr("fcntl.flock", late)
    replace_file(tmp_path / "m", b"new")
    assert len(seen) == 1
    assert (tmp_path / "m").read_bytes() == b"new"
    assert names(tmp_path) == ["m"]


# ---- What is there


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o777])
def test_the_mode_of_a_file_is_kept(tmp_path, mode):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "m", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640


def test_links_are_followed(tmp_path):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "m"
    for link, to in (("one", "far/m"), ("two", "one"), ("folder", "far")):
        (tmp_path / link).symlink_to(to)
    # The first makes the file.
    for path in ("one", "two", "folder/m"):
        replace_file(tmp_path / path, path.encode())
        assert target.read_bytes() == path.encode()
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "two").is_symlink()
    assert names(tmp_path / "far") == ["m"]
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="circle"):
        replace_file(tmp_path / "circle", b"")


def test_pipes_and_devices_are_written_to(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    seriatim.save(nn.Linear(2, 2, rng=0), pipe)
    reader.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    (tmp_path / "m").write_bytes(got[0])
    np.testing.assert_array_equal(seriatim.load(tmp_path / "m").weight, nn.Linear(2, 2, rng=0).weight)
    replace_file("/dev/null", b"away")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError, match=r"No space left.*/dev/full") as caught:
        replace_file("/dev/full", b"away")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}", "{}/link"])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux's names")
def test_descriptors_go_on_where_they_stand(tmp_path, form):
    """Of ``> file`` in a shell, whose file must not be replaced."""
    path = tmp_path / "m"
    with path.open("wb") as file:
        file.write(b"before ")
        file.flush()
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        replace_file(form.format(tmp_path if "link" in form else file.fileno()), b"content")
        file.write(b" behind")
    assert path.read_bytes() == b"before content behind"


def test_folders_disks_and_sockets_are_refused(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="got that of a disk or a socket"):
            replace_file(tmp_path / "s", b"")
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path, b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file/m"):
        replace_file(tmp_path / "file" / "m", b"")
    assert names(tmp_path) == ["file", "s"]


# ---- Names


@pytest.mark.parametrize("name", ["m" * 255, "ü" * 127, "m" * 253, "日本語 モデル", "a\nb", "-", "x*[?]", b"\xff\xfe"])
def test_names(tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + os.fsencode(name)
    for given in (path, Path(os.fsdecode(path)), os.fsdecode(path)):
        seriatim.save(nn.ReLU(), given, metadata={"a": 1})
        assert seriatim.read_metadata(given) == {"a": 1}
        assert isinstance(seriatim.load(given), nn.ReLU)
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]


def test_names_that_are_none(tmp_path):
    with pytest.raises(OSError, match="mmmm") as caught:
        replace_file(tmp_path / ("m" * 256), b"")
    assert caught.value.errno == errno.ENAMETOOLONG
    with pytest.raises(ValueError, match="without null characters"):
        seriatim.save(nn.ReLU(), "a\0b")


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for path in ("m", "./a/../m", "a/../a/m"):
        replace_file(path, b"new")
    assert names(tmp_path) == ["a", "m"]
    assert names(tmp_path / "a") == ["m"]


# ---- Errors at every call of the system


CALLS = ("open", "write", "fsync", "replace", "fchmod", "fstat", "stat", "close", "scandir")


class Failing:
    """Lets the n-th call of the functions of ``os`` that write files end in an error.

    Parameters
    ----------
    monkeypatch : MonkeyPatch
    number : int
    error : callable
        Makes the error.
    """

    def __init__(self, monkeypatch, number, error):
        self.left, self.error, self.name, self.replaced = number, error, None, False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name, real):
        def call(*args, **kwargs):
            self.left -= 1
            if self.left == 0:
                self.name = name
                if name == "close":
                    # Linux lets go of a descriptor whatever it says.
                    real(*args, **kwargs)
                raise self.error()
            if name == "write" and len(args[1]) > 200:
                # The system may take less than it is given.
                return real(args[0], args[1][:200])
            found = real(*args, **kwargs)
            self.replaced |= name == "replace"
            return found

        return call


@pytest.mark.parametrize("error", [lambda: OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt])
def test_an_error_at_any_call_leaves_a_whole_file(tmp_path, error):
    path, failed = tmp_path / "m", []
    old, new = b"old" * 300, b"new" * 300
    for number in range(1, 100):
        path.write_bytes(old)
        with pytest.MonkeyPatch.context() as patch:
            calls = Failing(patch, number, error)
            caught = None
            try:
                replace_file(path, new)
            except (OSError, KeyboardInterrupt) as one:
                caught = one
        if calls.name is None:
            break
        failed.append(calls.name)
        is_new = caught is None or calls.replaced
        assert path.read_bytes() == (new if is_new else old), (number, calls.name)
        assert names(tmp_path) == ["m"], (number, calls.name)
        if isinstance(caught, OSError):
            assert (caught.errno, caught.filename) == (errno.ENOSPC, str(path))
    assert {"open", "write", "fsync", "replace", "fchmod"} <= set(failed)
    assert failed.count("write") == 5


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "seteuid"), reason="root may write anything")
def test_what_may_not_be_written_is_left(tmp_path):
    (tmp_path / "m").write_bytes(b"old")
    (tmp_path / "m").chmod(0o444)
    tmp_path.chmod(0o755)
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(tmp_path, 65534, 65534)
        os.chown(tmp_path / "m", 65534, 65534)
    for folder in (0o755, 0o555):
        tmp_path.chmod(folder)
        refused = []
        for name in ("m", "n") if folder == 0o555 else ("m",):
            with pytest.MonkeyPatch.context() as patch:
                if as_root:
                    # access() goes by the real user, whom the system asks for nothing.
                    patch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & 0o200))
                    os.seteuid(65534)
                try:
                    replace_file(tmp_path / name, b"new")
                except PermissionError as error:
                    refused.append(error.filename)
                finally:
                    if as_root:
                        os.seteuid(0)
        assert len(refused) == (2 if folder == 0o555 else 1)
        assert all(name.startswith(str(tmp_path)) for name in refused)
    tmp_path.chmod(0o755)
    assert names(tmp_path) == ["m"]
    assert (tmp_path / "m").read_bytes() == b"old"
