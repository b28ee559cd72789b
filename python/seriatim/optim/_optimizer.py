"""Update rules, one fused kernel call over a model's flat buffer each.

An optimiser moves its parameters into one buffer (``nn.flatten``), so a step, a norm or a scaling is one pass over
memory. Parameters without a gradient, or with ``requires_grad`` False, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats
from seriatim._brief import brief
from seriatim._typing import Array
from seriatim.nn import Module, Parameter, flatten
from seriatim.nn.base._contexts import warn_before_step
from seriatim.nn.base._parameter import CLOCK, owned, runs

# A power of two, so that nothing is rounded.
_LEAST_FACTOR = 2.0**-100
# Settings of torch's groups, and a name that lr has elsewhere, that no rule here has.
_NOT_HERE = ("amsgrad", "maximize", "learning_rate")


def _check(**bounds: tuple[Any, float, float]) -> None:
    for name, (value, low, high) in bounds.items():
        try:
            fits = bool(low <= value <= high)
        except (TypeError, ValueError):
            why = ", which is text (as YAML reads 1e-3; 1.0e-3 is a number there)" if isinstance(value, str) else ""
            raise TypeError(f"{name}: expected a number, got {value!r}{why}") from None
        if not fits:
            wanted = f"at least {low}" if high == np.inf else f"from {low} to {high}"
            raise ValueError(f"{name}: expected a number {wanted}, got {value!r}")


def _listed(params: Any) -> list[Any]:
    """Return parameters, or groups of them, as a list; raise TypeError for what has none of them to go over."""
    if isinstance(params, Module):
        raise TypeError(f"params: expected Parameters, got a {type(params).__name__}: give its parameters()")
    if not isinstance(params, Iterable):
        raise TypeError(f"params: expected Parameters, got {brief(params)}")
    return list(params)


def _check_parameter(p: Any) -> None:
    if isinstance(p, Parameter):
        return
    kind = type(p)
    if isinstance(p, Module):
        raise TypeError(f"params: expected Parameters, got {kind.__name__}, a module: give its parameters()")
    if kind.__name__ == Parameter.__name__:
        raise TypeError(f"params: expected seriatim.nn.Parameters, got {kind.__module__}.{kind.__name__}")
    raise TypeError(f"params: expected Parameters, got {kind.__name__}")


def _alike(places: list[int], steps: list[int]) -> list[list[int]]:
    """Cut a run where parameters have made different numbers of steps, or do not follow each other in the group."""
    parts = [[places[0]]]
    for before, place in pairwise(places):
        if place == before + 1 and steps[place] == steps[before]:
            parts[-1].append(place)
        else:
            parts.append([place])
    return parts


def _described(group: Mapping[str, Any]) -> str:
    """Return a group's numbers, and how much it moves."""
    numbers = ", ".join(f"{name}={value!r}" for name, value in group.items() if name not in ("params", "initial_lr"))
    params = group["params"]
    return f"{numbers}; {len(params)} parameter{'s' * (len(params) > 1)} of {sum(p.size for p in params):,} numbers"


