"""The bar: one a fit, and how it ends, in a terminal, a notebook with and without widgets, and a worker of a search."""

import contextlib
import importlib.util
import sys
import types

import pytest
from samples import make, rising

from seriatim.models import GRUClassifier
from seriatim.training import Progress, _progress

X, Y = rising()


class Bar:
    """What tqdm would show."""

    def __init__(self, total, **_):
        self.total, self.n, self.texts, self.values, self.closed = total, 0, [], {}, False
        self.made.append(self)

    def update(self):
        self.n += 1

    def set_description(self, text, refresh=True):
        self.texts.append(text)

    def set_postfix(self, values, refresh=True):
        self.values = values

    def refresh(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.setattr(Bar, "made", [], raising=False)
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    return Bar.made


def fit(**parameters):
    validation = (X, Y) if parameters.get("early_stopping") else None
    with pytest.warns() if parameters.pop("warns", False) else contextlib.nullcontext():
        model = make(GRUClassifier, verbose=1, **parameters)
        return model.fit(X, Y, validation_data=validation)


def test_early_stopping_ends_as_a_success(bars):
    model = fit(early_stopping=True, n_iter_no_change=1, tol=1e9, max_epochs=9)
    [bar] = bars
    assert model.n_iter_ == 2
    assert bar.texts[-1] == "stopped at 2, best 1"
    assert bar.closed
    assert bar.n == bar.total > 0
    assert set(bar.values) == {"loss", "validation"}


def test_all_epochs(bars):
    fit(max_epochs=2)
    [bar] = bars
    assert bar.texts == ["epoch 1/2", "epoch 2/2", "2 epochs"]
    assert bar.n == bar.total


def test_a_callback_stops(bars):
    fit(max_epochs=7, callbacks=[lambda history: len(history["loss"]) == 2])
    assert bars[0].texts[-1] == "stopped at 2"
    assert bars[0].n == bars[0].total


def test_max_time(bars):
    fit(max_epochs=1000, max_time=1e-6, warns=True)
    assert bars[0].texts == ["epoch 1/1000, at most 1e-06 s", "time is up at 1"]
    assert bars[0].n == bars[0].total


def test_an_interruption_is_said_and_is_no_success(bars):
    def interrupt(history):
        raise KeyboardInterrupt

    fit(max_epochs=7, callbacks=[interrupt], warns=True)
    assert bars[0].texts[-1] == "interrupted after 1 epoch"
    assert (bars[0].how, bars[0].closed) == ("warning", True)
    assert 0 < bars[0].n < bars[0].total


def test_an_error_is_named(bars):
    with pytest.raises(ValueError, match="diverged"):
        fit(max_epochs=7, learning_rate=1e30, schedule="constant")
    assert bars[0].texts[-1] == "failed in epoch 1 of 7: ValueError"
    assert (bars[0].how, bars[0].closed) == ("danger", True)
    assert bars[0].n < bars[0].total


class Page:
    """A notebook's page: what is displayed, and what it is replaced by."""

    def __init__(self):
        self.shown = []

    def display(self, data, raw=False, display_id=None):
        self.shown.append([data])
        mine = self.shown[-1]
        return types.SimpleNamespace(update=lambda data, raw: mine.append(data))


@pytest.fixture
def page(monkeypatch):
    page = Page()
    shell = types.SimpleNamespace(kernel=None)
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=page.display))
    return page


def widgets(monkeypatch, there):
    spec, find = importlib.util.find_spec("json"), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: (spec if there else None) if name == "ipywidgets" else find(name, *rest),
    )


@pytest.mark.parametrize(("how", "colour"), [("success", "#2E9E5B"), ("warning", "#E69F00"), ("danger", "#D1343B")])
def test_a_page_without_widgets_shows_html_and_writes_nothing(page, monkeypatch, capfd, how, colour):
    widgets(monkeypatch, False)
    with Progress(1, epochs=2, batches=4) as progress:
        progress.epoch(1)
        for _ in range(3):
            progress.batch()
        progress.show(loss=0.25)
        progress.end("a <text>", how)
    assert capfd.readouterr() == ("", "")
    [states] = page.shown
    assert "#0072B2" in states[0]["text/html"]
    assert "a &lt;text&gt;" in states[-1]["text/html"]
    assert colour in states[-1]["text/html"]
    assert ("width:100%" in states[-1]["text/html"]) == (how == "success")
    assert states[-1]["text/plain"].startswith("a <text>:")
    assert "loss=0.25" in states[-1]["text/plain"]


def test_a_widget_leaves_html(page, monkeypatch):
    widgets(monkeypatch, True)
    from tqdm.std import tqdm

    class Widget(tqdm):
        def __init__(self, display, **settings):
            super().__init__(gui=True, **settings)
            self.style = types.SimpleNamespace(max=None)
            self.container = types.SimpleNamespace(children=[None, self.style, None])

        def display(self, *_, **__):
            pass

    monkeypatch.setattr("tqdm.auto.tqdm", Widget)
    with Progress(1, epochs=2, batches=4) as progress:
        progress.batch()
        progress.end("stopped at 1, best 1")
    widget, last = page.shown[0]
    assert widget.children[1].max == 1
    assert "#2E9E5B" in last["text/html"]
    assert last["text/plain"].startswith("stopped at 1, best 1: 100% 1/1")


def test_a_fit_in_a_worker_writes_one_line(monkeypatch, capfd):
    monkeypatch.setattr(_progress.multiprocessing, "parent_process", lambda: object())
    fit(max_epochs=2)
    out, err = capfd.readouterr()
    assert (out.count("\n"), err) == (1, "")
    assert out.startswith("2 epochs: 100%")


def test_a_worker_says_one_line(monkeypatch, capfd):
    monkeypatch.setattr(_progress.multiprocessing, "parent_process", lambda: object())
    with Progress(1, epochs=1, batches=2) as progress:
        progress.epoch(1)
        progress.batch()
        progress.batch()
        progress.show(loss=0.5)
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("1 of 1 epochs: 100% 2/2")
    assert out.count("\n") == 1
    assert "\r" not in out
    assert "loss=0.5" in out


class Elsewhere(list):
    """A bar that keeps what it is told."""

    total = n = 0
    how = ""

    def __getattr__(self, name):
        return lambda *given, **more: self.append((name, *given))


def test_somebody_else_shows_a_fit_whatever_it_would_show_here(capfd):
    bar, lines = Elsewhere(), []
    for verbose in (0, 1):
        with _progress.shown_by(lambda total: bar.append(total) or bar, lines.append):
            make(GRUClassifier, max_epochs=2, verbose=verbose).fit(X, Y)
        assert bar[0] == sum(entry == ("update",) for entry in bar[1:])
        assert ("close",) in bar
        assert bar.how == "success"
        bar.clear()
    assert len(lines) == 1
    assert lines[0].startswith("GRUClassifier: ")
    assert capfd.readouterr() == ("", "")
