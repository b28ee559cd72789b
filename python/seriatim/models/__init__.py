"""Estimators with scikit-learn's manners. No numbers are computed here: data in, labels out."""

from seriatim.models._deepgru import DeepGRUClassifier
from seriatim.models._video import VideoClassifier

__all__ = ["DeepGRUClassifier", "VideoClassifier"]
