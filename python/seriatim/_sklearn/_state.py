"""What a file keeps of an estimator: the estimator says it, and whoever writes files asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from seriatim._sklearn._looks import Linked
from seriatim._sklearn._whole import answers, state_of

Self = TypeVar("Self", bound="Stored")


class Stored(Linked):
    """Parameters and fitted attributes that a file keeps. A class has the names of its bases as well as its own."""

    # Fitted attributes, those alone that a fit may leave out included; in no order.
    # Of every one what was said of it beside parameters: the container of its output, the metadata that it asks for.
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("_sklearn_output_config", "_output", "_metadata_request")
    # Parameters that say how a fit runs, not what the model is; they may hold anything and stay behind.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ()

    def _parameters_to_save(self) -> dict[str, Any]:
        """Return parameters as they are, and None for what stays behind."""
        given: dict[str, Any] = self.get_params(deep=False)  # type: ignore[attr-defined]
        left = self._names_unsaved()
        return {name: None if name in left else value for name, value in given.items()}

    @classmethod
    def _names_unsaved(cls) -> set[str]:
        return {name for base in cls.__mro__ for name in vars(base).get("_unsaved_parameters", ())}

    @answers
    def _fitted_state(self) -> dict[str, Any]:
        """Return the fitted attributes that are there."""
        return {name: vars(self)[name] for name in self._names_of_state() if name in vars(self)}

    def __getstate__(self) -> dict[str, Any]:
        # Of copies and pickles, which another thread may make during a fit.
        return state_of(self)

    @classmethod
    def _restored(cls: type[Self], parameters: Mapping[str, Any], fitted: Mapping[str, Any]) -> Self:
        """Return an estimator with parameters and fitted attributes.

        Raises
        ------
        ValueError
            An attribute is none of the class.
        """
        unknown = sorted(set(fitted) - set(cls._names_of_state()))
        if unknown:
            raise ValueError(f"{cls.__name__}: expected fitted attributes out of its own, got {unknown} as well")
        model = cls(**parameters)
        for name, value in fitted.items():
            setattr(model, name, value)
        return model

    @classmethod
    def _names_of_state(cls) -> list[str]:
        names = [name for base in reversed(cls.__mro__) for name in vars(base).get("_fitted_attributes", ())]
        return list(dict.fromkeys(names))
