"""Recipes: their pieces against plain computations, what they keep, what they refuse, files, a small fit of each."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

import seriatim
from seriatim import Sequences, recipes
from seriatim import preprocessing as prep

SMALL = {"dims": {"gru1": 6, "gru2": 5, "gru3": 4, "fc": 5}, "max_epochs": 2, "batch_size": 8, "random_state": 0}
TINY = {"hidden_size": 6, "max_epochs": 2, "batch_size": 8, "n_estimators": 1, "random_state": 0}
LABELS = np.array(["a", "b"])[np.arange(16) % 2]

AUGMENTATIONS = {
    "PadEnds": (recipes.PadEnds(), 40),
    "Microphone": (recipes.Microphone(), 40),
    "Room": (recipes.Room(), 40),
    "Mirror": (recipes.Mirror(), 90),
    "Mirror of one": (recipes.Mirror(1, 4, [(1, 2)]), 12),
    "Orientation": (recipes.Orientation(), 6),
    "Orientation of each": (recipes.Orientation(sensors=1), 6),
    "SensorNoise": (recipes.SensorNoise(), 6),
    "Slant": (recipes.Slant(), 3),
    "Slant in space": (recipes.Slant(dimensions=3), 4),
}
TRANSFORMERS = {
    "Cepstra": (recipes.Cepstra(), 40, 14),
    "Facing": (recipes.Facing(), 90, 90),
    "Facing of one": (recipes.Facing(1, 4, 0, [(1, 2)]), 12, 12),
    "Facing of one without pairs": (recipes.Facing(1, 4, 0, ()), 12, 12),
    "Bodies": (recipes.Bodies(), 90, 273),
    "Bodies of one": (recipes.Bodies(1, 4, 0), 12, 24),
    "Bodies of three": (recipes.Bodies(3, 2, 1), 18, 78),
    "EvenStroke": (recipes.EvenStroke(20, "path"), 3, 3),
    "EvenStroke in time": (recipes.EvenStroke(20, dimensions=3), 4, 4),
}
RECIPES = {
    "speech": (recipes.speech(**SMALL), 40),
    "speech of known speakers": (recipes.speech(speakers="known", **SMALL), 40),
    "skeletons": (recipes.skeletons(**SMALL), 90),
    "skeletons of one": (recipes.skeletons(persons=1, joints=4, torso=0, exchanged=[(1, 2)], **SMALL), 12),
    "wearables": (recipes.wearables(**TINY), 6),
    "wearables of two": (recipes.wearables(sensors=1, **TINY), 6),
    "strokes": (recipes.strokes(points=12, **TINY), 3),
    "strokes along the path": (recipes.strokes(dimensions=3, points=12, by="path", **TINY), 3),
}


def data(features, n=16, seed=0, least=1):
    rng = np.random.default_rng(seed)
    return Sequences.from_list(
        [rng.normal(size=(int(k), features)).astype(np.float32) for k in rng.integers(least, 30, n)]
    )


def rng(seed=5):
    return np.random.default_rng(seed)


# ---- Log-mel


def by_hand(x, rate, bands, floor=1e-8):
    """Return log-mel bands by loops over frames, frequencies and bands, with no FFT."""
    width, step = round(0.025 * rate), round(0.010 * rate)
    size = 2 ** int(np.ceil(np.log2(width)))

    def mel(f):
        return 2595 * np.log10(1 + f / 700)

    def hertz(m):
        return 700 * (10 ** (m / 2595) - 1)

    corners = [hertz(mel(rate / 2) * i / (bands + 1)) for i in range(bands + 2)]
    t = np.arange(width)
    frames = []
    for first in range(0, len(x) - width + 1, step):
        part = x[first : first + width] * (0.5 - 0.5 * np.cos(2 * np.pi * t / width))
        power = [abs(np.sum(part * np.exp(-2j * np.pi * k * t / size))) ** 2 for k in range(size // 2 + 1)]
        row = []
        for a, b, c in zip(corners, corners[1:], corners[2:], strict=False):
            total = 0.0
            for k, p in enumerate(power):
                f = k * rate / size
                total += p * ((f - a) / (b - a) if a <= f <= b else (c - f) / (c - b) if b < f <= c else 0.0)
            row.append(np.log(max(total, floor)))
        frames.append(row)
    return np.array(frames)


@pytest.mark.parametrize(("rate", "bands"), [(8000, 40), (16000, 23), (11025, 20)])
def test_log_mel_is_what_it_says(rate, bands):
    x = rng().normal(size=rate // 10) * 0.1
    found = recipes.log_mel(x, rate, bands=bands)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(x, rate, bands), rtol=1e-6, atol=2e-6)


def test_log_mel_finds_a_tone():
    t = np.arange(8000) / 8000
    found = recipes.log_mel(np.sin(2 * np.pi * 1000 * t), 8000)
    assert found.shape == (98, 40)
    # 1 kHz is 1,000 mel of 2,146: the corners are 52.3 apart.
    assert set(found.argmax(axis=1)) == {18}


def test_log_mel_of_integers_of_short_and_of_silent_waveforms():
    whole = rng().integers(-(2**15), 2**15, 900).astype(np.int16)
    expected = recipes.log_mel(whole / 2**15, 8000)
    np.testing.assert_array_equal(recipes.log_mel(whole, 8000), expected)
    np.testing.assert_array_equal(recipes.log_mel(whole.astype(np.int32) * 2**16, 8000), expected)
    eight = rng().integers(0, 256, 900).astype(np.uint8)
    np.testing.assert_array_equal(recipes.log_mel(eight, 8000), recipes.log_mel(eight / 128 - 1, 8000))
    assert recipes.log_mel([0.5], 8000).shape == (1, 40)
    np.testing.assert_allclose(recipes.log_mel(np.zeros(400), 8000), np.log(1e-8), rtol=1e-6)
    np.testing.assert_allclose(recipes.log_mel(np.zeros(400), 8000, floor=1e-3), np.log(1e-3), rtol=1e-6)


def test_log_mel_in_blocks_is_as_in_one(monkeypatch):
    x = rng().normal(size=4000)
    expected = recipes.log_mel(x, 8000)
    monkeypatch.setattr("seriatim.recipes._speech._BLOCK", 7)
    np.testing.assert_allclose(recipes.log_mel(x, 8000), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("waveform", "settings", "message"),
    [
        (np.zeros((9, 2)), {}, r"waveform: expected one channel, of shape \(n,\), got shape \(9, 2\)"),
        ([], {}, "waveform: expected at least one sample"),
        ([0.0, np.nan], {}, "waveform: expected finite numbers"),
        ([1j], {}, "waveform: expected real numbers, got complex128"),
        ([True], {}, "waveform: expected real numbers, got bool"),
        ([0.0], {"rate": 0}, "rate: expected a number of at least 1"),
        ([0.0], {"bands": 0}, "bands: expected an integer of at least 1"),
        ([0.0], {"bands": 200}, "bands: expected so few that each has a frequency in it, got 200 from 0 to 4000 Hz"),
        ([0.0], {"high": 5000}, "high: expected a number from 0 to 4000"),
        ([0.0], {"low": 3000, "high": 2000}, "low: expected a number from 0 to 2000"),
        ([0.0], {"window": 0.0}, "window: expected"),
        ([0.0], {"hop": 0.0}, "hop: expected"),
        ([0.0], {"floor": 0.0}, "floor: expected"),
    ],
)
def test_log_mel_refuses(waveform, settings, message):
    with pytest.raises(ValueError, match=message):
        recipes.log_mel(waveform, **{"rate": 8000, **settings})


# ---- Augmentations


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_keep_count_and_order(name):
    augmentation, features = AUGMENTATIONS[name]
    s = data(features)
    before = s.X.copy()
    found = augmentation(s, rng(), None)
    assert isinstance(found, Sequences)
    assert len(found) == len(s)
    assert found.X.dtype == np.float32
    assert found.X.shape[1] == features
    assert np.isfinite(found.X).all()
    np.testing.assert_array_equal(s.X, before)
    assert found == clone(augmentation)(s, rng(), None), "the same seed, the same bits"
    assert found != augmentation(s, rng(6), None)
    assert found != s
    if name != "PadEnds":
        np.testing.assert_array_equal(found.lengths, s.lengths)
    assert len(augmentation(Sequences(np.ones((1, features), np.float32), [1]), rng(), None)) == 1


def test_pad_ends_adds_each_bands_minimum():
    s = data(3)
    found = recipes.PadEnds(5, 1.0)(s, rng())
    for old, new in zip(s, found, strict=True):
        added = len(new) - len(old)
        assert 0 <= added <= 10
        first = next(i for i in range(added + 1) if np.array_equal(new[i : i + len(old)], old))
        rest = np.concatenate([new[:first], new[first + len(old) :]])
        np.testing.assert_array_equal(rest, np.tile(old.min(axis=0), (added, 1)))
    assert recipes.PadEnds(0)(s, rng()) == s
    assert recipes.PadEnds(5, 0.0)(s, rng()) == s


def test_microphone_adds_one_curve_to_a_recording():
    s = data(10)
    for old, new in zip(s, recipes.Microphone(2.0)(s, rng()), strict=True):
        change = new - old
        np.testing.assert_allclose(change, np.tile(change[:1], (len(old), 1)), atol=1e-5)
    assert recipes.Microphone(0.0)(s, rng()) == s


def test_room_only_adds():
    s = data(10)
    assert (recipes.Room()(s, rng()).X >= s.X).all()
    np.testing.assert_array_equal(recipes.Room(probability=0.0)(s, rng()).X, s.X)


def test_mirror_twice_is_nothing():
    s = data(90)
    always = recipes.Mirror(probability=1.0)
    found = always(s, rng())
    assert always(found, rng()) == s
    x, y = s.X.reshape(-1, 2, 15, 3), found.X.reshape(-1, 2, 15, 3)
    # The first one's left hand is now the second's right; mirrored and turned: -x, y, z.
    np.testing.assert_array_equal(y[:, 1, 8], x[:, 0, 5] * [-1, 1, 1])
    np.testing.assert_array_equal(y[:, 0, 2], x[:, 1, 2] * [-1, 1, 1])
    alone = recipes.Mirror(1, 15, probability=1.0)(Sequences(s.X[:, :45].copy(), s.lengths), rng())
    np.testing.assert_array_equal(alone.X.reshape(-1, 15, 3)[:, 8], x[:, 0, 5] * [1, 1, -1])


def test_orientation_turns_the_sensors_of_a_device_together():
    s = data(12)

    def products(sequences, a, b):
        return np.sum(sequences.X[:, 3 * a : 3 * a + 3] * sequences.X[:, 3 * b : 3 * b + 3], axis=1)

    found = recipes.Orientation(90.0, sensors=2)(s, rng())
    for a, b in ((0, 0), (0, 1), (2, 3)):
        np.testing.assert_allclose(products(found, a, b), products(s, a, b), atol=1e-4)
    assert not np.allclose(products(found, 1, 2), products(s, 1, 2), atol=1e-2)


def test_noise_of_sensors_goes_by_their_units():
    X = rng().normal(size=(4000, 3)).astype(np.float32) * [1, 1000, 0] + [0, 0, 7]
    s = Sequences(X.astype(np.float32), [2000, 2000])
    noise = recipes.SensorNoise(0.1)(s, rng()).X - s.X
    np.testing.assert_allclose(noise.std(axis=0)[:2], [0.1, 100], rtol=0.1)
    assert (noise[:, 2] == 0).all()


def test_slant_leaves_what_is_no_coordinate():
    s = data(3)
    found = recipes.Slant(20.0, 0.0)(s, rng())
    np.testing.assert_array_equal(found.X[:, 2], s.X[:, 2])
    np.testing.assert_allclose(np.hypot(*found.X[:, :2].T), np.hypot(*s.X[:, :2].T), rtol=1e-5)


# ---- Transformers


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers(name):
    transformer, features, wanted = TRANSFORMERS[name]
    s = data(features)
    found = clone(transformer).fit(s).transform(s)
    assert len(found) == len(s)
    assert found.X.shape[1] == wanted
    assert found.X.dtype == np.float32
    assert np.isfinite(found.X).all()
    fitted = clone(transformer).fit(s)
    assert len(fitted.get_feature_names_out()) == len(set(fitted.get_feature_names_out())) == wanted
    one = Sequences(np.ones((1, features), np.float32), [1])
    assert np.isfinite(fitted.transform(one).X).all()
    for i in (0, 7):
        # A sequence does not depend on those beside it.
        np.testing.assert_allclose(fitted.transform(s[i : i + 1]).X, found[i], atol=1e-5)
    with pytest.raises(ValueError, match=r"features"):
        fitted.transform(data(features + 1))


def test_cepstra_forget_the_level():
    s = data(40)
    louder = Sequences(s.X + np.float32(3), s.lengths)
    model = recipes.Cepstra(5).fit(s)
    np.testing.assert_allclose(model.transform(s).X, model.transform(louder).X, atol=1e-4)


def test_facing_undoes_the_camera():
    s = data(90)
    model = recipes.Facing().fit(s)
    expected = model.transform(s)
    torso = expected.X.reshape(-1, 2, 15, 3)[:, :, 2]
    for first, n in zip(expected.starts, expected.lengths, strict=True):
        mean = torso[first : first + n].mean(axis=0)
        np.testing.assert_allclose(mean.sum(axis=0), 0, atol=1e-5)
        assert mean[1, 0] > mean[0, 0]
        np.testing.assert_allclose(mean[:, 2], 0, atol=1e-5)
    angle = 1.1
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = (s.X.reshape(-1, 3) @ turn.T + [3, 1, -2]).astype(np.float32).reshape(s.X.shape)
    np.testing.assert_allclose(model.transform(Sequences(moved, s.lengths)).X, expected.X, atol=1e-4)


def test_facing_turns_a_single_persons_right_to_z():
    # Joints: torso, left, right. Seen along -z, the right hand at -x.
    x = np.array([[[0, 1, 0], [1, 1, 0], [-1, 1, 0]]], np.float32).reshape(1, 9) + np.float32(5)
    found = recipes.Facing(1, 3, 0, [(1, 2)]).fit_transform(Sequences(x, [1])).X.reshape(3, 3)
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 0, -1], [0, 0, 1]], atol=1e-5)


def test_bodies_are_differences():
    s = data(18, n=1, least=5)
    x = s.X.reshape(-1, 3, 2, 3)
    model = recipes.Bodies(3, 2, 1).fit(s)
    row = model.transform(s).X[3]
    torso = x[3, :, 1]
    own = row[:18].reshape(3, 2, 3)
    np.testing.assert_allclose(own, x[3] - torso[:, None], atol=1e-6)
    next_one = row[18:36].reshape(3, 2, 3)
    np.testing.assert_allclose(next_one[0], x[3, 0] - torso[1], atol=1e-6)
    np.testing.assert_allclose(next_one[2], x[3, 2] - torso[0], atol=1e-6)
    np.testing.assert_allclose(row[54:60].reshape(2, 3), torso[1:] - torso[0], atol=1e-6)
    np.testing.assert_allclose(row[60:], prep.Deltas(append=False).fit_transform(s).X[3], atol=1e-6)
    names = model.get_feature_names_out()
    assert (names[0], names[18], names[54], names[60]) == ("x0_own", "x0_other1", "person1_x", "x0_delta")


def test_strokes_are_even():
    # A square that is drawn at an uneven speed, far away; the third feature is how much of it is drawn.
    corners = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], float)
    gone = np.sort(np.append(rng().uniform(0, 16, 300), np.arange(0, 17, 4)))
    path = np.stack([np.interp(gone, np.arange(0, 17, 4), corners[:, i]) for i in range(2)], axis=1)
    x = np.column_stack([path * 10 + [500, -70], gone / 16]).astype(np.float32)
    found = recipes.EvenStroke(17, "path").fit_transform(Sequences(np.concatenate([x, x[::-1]]), [len(x)] * 2))
    assert found.lengths.tolist() == [17, 17]
    np.testing.assert_allclose(found[0][:, 2], np.linspace(0, 1, 17), atol=1e-3)
    np.testing.assert_allclose(found[0][:9:4, :2], [[-1, -1], [1, -1], [1, 1]], atol=1e-2)
    np.testing.assert_allclose(found[1], found[0][::-1], atol=1e-3)
    steps = np.linalg.norm(np.diff(found[0][:, :2], axis=0), axis=1)
    np.testing.assert_allclose(steps, 0.5, rtol=1e-2)


def test_strokes_in_time_and_such_that_do_not_move():
    x = np.array([[0.0, 0], [1, 0], [4, 0]], np.float32)
    found = recipes.EvenStroke(5).fit_transform(Sequences(x, [3]))
    np.testing.assert_allclose(found.X[:, 0], [-1, -0.75, -0.5, 0.25, 1])
    still = Sequences(np.column_stack([np.full((3, 2), 7), [0, 1, 2]]).astype(np.float32), [3])
    np.testing.assert_allclose(recipes.EvenStroke(5, "path").fit_transform(still).X[:, 0], 0)
    np.testing.assert_allclose(recipes.EvenStroke(5, "path").fit_transform(still).X[:, 2], [0, 0.5, 1, 1.5, 2])


# ---- Errors


@pytest.mark.parametrize(
    ("piece", "features", "message"),
    [
        (recipes.Cepstra(9), 8, "count: expected an integer from 1 to 8, got 9"),
        (recipes.Cepstra(floor=-1), 8, "floor: expected a number of at least 0"),
        (recipes.Facing(), 45, r"X: expected 90 features, x, y, z of 15 joints of 2 person\(s\), got 45"),
        (recipes.Bodies(persons=1), 90, "X: expected 45 features"),
        (recipes.Mirror(joints=20), 90, "X: expected 120 features"),
        (recipes.Facing(persons=0), 90, "persons: expected an integer of at least 1"),
        (recipes.Facing(torso=15), 90, "torso: expected an integer from 0 to 14"),
        (recipes.Facing(1, 4, 0), 12, "exchanged: expected each of the joints 0 to 3 at most once"),
        (recipes.Mirror(1, 4, [(0, 1), (1, 2)]), 12, "exchanged: expected each of the joints"),
        (recipes.Mirror(1, 4, [(0, 1, 2)]), 12, "exchanged: expected pairs of joints"),
        (recipes.Mirror(1, 4, [(0.0, 1.0)]), 12, "exchanged: expected pairs of joints"),
        (recipes.Bodies(reach=0), 90, "reach: expected"),
        (recipes.PadEnds(-1), 3, "most: expected an integer"),
        (recipes.PadEnds(probability=2), 3, "probability: expected a number from 0 to 1"),
        (recipes.Microphone(-1), 3, "strength: expected"),
        (recipes.Room(3, 2), 3, "high: expected"),
        (recipes.Orientation(), 4, "X: expected x, y, z of each sensor, got 4 features"),
        (recipes.Orientation(sensors=2), 9, r"X: expected x, y, z of 2 sensor\(s\) a device, got 9 features"),
        (recipes.Orientation(200), 3, "angle: expected"),
        (recipes.Orientation(sensors=0), 3, "sensors: expected"),
        (recipes.SensorNoise(-1), 3, "share: expected"),
        (recipes.Slant(), 1, "X: expected at least 2 features, the coordinates, got 1"),
        (recipes.Slant(stretch=1), 2, "stretch: expected"),
        (recipes.Slant(dimensions=1), 2, "dimensions: expected"),
        (recipes.EvenStroke(), 1, "X: expected at least 2 features, the coordinates, got 1; dimensions="),
        (recipes.EvenStroke(by="length"), 2, r"by: expected one of \('time', 'path'\)"),
        (recipes.EvenStroke(0), 2, "points: expected"),
    ],
)
def test_errors(piece, features, message):
    s = data(features, n=3)
    with pytest.raises(ValueError, match=message):
        piece.fit(s) if hasattr(piece, "fit") else piece(s, rng())


def test_errors_of_the_recipes():
    with pytest.raises(ValueError, match="speakers: expected one of"):
        recipes.speech(speakers="old")
    with pytest.raises(ValueError, match="dimensions: expected an integer of at least 2, got 1"):
        recipes.strokes(dimensions=1)
    with pytest.raises(TypeError, match="epochs"):
        recipes.wearables(epochs=3)
    with pytest.raises(ValueError, match="X: expected 90 features"):
        recipes.skeletons(**SMALL).fit(data(45), LABELS)
    with pytest.raises(ValueError, match="X: expected x, y, z of each sensor, got 4 features"):
        recipes.wearables(**TINY).fit(data(4), LABELS)


# ---- Estimators


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_fit_and_are_saved(tmp_path, name):
    model, features = RECIPES[name]
    s = data(features, least=4)
    fitted = clone(model).fit(s, LABELS)
    expected = fitted.predict_proba(s)
    assert expected.shape == (16, 2)
    np.testing.assert_array_equal(clone(model).fit(s, LABELS).predict_proba(s), expected)
    np.testing.assert_array_equal(clone(model).fit(list(s), LABELS).predict_proba(list(s)), expected)
    seriatim.save(fitted, tmp_path / "model")
    again = seriatim.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(s), expected)
    np.testing.assert_array_equal(again.fit(s, LABELS).predict_proba(s), expected)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_are_saved(tmp_path, name):
    transformer, features, _ = TRANSFORMERS[name]
    s = data(features)
    fitted = clone(transformer).fit(s)
    seriatim.save(fitted, tmp_path / "model")
    assert seriatim.load(tmp_path / "model").transform(s) == fitted.transform(s)


def test_settings_take_the_place_of_the_recipes():
    assert recipes.speech(max_epochs=3, dropout=0.1).get_params()["max_epochs"] == 3
    assert recipes.skeletons(augmentation=None)["classifier"].augmentation is None
    assert recipes.wearables(effort="fast").effort == "fast"
    assert recipes.wearables(angle=90.0).augmentation.augmentations[0].angle == 90
    model = recipes.strokes().set_params(stroke__points=9, classifier__max_epochs=1)
    assert isinstance(model, Pipeline)
    assert model["stroke"].points == 9
    known = recipes.speech(speakers="known").augmentation.augmentations
    assert [type(a).__name__ for a in known] == ["PadEnds", "Tempo"]


def test_recipes_go_into_searches():
    search = GridSearchCV(recipes.skeletons(**SMALL), {"classifier__max_epochs": [1, 2]}, cv=2)
    search.fit(data(90, least=4), LABELS)
    assert search.best_params_["classifier__max_epochs"] in (1, 2)
    inner = GridSearchCV(recipes.speech(**SMALL), {"preprocessing__cepstra__count": [5, 8]}, cv=2)
    inner.fit(data(40, least=4), LABELS)
    assert inner.best_estimator_.preprocessing_["cepstra"].count in (5, 8)


def test_names_of_classes_are_unique():
    homes = (seriatim.nn, seriatim.models, seriatim.preprocessing, recipes)
    names = [name for home in homes for name in home.__all__ if isinstance(getattr(home, name), type)]
    assert len(names) == len(set(names)), "a file finds classes by name"
    assert seriatim.recipes is recipes
