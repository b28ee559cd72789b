"""What `seriatim.dask` says where Dask is missing, and that nothing else imports it."""

import importlib
import sys

import pytest


def test_where_dask_is_missing_the_error_says_what_to_install(monkeypatch):
    for name in list(sys.modules):
        if name.split(".")[:2] == ["seriatim", "dask"]:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"expected dask and distributed, got: .*; install them by pip install"):
        importlib.import_module("seriatim.dask")
