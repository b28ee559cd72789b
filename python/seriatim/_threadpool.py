"""The worker pool as threadpoolctl sees it: ``threadpool_limits(1)`` bounds Seriatim's threads too.

scikit-learn and joblib limit threads with threadpoolctl where they run several processes or threads themselves.
"""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import LibController, register

from seriatim import _core
from seriatim._config import __version__, get_num_threads, set_num_threads


class SeriatimController(LibController):  # type: ignore[misc]
    """What threadpoolctl asks of a library."""

    user_api = "seriatim"
    internal_api = "seriatim"
    # The whole name: other packages have a _core too.
    filename_prefixes = (Path(_core.__file__).name,)

    def get_num_threads(self) -> int:
        """Return how many threads a call may use."""
        return get_num_threads()

    def set_num_threads(self, num_threads: int) -> None:
        """Set how many threads a call may use."""
        set_num_threads(num_threads)

    def get_version(self) -> str:
        """Return the library's version."""
        return __version__


register(SeriatimController)
