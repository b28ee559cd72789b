"""How estimators and transformers look in a notebook."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from seriatim._brief import brief

# Where the documentation is published, without a slash at the end: "Documentation" of pyproject.toml's addresses.
SITE = "https://seriatim.readthedocs.io/en/latest"


class Linked:
    """An HTML representation whose mark "?" leads to the class's page of the reference."""

    _doc_link_module: ClassVar[str] = "seriatim"

    def _get_doc_link(self) -> str:
        """Return the address of the class's page, as scikit-learn asks for it; empty for classes of others.

        Only with a page does scikit-learn show what a parameter means, too.
        """
        module, *_ = path = type(self).__module__.split(".")
        if module != self._doc_link_module:
            return ""
        public = ".".join(takewhile(lambda part: not part.startswith("_"), path))
        return f"{SITE}/api/generated/{public}.{type(self).__name__}.html"


def shortened(estimator: BaseEstimator, *names: str) -> str:
    """Return scikit-learn's representation of an estimator, with some of its parameters in a few words."""
    cls = type(estimator)
    # Of this class, not of one with a representation of its own: scikit-learn's asks what the class is.
    plain: Any = type(cls.__name__, (BaseEstimator,), {"__init__": cls.__init__})
    shown = plain.__new__(plain)
    given = estimator.get_params(deep=False)
    vars(shown).update({name: _Text(brief(value)) if name in names else value for name, value in given.items()})
    return repr(shown)


class _Text:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text
