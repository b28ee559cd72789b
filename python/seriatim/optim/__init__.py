"""What moves parameters: update rules, schedules of the learning rate, averages of weights.

Names, arguments and numbers of rules and schedules are torch's.
"""

from seriatim.optim._averaging import WeightAverage
from seriatim.optim._optimizer import SGD, Adam, AdamW, Optimizer, RMSprop, clip_grad_norm_
from seriatim.optim._plateau import ReduceLROnPlateau
from seriatim.optim._schedule import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    StepLR,
)
from seriatim.optim._sequential import SequentialLR

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WeightAverage",
    "clip_grad_norm_",
]
