"""Text that the docstrings of several estimators share; :func:`documented` puts it in."""

from __future__ import annotations

import re
import textwrap
from typing import TypeVar

Class = TypeVar("Class", bound=type)

_TEXTS = {
    "learning parameters": """
learning_rate : float or 'auto', default 'auto'
    'auto' is 3e-3; 1e-3 for a DeepGRU whose ``dims`` are given.
schedule : {'cosine', 'constant', 'one_cycle', 'plateau'} or callable, default 'cosine'
    How the learning rate goes over ``max_epochs``: to 0 along half a cosine; not at all; up and down
    (:class:`seriatim.optim.OneCycleLR`); down by 10 when the validation's (or training's) loss no longer falls
    (:class:`seriatim.optim.ReduceLROnPlateau`). A callable gets the optimiser and the number of steps, and returns
    a schedule.
optimizer : {'adam', 'adamw', 'sgd', 'rmsprop'}, default 'adam'
batch_size : int or 'auto', default 'auto'
    1 trains on single sequences; a DeepGRU, which normalises batches, wants at least 2. 'auto' is 16, and up to 64 for
    many sequences.
max_epochs : int or 'auto', default 'auto'
    'auto' is as many as make the steps of ``effort``, from 15 to 1,000.
weight_decay : float, default 0
clip_norm : float or None, default 1
    Bound of the gradients' norm.
weight_averaging : float or None, default None
    Decay of an exponential moving average of the weights over steps, such as 0.99; the averaged weights are
    validated and kept.
""",
    "preparation": """
augmentation : callable, None or 'auto', default 'auto'
    Changes mini-batches in training: see :mod:`seriatim.preprocessing`. 'auto' changes tempo and length a little and
    adds some noise to scaled features: ``Compose([Tempo(0.8, 1.25), Crop(0.9), Jitter(0.1)])``; nothing where all
    values are 0 or 1, where sequences have fewer than 4 steps, or where ``scaling`` is off. One that is given sees
    the features as they are given, before any scaling.
preprocessing : transformer, None or 'auto', default 'auto'
    Fitted on the training sequences, and applied to sequences after augmentation, in training and prediction alike.
    (A step before the model in a pipeline comes before augmentation.) 'auto' puts slopes beside the features and
    scales again: ``make_pipeline(Deltas(), Standardize())``; not for values that are all 0 or 1 and not for
    sequences of fewer than 4 steps. Where the median length is 96 or more, ``Stack(factor)`` then joins steps, so
    that about 64 are left; ``attention`` is still one weight an observation.
""",
    "preparation of frames": """
augmentation : callable, None or 'auto', default 'auto'
    Changes mini-batches in training: see :mod:`seriatim.preprocessing`. Every frame keeps its target: what changes how
    many there are is refused. 'auto' adds some noise to scaled features, ``Jitter(0.1)``; nothing where all values are
    0 or 1, or where ``scaling`` is off. One that is given sees the features as they are given, before any scaling.
preprocessing : transformer, None or 'auto', default 'auto'
    Fitted on the training sequences, and applied to sequences after augmentation, in training and prediction alike.
    One that changes how many frames there are (Stack, Downsample, Resample, TrimConstants, Pad) is refused. 'auto' is
    None.
""",
    "stopping parameters": """
early_stopping : bool, default False
    Stop when ``monitor`` no longer improves, and keep the best epoch's weights. Validates on ``validation_data``, or
    else keeps part of the training sequences back.
validation_fraction : float, default 0.1
    Of the sequences; the nearest number of them that leaves training some of every class.
n_iter_no_change : int, default 10
    Epochs without an improvement after which training stops.
tol : float, default 1e-4
    What counts as an improvement, in the unit of ``monitor``.
""",
    "classifier's parameters": """
label_smoothing : float or 'auto', default 'auto'
    How much of a label's probability is spread over all classes. 'auto' is 0.1.
class_weight : dict, 'balanced' or None
""",
    "run's parameters": """
warm_start : bool, default False
    Whether ``fit`` goes on from the weights of the last ``fit``. (``partial_fit`` always does.) Parameters of the
    learning may have changed since: an optimiser of another kind begins without memory, another ``random_state`` is
    drawn from then on, the same goes on where it was. One that the networks are made of, or that sequences were
    prepared with, is refused by its name.
checkpoint_dir : path or None, default None
    A folder for checkpoints. A ``fit`` that was killed goes on where its last checkpoint was, with the same bits as
    if it had not been, when the same ``fit`` is called again: data, labels and settings are compared by content,
    functions by their code and what it reads. A setting that can be told by nothing but its address is refused. Where
    a file of other settings lies there, a warning names them. Complete trainings leave nothing; runs at the same time,
    in threads or processes (``n_jobs``), may share a folder.
checkpoint_every : int, default 1
    Epochs from checkpoint to checkpoint.
random_state : int, RandomState or None
    The same integer gives the same bits, for any number of threads.
verbose : int, default 0
    1 says what "auto" became and shows a progress bar with the time left; a worker of a search writes a line a fit.
    The logger ``seriatim`` tells of every epoch at level INFO.
callbacks : sequence of callables, optional
    Each is called with ``history_`` after every epoch; a true result ends the training.
""",
    "early stopping": """
monitor : str or callable, default 'loss'
    What early stopping goes by, in ``history_`` as ``validation_<monitor>``; ``schedule='plateau'`` goes by it as well.
    'loss' is the validation loss. A name of ``sklearn.metrics.get_scorer_names()``, such as 'balanced_accuracy',
    'f1_macro', 'roc_auc_ovr' or 'r2', is that scorer of the validation part; a scorer of your own, ``scorer(estimator,
    X, y)``, may ask ``predict`` (and ``predict_proba``) for X as a whole. Of equal scores the one with the lower loss
    is better. The loss is the default because accuracy stands still while a rare class is learned, and moves in steps
    of whole sequences.
""",
    "early stopping of frames": """
monitor : str or callable, default 'loss'
    What early stopping goes by, in ``history_`` as ``validation_<monitor>``; ``schedule='plateau'`` goes by it as well.
    'loss' is the validation loss, by frame. A name of ``sklearn.metrics.get_scorer_names()``, such as 'f1_macro' or
    'r2', is that scorer of all frames that count, one behind the other; a scorer of your own, ``scorer(estimator, X,
    y)``, such as those of :mod:`seriatim.metrics`, is given a list of arrays, one for each sequence, as y, without the
    frames that are ignored, and may ask ``predict`` (and ``predict_proba``) for X as a whole, which answers alike.
""",
    "what a fit of frames costs": """
scaling : transformer, None or 'auto', default 'auto'
    Fitted on the training sequences and applied before everything else. 'auto' is ``Standardize()``; None where all
    values are 0 or 1, and where ``preprocessing`` is given.
effort : {'fast', 'balanced', 'best'}, default 'balanced'
    What "auto" may cost: 800, 2,000 or 3,000 steps of 1, 1 or 3 networks.
max_time : float or None, default None
    Seconds after which training ends. The schedule keeps pace with the clock, so that the learning rate has fallen by
    then. (What is learned then depends on the machine.)
n_estimators : int or 'auto', default 'auto'
    Networks that are trained side by side and whose probabilities (or numbers) are averaged. 'auto' follows
    ``effort``; 1 where ``max_epochs`` is given.
""",
    "what a fit costs": """
scaling : transformer, None or 'auto', default 'auto'
    Fitted on the training sequences and applied before everything else. 'auto' is ``Standardize()``, behind
    ``LevelAndShape()`` where a feature's unit differs by orders of magnitude from sequence to sequence; None where all
    values are 0 or 1, and where ``preprocessing`` is given.
effort : {'fast', 'balanced', 'best'}, default 'balanced'
    What "auto" may cost: 800, 2,000 or 3,000 steps of 1, 3 or 8 networks (of DeepGRU 1, 1 or 4).
max_time : float or None, default None
    Seconds after which training ends. The schedule keeps pace with the clock, so that the learning rate has fallen by
    then. (What is learned then depends on the machine.)
n_estimators : int or 'auto', default 'auto'
    Networks that are trained side by side and whose probabilities (or numbers) are averaged. 'auto' follows
    ``effort``; 1 where ``max_epochs`` is given.
reservoir : bool or 'auto', default 'auto'
    Whether a network of random weights that is not trained, as of :class:`ReservoirClassifier`, is averaged with the
    others: it errs elsewhere, and costs a second. 'auto' is False where ``max_epochs`` is given.
""",
    "reservoir's parameters": """
spectral_radius : float, default 0.9
    Of the recurrent weights: how long the past echoes.
input_scale : float, default 0.5
    How strongly standardised features drive a unit.
connections : int, default 10
    Units that each unit listens to.
bidirectional : bool, default True
pooling : sequence out of {'last', 'mean', 'max', 'positive'}, default ('mean', 'max', 'positive')
    What the readout stands on: the last states; over a sequence's steps the means, the greatest values, and the shares
    of steps on which a unit is above 0.
""",
    "rows of prediction": """
predict_rows : int or 'auto', default 'auto'
    Steps of all sequences together that go through the network at a time where nothing is trained (in ``predict`` and
    the like, ``transform``, ``attention``, validation): what bounds their memory. 'auto' is as many as a mini-batch of
    training's longest sequences has, 4,096 at least, and no more than have 4 million numbers. Results are the same bits
    for any number, and it may be set behind a ``fit``; one sequence runs whatever its length.
""",
    "micro-shards": """
micro_shards : int or None, default None
    Cut the training set into so many blocks, in the order in which it is given, and run the part that each block has in
    a mini-batch for itself; gradients are summed in one fixed tree over the blocks. Then the weights, batch
    normalisation's statistics and the history have the same bits on one process and on any number of processes up to
    that (:mod:`seriatim.distributed`, where None means 8). It takes more time on one process than None, which trains
    whole mini-batches.
""",
    "reservoir's preparation": """
scaling : transformer, None or 'auto', default 'auto'
    Fitted on the training sequences and applied before everything else. 'auto' is ``Standardize()``, behind
    ``LevelAndShape()`` where a feature's unit differs by orders of magnitude from sequence to sequence; None where all
    values are 0 or 1, and where ``preprocessing`` is given.
preprocessing : transformer, None or 'auto', default 'auto'
    Applied behind the scaling. 'auto' puts slopes beside the features and scales again; not for values that are all 0
    or 1 and not for sequences of fewer than 4 steps. Long sequences are joined to about 64 steps (``Stack``).
""",
    "how a reservoir works": """
``h_t = tanh(W_ih x_t + W_hh h_(t-1) + b)`` with random weights (:func:`seriatim.nn.reservoir_`), in both directions;
the readout is a ridge regression on what is pooled over time, with the penalty that leaves one out best.
""",
    "what auto became": """
batch_size_, max_epochs_, learning_rate_, n_estimators_, augmentation_, label_smoothing_, predict_rows_
    What "auto" became, or what was given.
scaling_, preprocessing_
    The fitted transformers, or None.
""",
    "history": """
history_ : dict of lists
    One value an epoch: ``loss``, ``seconds``; with validation ``validation_loss``, ``validation_score`` (of classifiers
    the share that is right, of regressors about R^2) and what is monitored. ``pandas.DataFrame(history_)`` has a row
    an epoch.
n_iter_ : int
    Whole epochs trained.
best_epoch_ : int or None
    The epoch, from 1 as in ``history_``, whose weights early stopping kept; None without it.
""",
    "forms of X": """
X may be given as a collection (a list, a generator, a dict, groups of a frame, ...) of arrays ``(T_i, D)`` or
``(T_i,)``; as observations ``(sum T, D)`` with ``lengths``; as an array ``(n, T, D)``; or as
:class:`seriatim.Sequences`. What a collection holds may be arrays, lists, tensors or frames: an item with one axis is
a univariate sequence. A 2-D array without lengths is one sequence of one step a row if y has as many labels, else a
single sequence. In ``predict`` rows of numbers, as a list or as an array, are what they were in ``fit``: steps of one
sequence, or, to a model of univariate sequences, one each.
""",
    "forms of frames": """
X may be given as a collection (a list, a generator, a dict, groups of a frame, ...) of arrays ``(T_i, D)`` or
``(T_i,)``; as observations ``(sum T, D)`` with ``lengths``; as an array ``(n, T, D)``; or as
:class:`seriatim.Sequences`. A 2-D array without lengths is one sequence, whose frames are its rows (to a model of
univariate sequences one sequence a row). y has a target for each frame: in the form of X, as an array for each
sequence, or as one array whose rows lie behind each other, ``(sum T,)``, whatever the form of X. Who splits sequences
(``cross_val_score``, ``GridSearchCV``) wants one item a sequence in both: X a ``Sequences`` or a list, y a list of
arrays.

Answers come as ragged as X: one array, a row a frame, for observations with lengths and for a table; ``(n, T, ...)``
for an array ``(n, T, D)``; a dict for a dict; a list of arrays, one for each sequence, for all else, a ``Sequences``
too, which does not hold labels of text.
""",
    "sizes of DeepGRU": """
dims : dict, None or 'auto', default 'auto'
    Sizes ``gru1``, ``gru2``, ``gru3`` and ``fc`` of the network; 512, 256, 128, 256, as in the paper, where a dict
    does not name them, and for None. 'auto' is 48, 32, 32 and 64.
dropout : float or 'auto', default 'auto'
    In the classifier. 'auto' is 0.2 where ``dims`` is "auto", 0.5, as in the paper, where it is given.
""",
}


def documented(cls: Class) -> Class:
    """Replace lines such as ``[training parameters]`` in a class's docstring."""

    def text(match: re.Match[str]) -> str:
        return textwrap.indent(_TEXTS[match[2]].strip("\n"), match[1])

    # Python run with -OO has no docstrings.
    if cls.__doc__:
        cls.__doc__ = re.sub(r"^( *)\[([^\]]+)\]$", text, cls.__doc__, flags=re.MULTILINE)
    return cls
