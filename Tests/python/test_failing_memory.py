"""Every request for memory that the extension makes fails in its turn: an error, and all as it was.

``python Tests/python/failing_memory.py`` lets Python's own requests fail as well.
"""

import failing_memory
import pytest
from core_arguments import GOOD

MANNER = failing_memory.OfTheExtension()


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"refuse_memory", "set_num_threads"}))
def test_functions(name):
    failing_memory.check_function(name, GOOD[name][0], MANNER)


def test_a_training_step():
    assert failing_memory.TrainingStep().check(MANNER, range(100)) > 10


@pytest.fixture(scope="module")
def estimator(tmp_path_factory):
    return failing_memory.Estimator(tmp_path_factory.mktemp("estimator"))


@pytest.mark.parametrize("job", ["predict", "save", "load", "fit"])
def test_an_estimator(job, estimator):
    estimator.check(job, MANNER, range(0, 60, 7))
