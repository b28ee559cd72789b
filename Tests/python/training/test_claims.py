"""Files that one training holds: with locks, and on file systems that have none."""

import errno
import os
import socket

import pytest

from seriatim.training import _claims


def nobody(path):
    return _claims.NOBODY


@pytest.fixture
def without_locks(monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)


def test_what_is_held_is_not_taken(tmp_path):
    path = tmp_path / "file"
    claim = _claims.write(path, b"1")
    assert _claims.take(path) is None
    # As of a process that does not know what this one holds: the lock says it.
    _claims._held.clear()
    assert _claims.take(path) is None
    newer = _claims.write(path, b"2")
    claim.release()
    assert path.read_bytes() == b"2"
    _claims._held.clear()
    assert _claims.take(path) is None
    newer.release()
    taken = _claims.take(path)
    assert taken is not None
    taken.release()
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert _claims.take(tmp_path / "none") is None


def test_a_forked_process_holds_nothing(tmp_path):
    path = tmp_path / "file"
    claim = _claims.write(path, b"1")
    _claims._forked()
    assert claim.descriptor is None
    assert _claims.take(path) is None, "it is the parent's"
    claim.release()


def test_what_was_half_written_is_removed(tmp_path):
    (tmp_path / ".file.1234").write_bytes(b"half")
    held = _claims.write(tmp_path / ".file.5678", b"half")
    _claims.clear(tmp_path, "file*")
    assert [each.name for each in tmp_path.iterdir()] == [".file.5678"]
    held.release()


def test_a_write_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        _claims.write(tmp_path / "file", b"1")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def owner(host=None, boot=None, process=None, started=None):
    known = [socket.gethostname(), _claims._boot(), str(os.getppid()), _claims._started(os.getppid()), "0.0"]
    given = [host, boot, process, started, None]
    return "|".join([one if new is None else new for one, new in zip(known, given, strict=True)])


@pytest.mark.parametrize(
    ("said", "free"),
    [
        (owner(), False),
        (owner(boot="another"), True),
        (owner(process="999999999"), True),
        (owner(started="1"), True),
        (owner(host="another"), False),
        (_claims.me(0.0), True),
        (_claims.NOBODY, True),
    ],
    # What they say is another process's in each that runs the tests.
    ids=["parent", "another boot", "no process", "another start", "another host", "this process", "nobody"],
)
def test_without_locks_the_file_says_whose_it_is(tmp_path, without_locks, said, free):
    path = tmp_path / "file"
    path.write_bytes(b"1")
    assert _claims.is_held(path, lambda _: said) is not free
    claim = _claims.take(path, lambda _: said)
    assert (claim is not None) is free
    if claim is not None:
        # It was moved, which one process alone can do.
        assert not path.exists()
        assert claim.path.read_bytes() == b"1"
        claim.release()


def test_without_locks_another_machine_that_is_silent_is_dead(tmp_path, without_locks):
    path = tmp_path / "file"
    path.write_bytes(b"1")
    os.utime(path, (0, 0))
    claim = _claims.take(path, lambda _: owner(host="another"))
    assert claim is not None
    claim.release()


def test_without_locks_this_process_knows_what_it_holds(tmp_path, without_locks):
    claim = _claims.write(tmp_path / "file", b"1")
    assert _claims.take(tmp_path / "file", nobody) is None
    claim.release()
    taken = _claims.take(tmp_path / "file", nobody)
    assert taken is not None
    taken.release()
