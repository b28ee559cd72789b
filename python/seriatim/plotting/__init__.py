"""Pictures of training and of what a model looks at, in matplotlib. Every function returns its axes.

Without ``ax`` a figure is made that is as large as what it shows needs; texts that do not fit are thinned out rather
than printed over each other. Colours can be told apart by the colour-blind, on a light page as on a dark one.
"""

from seriatim.plotting._attention import attention, attention_by_class
from seriatim.plotting._confusion import confusion_matrix
from seriatim.plotting._curves import training_curves
from seriatim.plotting._embedding import embedding

__all__ = ["attention", "attention_by_class", "confusion_matrix", "embedding", "training_curves"]