class Optimizer:
    """What all update rules share.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        Parameters, or groups of them with settings of their own: ``{'params': ..., 'lr': ...}``.
    defaults : dict
        Settings of groups that do not name them.

    Attributes
    ----------
    param_groups : list of dict
        Each with ``params`` and the rule's numbers; ``lr`` and the others may be changed between steps.
    defaults : dict
        Settings of groups that do not name them.

    Raises
    ------
    ValueError
        There is no parameter, or one comes twice.
    TypeError
        Something is not a Parameter, or a setting no number.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Parameter):
            raise TypeError("params: expected several Parameters or groups of them, got one Parameter: [parameter]")
        given = _listed(params)
        if not given:
            raise ValueError("params: expected at least one parameter, got none")
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        # State of each parameter, in one flat array a name and group; and how many steps each has made, by its place
        # in the group.
        self._state: list[dict[str, Array]] = []
        self._steps: list[list[int]] = []
        # What a schedule has set the learning rates to, one a group; None of one that came later.
        self._scheduled: list[float | None] | None = None
        # When the last step was made.
        self._since = CLOCK.now
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self._add(group)
        flatten(self._members())

    def _members(self) -> list[Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Train more parameters from the next step on: layers that were frozen, or a new head.

        Parameters
        ----------
        param_group : mapping
            ``params``, a Parameter or several, and settings of their own, ``lr`` for one; the others are those that the
            optimiser was made with (``defaults``). Their state, moments and the number of steps, begins at nothing;
            that of the other groups stays. A schedule goes on from the group's own ``lr``.

        Raises
        ------
        ValueError
            There is no parameter, one comes twice or is in another group, or a setting is out of its range.
        TypeError
            Something is not a Parameter, or ``param_group`` no mapping or with a setting that the rule has not. The
            optimiser is then as it was.
        """
        self._add(param_group)
        flatten(self._members())

    def _add(self, param_group: Mapping[str, Any]) -> None:
        if not isinstance(param_group, Mapping):
            raise TypeError(f"param_group: expected a dict with 'params', got {type(param_group).__name__}")
        if "params" not in param_group:
            raise ValueError(f"param_group: expected 'params' among its keys, got {sorted(map(str, param_group))}")
        given = param_group["params"]
        members = [given] if isinstance(given, Parameter) else _listed(given)
        for p in members:
            _check_parameter(p)
        if isinstance(given, (set, frozenset)):
            raise TypeError("params: expected an ordered collection, got a set, whose order is another in every run")
        if not members and self.param_groups:
            raise ValueError("params: expected at least one parameter in a group, got none")
        known = {id(p) for p in self._members()}
        if len({id(p) for p in members} | known) != len(members) + len(known):
            raise ValueError("params: expected every parameter once, got one twice, or one of another group")
        for name in set(param_group) - {"params"} - set(self.defaults):
            # A key of the caller's own may stand here, as in torch; not one that is meant to do something.
            if (name in _NOT_HERE and param_group[name]) or get_close_matches(str(name), self.defaults, cutoff=0.75):
                raise TypeError(f"param_group: expected settings among {sorted(self.defaults)}, got {name!r}")
        group = {**self.defaults, **param_group, "params": members}
        self._check_group(group)
        self.param_groups.append(group)
        self._state.append({})
        self._steps.append([0] * len(members))
        if self._scheduled is not None:
            self._scheduled.append(None)

    def _check_group(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a setting that is out of its range."""

    def __repr__(self) -> str:
        groups = [_described(group) for group in self.param_groups]
        if len(groups) == 1:
            return f"{type(self).__name__}({groups[0]})"
        lines = "".join(f"\n  ({index}): {text}" for index, text in enumerate(groups))
        return f"{type(self).__name__}({lines}\n)"

    def zero_grad(self) -> None:
        """Make all gradients zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad()

    def step(self) -> None:
        """Move every parameter that has a gradient.

        Raises
        ------
        ValueError, TypeError
            A group's setting has become what the rule cannot take; nothing has moved.

        Warns
        -----
        RuntimeWarning
            Forwards of modules that have some of the parameters are still open, or a module was used since the last
            step and one of its parameters got no gradient: a backward was forgotten, or a forward in training mode was
            meant to predict.
        """
        for group in self.param_groups:
            self._check_group(group)
        warn_before_step([group["params"] for group in self.param_groups], self._since)
        CLOCK.now += 1
        self._since = CLOCK.now
        for index, group in enumerate(self.param_groups):
            params, steps = group["params"], self._steps[index]
            found = runs([p for p in params if p.requires_grad])
            if len(found) == 1 and len(found[0][0]) == len(params) and len(set(steps)) == 1:
                # All of them, as they lie: what nearly every step of a training is.
                _, data, grad = found[0]
                try:
                    self._update(index, group, slice(0, len(data)), data, grad, steps[0] + 1)
                    steps[:] = [steps[0] + 1] * len(steps)
                finally:
                    # Whatever Ctrl-C comes between: packed weights are never older than the parameters.
                    for p in params:
                        p._touch()
                continue
            places = {id(p): place for place, p in enumerate(params)}
            offsets = list(accumulate((p.size for p in params), initial=0))
            for members, data, grad in found:
                # Neighbours in memory need not be neighbours in the group's state: one that stands between them there
                # may have stayed elsewhere. So the place in the run is counted by itself.
                begin = 0
                for part in _alike([places[id(p)] for p in members], steps):
                    where = slice(offsets[part[0]], offsets[part[-1] + 1])
                    end = begin + where.stop - where.start
                    self._update(index, group, where, data[begin:end], grad[begin:end], steps[part[0]] + 1)
                    for place in part:
                        steps[place] += 1
                        params[place]._touch()
                    begin = end

    def _update(self, index: int, group: dict[str, Any], where: slice, data: Array, grad: Array, step: int) -> None:
        raise NotImplementedError

    def _buffer(self, index: int, name: str) -> Array:
        """State array ``name`` of a group, zeros at first."""
        store = self._state[index]
        if name not in store:
            size = sum(p.size for p in self.param_groups[index]["params"])
            store[name] = np.zeros(size, np.float32)
        store[name] = owned(store[name])
        return store[name]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Where the parameters lie is another matter in a copy, and a norm's sum goes over them as they lie.
        flatten(self._members())

    def state_dict(self) -> dict[str, Any]:
        """Return copies of all state and numbers, for :meth:`load_state_dict` of an optimiser made alike.

        Returns
        -------
        dict
        """
        return {
            "state": [{k: v.copy() for k, v in store.items()} for store in self._state],
            "steps": [list(steps) for steps in self._steps],
            "param_groups": [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy state and numbers in; raises ValueError, changing nothing, when they are of other parameters.

        Parameters
        ----------
        state_dict : mapping
            Of :meth:`state_dict`.

        Raises
        ------
        ValueError
            It is another rule's or another model's. The optimiser is then as it was.
        """
        keys = ("state", "steps", "param_groups")
        lacking = [key for key in keys if key not in state_dict]
        if lacking:
            raise ValueError(f"state_dict: expected the keys {keys}, got none of {lacking}")
        state = [{k: np.array(as_floats(k, v)) for k, v in store.items()} for store in state_dict["state"]]
        steps = [[int(n) for n in counts] for counts in state_dict["steps"]]
        groups = state_dict["param_groups"]
        sizes = [sum(p.size for p in group["params"]) for group in self.param_groups]
        counts = [len(group["params"]) for group in self.param_groups]
        if (
            [len(group_steps) for group_steps in steps] != counts
            or len(state) != len(counts)
            or any(array.shape != (n,) for store, n in zip(state, sizes, strict=True) for array in store.values())
        ):
            raise ValueError(
                f"state_dict: expected state of groups of {counts} parameters with {sizes} values, got another model's"
            )
        # Schedules note in a group where they began: a state from before or after one was made will do.
        settings = [sorted(group.keys() - {"params", "initial_lr"}) for group in self.param_groups]
        if [sorted(set(group) - {"initial_lr"}) for group in groups] != settings:
            raise ValueError(f"state_dict: expected groups with the settings {settings}, got another rule's")
        self._state, self._steps = state, steps
        for group, values in zip(self.param_groups, groups, strict=True):
            group.update(values)


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    params : iterable of Parameter, or of dicts with 'params'
    lr : float, default 1e-3
    momentum, dampening, weight_decay : float, default 0
    nesterov : bool, default False

    Raises
    ------
    ValueError
        A setting is out of its range, or ``nesterov`` is without momentum or with dampening.

    Notes
    -----
    ``g = grad + weight_decay p``; ``m = momentum m + (1 - dampening) g`` (``m = g`` at first); ``p -= lr m``, with
    ``nesterov`` ``p -= lr (g + momentum m)``: torch's rules.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        _check(
            **{name: (group[name], 0, np.inf) for name in ("lr", "momentum", "weight_decay")},
            dampening=(group["dampening"], -np.inf, np.inf),
        )
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("nesterov: expected momentum above 0 and no dampening with it")

    def _update(self, index: int, group: dict[str, Any], where: slice, data: Array, grad: Array, step: int) -> None:
        buffer = self._buffer(index, "momentum_buffer")[where] if group["momentum"] else None
        F.sgd_step(
            data,
            grad,
            buffer,
            lr=group["lr"],
            momentum=group["momentum"],
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
            first=step == 1,
        )


class Adam(Optimizer):
    """Adam.

    Parameters
    ----------
    params : iterable of Parameter, or of dicts with 'params'
    lr : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
        Added to the gradient, times the parameter.

    Raises
    ------
    ValueError, TypeError
        A setting is out of its range, or ``params`` are none, no Parameters or the same ones twice.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _check_group(self, group: Mapping[str, Any]) -> None:
        below_one = float(np.nextafter(1, 0))
        if not isinstance(group["betas"], Iterable) or len(betas := list(group["betas"])) != 2:
            raise TypeError(f"betas: expected two numbers, got {group['betas']!r}")
        beta1, beta2 = betas
        _check(
            **{name: (group[name], 0, np.inf) for name in ("lr", "eps", "weight_decay")},
            beta1=(beta1, 0, below_one),
            beta2=(beta2, 0, below_one),
        )

    def _update(self, index: int, group: dict[str, Any], where: slice, data: Array, grad: Array, step: int) -> None:
        F.adam_step(
            data,
            grad,
            self._buffer(index, "exp_avg")[where],
            self._buffer(index, "exp_avg_sq")[where],
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=self._decoupled,
            step=step,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: parameters shrink by ``lr * weight_decay`` a step, 1e-2 by default.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay
        As of :class:`Adam`; ``weight_decay`` is 1e-2 by default.

    Raises
    ------
    ValueError, TypeError
        As of :class:`Adam`.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


class RMSprop(Optimizer):
    """RMSprop.

    Parameters
    ----------
    params : iterable of Parameter, or of dicts with 'params'
    lr : float, default 1e-2
    alpha : float, default 0.99
        How much of the mean square stays at a step.
    eps : float, default 1e-8
    weight_decay : float, default 0
        Added to the gradient, times the parameter.
    momentum : float, default 0
    centered : bool, default False
        Divide by the deviation of the gradient, not by the root of its mean square.

    Raises
    ------
    ValueError, TypeError
        A setting is out of its range, or ``params`` are none, no Parameters or the same ones twice.

    Notes
    -----
    ``g = grad + weight_decay p``; ``v = alpha v + (1 - alpha) g^2``; ``d = g / (sqrt(v) + eps)``; ``p -= lr d``, with
    ``momentum`` ``b = momentum b + d`` and ``p -= lr b``: torch's rules. With ``centered`` it is ``sqrt(v - m^2)``,
    ``m = alpha m + (1 - alpha) g``; a variance that rounding makes negative is 0, where torch's is NaN.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: RMSprop", COURSERA: Neural Networks for Machine Learning, 2012.
    Graves, "Generating sequences with recurrent neural networks", 2013 (centred).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        numbers = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**numbers, "centered": centered})

    def _check_group(self, group: Mapping[str, Any]) -> None:
        names = ("lr", "eps", "weight_decay", "momentum")
        _check(**{name: (group[name], 0, np.inf) for name in names}, alpha=(group["alpha"], 0, 1))

    def _update(self, index: int, group: dict[str, Any], where: slice, data: Array, grad: Array, step: int) -> None:
        F.rmsprop_step(
            data,
            grad,
            self._buffer(index, "square_avg")[where],
            self._buffer(index, "momentum_buffer")[where] if group["momentum"] else None,
            self._buffer(index, "grad_avg")[where] if group["centered"] else None,
            lr=group["lr"],
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
        )


def clip_grad_norm_(params: Iterable[Parameter], max_norm: float) -> float:
    """Scale all gradients down so that their common norm is at most ``max_norm``.

    Parameters
    ----------
    params : iterable of Parameter
    max_norm : float

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    ValueError
        ``max_norm`` is below 0 or NaN.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm: expected a number of at least 0, got {max_norm!r}")
    found = runs(params)
    norm = float(np.sqrt(sum(F.sum_of_squares(grad) for _, _, grad in found)))
    if norm > max_norm:
        factor = max_norm / (norm + 1e-6)
        for _, _, grad in found:
            # A factor that float32 does not hold with all its digits is two.
            if 0 < factor < _LEAST_FACTOR:
                F.scale(grad, _LEAST_FACTOR)
            F.scale(grad, factor / _LEAST_FACTOR if 0 < factor < _LEAST_FACTOR else factor)
    return norm
