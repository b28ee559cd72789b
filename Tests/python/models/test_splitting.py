"""What is trained on, and what is kept for validation."""

import numpy as np
import pytest
from samples import DIMS, make, rising

from seriatim.models import DeepGRUClassifier

still_improving = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


X, Y = rising()


@still_improving
def test_groups_are_not_divided():
    groups = np.arange(60) // 6
    seen = {}

    class Watched(DeepGRUClassifier):
        def _learn(self, training, *rest):
            seen["trained"] = {row.tobytes() for row in training.sequences}
            return super()._learn(training, *rest)

    model = Watched(dims=DIMS, max_epochs=2, early_stopping=True, validation_fraction=0.2, random_state=0)
    model.set_params(n_iter_no_change=1).fit(X, Y, groups=groups)
    of_group = {g: {np.asarray(X[i], np.float32).tobytes() in seen["trained"] for i in np.flatnonzero(groups == g)}
                for g in range(10)}  # fmt: skip
    assert all(len(found) == 1 for found in of_group.values())
    assert 1 <= sum(found == {False} for found in of_group.values()) <= 4


def test_bad_groups():
    for groups, words in ((np.zeros(60), "at least 2 groups"), (np.arange(3), "a group for each of 60")):
        with pytest.raises(ValueError, match=words):
            make(early_stopping=True).fit(X, Y, groups=groups)
