"""What is said of data before training."""

import numpy as np
import pytest
from samples import ragged
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from seriatim import Sequences
from seriatim import preprocessing as prep
from seriatim._warnings import heard_by, warn
from seriatim.models import (
    GRUClassifier,
)
from seriatim.models._warnings import warn_of_scales

X, Y = ragged()


def test_unscaled_features_are_named():
    far = Sequences(X.X * [1.0, 1e5], X.lengths)
    model = GRUClassifier(hidden_size=4, max_epochs=1, scaling=None, preprocessing=None)
    with pytest.warns(UserWarning, match="standard deviations from .* nothing scales them"):
        model.fit(far, Y)
    make_pipeline(prep.Standardize(), clone(model)).fit(far, Y)
    GRUClassifier(hidden_size=4, max_epochs=1).fit(far, Y)


def test_small_features_are_named_as_well():
    with pytest.warns(UserWarning, match="standard deviations from .* nothing scales them"):
        warn_of_scales(Sequences(X.X / np.abs(X.X).max() * [1.0, 1e-5], X.lengths))


@pytest.mark.filterwarnings("ignore:training reached its last epoch")
def test_what_is_too_few_is_named():
    labels = Y.astype(object)
    labels[0] = "alone"
    with pytest.warns(UserWarning, match="a single sequence of 'alone'"):
        GRUClassifier(hidden_size=4, max_epochs=1).fit(X, labels.astype(str))
    few = GRUClassifier(hidden_size=4, max_epochs=2, early_stopping=True, validation_fraction=0.04)
    with pytest.warns(UserWarning, match="chooses the epoch by 2 sequences, each worth 50 points"):
        few.fit(X, Y)


def test_warnings_name_the_users_line_through_a_search_as_well():
    model = GRUClassifier(hidden_size=2, max_epochs=1, scaling=None, preprocessing=None)
    far = Sequences(X.X * [1.0, 1e5], X.lengths)
    with pytest.warns(UserWarning, match="standard deviations") as found:
        cross_val_score(model, far, Y, cv=2)
    assert {warning.filename for warning in found} == {__file__}


def test_warnings_of_a_worker_name_the_first_line_outside_of_the_package(recwarn):
    def run(module, code, **given):
        exec(compile(code, module, "exec"), names := {"__name__": module, **given})
        return names["f"]

    deep = run("seriatim.training", "def f(): warn('text')", warn=warn)
    between = run("sklearn.model_selection", "def f(): g()", g=deep)
    run("multiprocessing.process", "def f(): g()", g=between)()
    assert [warning.filename for warning in recwarn] == ["sklearn.model_selection"]


@pytest.mark.filterwarnings("ignore:training reached its last epoch")
def test_validation_data_that_a_pipeline_does_not_transform_are_named():
    far = Sequences(X.X + [0, 1000], X.lengths)
    pipeline = make_pipeline(prep.Standardize(), GRUClassifier(hidden_size=2, max_epochs=1))
    with pytest.warns(UserWarning, match=r"feature 1 has a mean of 999.* in training .* In a pipeline"):
        pipeline.fit(far, Y, gruclassifier__validation_data=(far, Y))
    GRUClassifier(hidden_size=2, max_epochs=1).fit(far, Y, validation_data=(far[:9], Y[:9]))
    constant = [Sequences(X.X * [1, 0] + [0, k], X.lengths) for k in (1, 2)]
    GRUClassifier(hidden_size=2, max_epochs=1).fit(constant[0], Y, validation_data=(constant[1], Y))
    wider = make_pipeline(prep.Deltas(), GRUClassifier(hidden_size=2, max_epochs=1))
    with pytest.raises(ValueError, match=r"X has 2 features, .* In a pipeline validation_data does not pass"):
        wider.fit(X, Y, gruclassifier__validation_data=(X, Y))


def test_warnings_can_be_handed_on():
    heard = []
    with heard_by(lambda *warning: heard.append(warning)):
        warn("a text", ConvergenceWarning)
    assert heard == [("a text", ConvergenceWarning)]
    with pytest.warns(ConvergenceWarning, match="a text"):
        warn("a text", ConvergenceWarning)
