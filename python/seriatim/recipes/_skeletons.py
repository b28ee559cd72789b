"""Skeletons: persons of some joints in space, seen from nowhere in particular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

from seriatim import functional as F
from seriatim._sklearn import Number, Rules, check_value
from seriatim._typing import AnyArray, Integers
from seriatim.models import DeepGRUClassifier
from seriatim.preprocessing import (
    Augmentation,
    Compose,
    Crop,
    Jitter,
    Rotate,
    Scale,
    SequenceTransformer,
    Standardize,
    Tempo,
)
from seriatim.preprocessing._base import offsets
from seriatim.sequences import Sequences

# The 15 joints of the first Kinect: head, neck, torso; shoulder, elbow, hand on the left and the right; hip, knee, foot
# on the left and the right.
_TORSO = 2
_EXCHANGED = ((3, 6), (4, 7), (5, 8), (9, 12), (10, 13), (11, 14))


def _points(sequences: Sequences, persons: int, joints: int) -> AnyArray:
    """Return observations as ``(sum T, persons, joints, 3)``."""
    wanted, features = persons * joints * 3, sequences.X.shape[1]
    if features != wanted:
        raise ValueError(
            f"X: expected {wanted} features, x, y, z of {joints} joints of {persons} person(s), got {features}"
        )
    found: AnyArray = sequences.X.reshape(-1, persons, joints, 3)
    return found


_BODY: Rules = {"persons": [Number(1, whole=True)], "joints": [Number(1, whole=True)]}


def _check_body(joints: int, torso: Any = 0, exchanged: Any = ()) -> None:
    check_value("torso", torso, Number(0, joints - 1, whole=True))
    pairs = np.asarray(exchanged)
    if pairs.size == 0:
        return
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(f"exchanged: expected pairs of joints, left and right, got {exchanged!r}")
    if pairs.min() < 0 or pairs.max() >= joints or len(np.unique(pairs)) < pairs.size:
        raise ValueError(f"exchanged: expected each of the joints 0 to {joints - 1} at most once, got {exchanged!r}")


class Facing(SequenceTransformer):
    """Centre recordings of skeletons and turn them about the vertical, so that it matters no more where the camera was.

    Parameters
    ----------
    persons : int, default 2
    joints : int, default 15
        Of each person.
    torso : int, default 2
        The joint that is a person's middle.
    exchanged : sequence of (int, int), default those of a Kinect's 15 joints
        Joints on the left and their counterparts on the right. Only a single person needs them here.

    Notes
    -----
    Features ``(T, persons * joints * 3)`` are x, y, z of each joint of each person, y upwards, in any unit, and so they
    come out. The mean of all torsos over a recording becomes the origin. Of several persons the others stand at +x of
    the first, on average over the recording; a single one has its right side at +z, so that it faces +x. Without pairs
    of joints a single person is not turned.

    The defaults are those of the SBU Kinect Interaction data: head, neck, torso; left shoulder, elbow and hand; right
    shoulder, elbow and hand; left hip, knee and foot; right hip, knee and foot.
    """

    _parameter_rules: ClassVar[Rules] = _BODY

    def __init__(
        self,
        persons: int = 2,
        joints: int = 15,
        torso: int = _TORSO,
        exchanged: Sequence[tuple[int, int]] = _EXCHANGED,
    ) -> None:
        self.persons = persons
        self.joints = joints
        self.torso = torso
        self.exchanged = exchanged

    def _check_parameters(self) -> None:
        super()._check_parameters()
        _check_body(self.joints, self.torso, self.exchanged if self.persons == 1 else ())

    def _fit(self, sequences: Sequences) -> None:
        _points(sequences, self.persons, self.joints)

    def _transform(self, sequences: Sequences) -> Sequences:
        x = _points(sequences, self.persons, self.joints).astype(np.float64)
        lengths = sequences.lengths

        def mean(values: AnyArray) -> AnyArray:
            found: AnyArray = np.add.reduceat(values, sequences.starts) / lengths[:, None]
            return found

        x -= np.repeat(mean(x[:, :, self.torso].mean(axis=1)), lengths, axis=0)[:, None, None]
        ahead = mean(self._ahead(x))
        angle = -np.arctan2(ahead[:, 2], ahead[:, 0])
        cosine, sine, zero, one = np.cos(angle), np.sin(angle), np.zeros(len(angle)), np.ones(len(angle))
        turn = np.stack([cosine, zero, -sine, zero, one, zero, sine, zero, cosine], axis=1).reshape(-1, 3, 3)
        rows = x.reshape(len(x), -1).astype(sequences.X.dtype, copy=False)
        return Sequences(F.rotate_points(rows, offsets(sequences), turn), lengths)

    def _ahead(self, x: AnyArray) -> AnyArray:
        """Return where the first person looks, ``(sum T, 3)``; the height does not count."""
        if self.persons > 1:
            others: AnyArray = x[:, 1:, self.torso].mean(axis=1) - x[:, 0, self.torso]
            return others
        ahead = np.zeros((len(x), 3))
        if len(self.exchanged):
            left, right = np.asarray(self.exchanged).T
            side = (x[:, 0, right] - x[:, 0, left]).mean(axis=1)
            ahead[:, 0], ahead[:, 2] = side[:, 2], -side[:, 0]
        return ahead


class Mirror(Augmentation):
    """Exchange left and right, and of two persons the first and the second, each in some of the recordings.

    Parameters
    ----------
    persons : int, default 2
    joints : int, default 15
    exchanged : sequence of (int, int), default those of a Kinect's 15 joints
        Joints on the left and their counterparts on the right; others stay what they are.
    probability : float in [0, 1], default 0.5
        Of either change.

    Notes
    -----
    For recordings as :class:`Facing` gives them, ``(T, persons * joints * 3)``: left and right differ in the sign of z,
    and two persons that change places are turned by half a turn about the vertical. Give it up where it changes the
    label: in a language of signs, or where "left" and "right" are classes.
    """

    _parameter_rules: ClassVar[Rules] = {**_BODY, "probability": [Number(0, 1)]}

    def __init__(
        self,
        persons: int = 2,
        joints: int = 15,
        exchanged: Sequence[tuple[int, int]] = _EXCHANGED,
        probability: float = 0.5,
    ) -> None:
        self.persons = persons
        self.joints = joints
        self.exchanged = exchanged
        self.probability = probability

    def _check_parameters(self) -> None:
        super()._check_parameters()
        _check_body(self.joints, exchanged=self.exchanged)

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        x, n = _points(sequences, self.persons, self.joints).copy(), len(sequences)
        order = np.arange(self.joints)
        for left, right in self.exchanged:
            order[[left, right]] = right, left
        mirrored = np.repeat(rng.random(n) < self.probability, sequences.lengths)
        x[mirrored] = x[mirrored][:, :, order] * np.array([1, 1, -1], np.float32)
        if self.persons == 2:
            swapped = np.repeat(rng.random(n) < self.probability, sequences.lengths)
            x[swapped] = x[swapped][:, ::-1] * np.array([-1, 1, -1], np.float32)
        return Sequences(x.reshape(len(x), -1), sequences.lengths)


class Bodies(SequenceTransformer):
    """Describe skeletons by what does not depend on where they stand.

    Parameters
    ----------
    persons : int, default 2
    joints : int, default 15
    torso : int, default 2
    reach : int, default 2
        Observations to either side that velocities are taken over.

    Notes
    -----
    ``(T, persons * joints * 3)`` becomes, behind each other: joints from their own torso; joints from the torso of each
    other person; the other persons' torsos from the first's; velocities of the joints in space (slopes as of
    :class:`seriatim.preprocessing.Deltas`). Of P persons of J joints that is ``3 P J (P + 1) + 3 (P - 1)`` features:
    273 of two of 15. The axes stay: turn recordings by :class:`Facing` first.
    """

    _parameter_rules: ClassVar[Rules] = {**_BODY, "reach": [Number(1, 1000, whole=True)]}

    def __init__(self, persons: int = 2, joints: int = 15, torso: int = _TORSO, reach: int = 2) -> None:
        self.persons = persons
        self.joints = joints
        self.torso = torso
        self.reach = reach

    def _check_parameters(self) -> None:
        super()._check_parameters()
        _check_body(self.joints, self.torso)

    def _fit(self, sequences: Sequences) -> None:
        _points(sequences, self.persons, self.joints)

    def _transform(self, sequences: Sequences) -> Sequences:
        x = _points(sequences, self.persons, self.joints)
        torso = x[:, :, self.torso]
        parts = [x - np.roll(torso, -k, axis=1)[:, :, None] for k in range(self.persons)]
        parts.append(torso[:, 1:] - torso[:, :1])
        rows = [part.reshape(len(x), -1) for part in parts]
        rows.append(F.ragged_deltas(sequences.X, offsets(sequences), self.reach))
        return Sequences(np.concatenate(rows, axis=1), sequences.lengths)

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Return the names of the features, marked with what they have become.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features that go in; those of ``fit`` by default.

        Returns
        -------
        ndarray of object, shape (n_features,)
        """
        names = super().get_feature_names_out(input_features)
        marks = ["own", *(f"other{k}" for k in range(1, self.persons))]
        between = [f"person{k}_{axis}" for k in range(1, self.persons) for axis in "xyz"]
        joints = [f"{name}_{mark}" for mark in marks for name in names]
        return np.array([*joints, *between, *(f"{name}_delta" for name in names)], dtype=object)


