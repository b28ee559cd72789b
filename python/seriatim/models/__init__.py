"""Estimators with scikit-learn's manners: data in, labels or numbers out. What computes is in the layers below."""

# scikit-learn has imported threadpoolctl by now: it learns of our threads.
from seriatim import _threadpool as _threadpool
from seriatim.models._character import CharacterModel
from seriatim.models._deepgru import DeepGRUClassifier, DeepGRURegressor
from seriatim.models._early import EarlyClassifier
from seriatim.models._early_stream import EarlyStream
from seriatim.models._frame_classifier import FrameClassifier
from seriatim.models._frame_regressor import FrameRegressor
from seriatim.models._recurrent import GRUClassifier, LSTMClassifier
from seriatim.models._reservoir import ReservoirClassifier, ReservoirRegressor
from seriatim.models._stream import EstimatorStream
from seriatim.models._video import VideoClassifier

__all__ = [
    "CharacterModel",
    "DeepGRUClassifier",
    "DeepGRURegressor",
    "EarlyClassifier",
    "EarlyStream",
    "EstimatorStream",
    "FrameClassifier",
    "FrameRegressor",
    "GRUClassifier",
    "LSTMClassifier",
    "ReservoirClassifier",
    "ReservoirRegressor",
    "VideoClassifier",
]