def skeletons(
    *,
    persons: int = 2,
    joints: int = 15,
    torso: int = _TORSO,
    exchanged: Sequence[tuple[int, int]] = _EXCHANGED,
    **settings: Any,
) -> Pipeline:
    """Return a classifier of what persons do, by the places of their joints.

    Parameters
    ----------
    persons : int, default 2
    joints : int, default 15
        Of each person.
    torso : int, default 2
        The joint that is a person's middle.
    exchanged : sequence of (int, int), default those of a Kinect's 15 joints
        Joints on the left and their counterparts on the right; ``()`` if there are none.
    **settings
        Parameters of :class:`seriatim.models.DeepGRUClassifier`, in the place of the recipe's.

    Returns
    -------
    Pipeline
        Unfitted: ``facing`` and ``classifier``. X is ``(T, persons * joints * 3)``: x, y, z of each joint of each
        person, y upwards, in metres, some 15 frames a second. It takes :class:`seriatim.Sequences` or a list of
        arrays; ``lengths`` only with scikit-learn's metadata routing.

    Raises
    ------
    ValueError
        By ``fit``: the features are not persons times joints times 3, or a joint is not one of them.

    Notes
    -----
    Training mirrors, exchanges the persons, crops, changes tempo and size, turns about the vertical and adds noise of
    1 cm: with other units than metres give another ``augmentation``. Network and training are the classifier's own
    "auto". Made for the 282 recordings of SBU Kinect Interaction, two persons that do one of eight things, whose joints
    are the defaults: head, neck, torso; left shoulder, elbow and hand; the same on the right; left hip, knee and foot;
    the same on the right.

    Examples
    --------
    >>> model = skeletons(random_state=0).fit(X, y)
    >>> hands = skeletons(persons=1, joints=21, torso=0, exchanged=(), max_epochs=60)
    """
    ours: dict[str, Any] = {
        "augmentation": Compose(
            [
                Mirror(persons, joints, exchanged),
                Crop(0.8),
                Tempo(0.74, 1.35),
                Scale(0.82, 1.22),
                Rotate(17.0, "y"),
                Jitter(0.01),
            ]
        ),
        "preprocessing": make_pipeline(Bodies(persons, joints, torso), Standardize()),
    }
    facing = Facing(persons, joints, torso, exchanged)
    return Pipeline([("facing", facing), ("classifier", DeepGRUClassifier(**{**ours, **settings}))])
