"""A language model of characters as a scikit-learn estimator: text in, text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from seriatim._config import release_most_memory
from seriatim._sklearn import Choice, Number, Rules, Stored, answers, check_parameters, check_value, keep, learns
from seriatim._typing import AnyArray, Array, Integers
from seriatim.functional._sampling import draw
from seriatim.models._parameters import RUN
from seriatim.nn import CharacterRNN, CrossEntropyLoss, Module
from seriatim.optim import Adam, CosineAnnealingLR
from seriatim.sequences import PackedSequence
from seriatim.training import Batch, Training

Self = TypeVar("Self", bound="CharacterModel")
States = tuple[Array, ...]
RandomState = int | np.random.RandomState | None

_SIZE, _RATE = Number(1, whole=True), Number(0, below=np.inf)


class _Streams(Module):
    """The net over windows that follow each other: states go on from one to the next, gradients do not go back."""

    def __init__(self, net: CharacterRNN) -> None:
        super().__init__()
        self.net = net
        self.states: States | None = None

    def forward(self, x: PackedSequence) -> Any:
        if self.states is not None:
            # In the last window the streams that are one character shorter may have ended.
            self.states = tuple([state[:, : x.batch_sizes[0]] for state in self.states])
        logits, self.states = self.net(x.data, x.batch_sizes, self.states)
        return logits

    def backward(self, grad_output: Array) -> None:
        self.net.backward(grad_output)


class CharacterModel(Stored, BaseEstimator):  # type: ignore[misc]
    """A language model of characters: learns a text, judges others, writes its own.

    Parameters
    ----------
    rnn : {'gru', 'lstm'}, default 'gru'
    hidden_size : int, default 256
    num_layers : int, default 2
    embedding_size : int or None, default None
        Width of a learned table of characters; None for one-hot vectors.
    dropout : float, default 0.3
        Between the recurrent layers.
    learning_rate : float, default 2e-3
        Of Adam.
    schedule : {'cosine', 'constant'}, default 'cosine'
        How the learning rate falls over ``max_epochs``: to 0 along half a cosine, or not at all.
    batch_size : int, default 16
        Parallel streams that the text is cut into; fewer if they were shorter than a window.
    sequence_length : int, default 64
        Characters of a window: gradients go back no further than to its beginning, states go on from window to window.
    max_epochs : int or 'auto', default 'auto'
        'auto': 16; of a text with fewer than 38 windows a stream as many as make 600 updates, but no more than 50.
    clip_norm : float or None, default 5
        Bound of the gradients' norm.
    random_state : int, RandomState or None
        The same integer gives the same bits, for any number of threads.
    verbose : int, default 0
        1 shows a progress bar.
    callbacks : sequence of callables, optional
        Each is called with the history after every epoch; a true result ends the training.

    Attributes
    ----------
    vocabulary_ : list of str
        The characters of the training text, sorted.
    module_ : Module
        ``embedding``, ``rnn`` and ``decoder``.
    history_ : dict of lists
        One value an epoch: ``loss``, the mean cross-entropy of a character in nats, and ``seconds``.
    n_iter_ : int
        Whole epochs trained.

    Notes
    -----
    What stands before the first character is a sign of its own, ``start``, read from states of zeros. In training each
    stream begins with it: it says that nothing is known of what came before.

    Other texts are read in parts of ``batch_size * sequence_length`` characters, the rows of a mini-batch, so that they
    take no more memory than training did.

    References
    ----------
    Graves, "Generating sequences with recurrent neural networks", 2013.

    Examples
    --------
    >>> model = CharacterModel(max_epochs=20, random_state=0).fit(text)
    >>> model.sample(200, prime="The ", temperature=0.8)
    >>> model.bits_per_character(other_text)
    """

    _parameter_rules: ClassVar[Rules] = {
        **RUN,
        "hidden_size": [_SIZE],
        "num_layers": [_SIZE],
        "batch_size": [_SIZE],
        "sequence_length": [_SIZE],
        "max_epochs": [_SIZE, Choice("auto")],
        "embedding_size": [_SIZE, None],
        "rnn": [Choice("lstm", "gru")],
        "schedule": [Choice("cosine", "constant")],
        "dropout": [Number(0, below=1)],
        "learning_rate": [_RATE],
        "clip_norm": [Number(above=0), None],
    }
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("vocabulary_", "module_", "history_", "n_iter_")
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ("callbacks",)

    vocabulary_: list[str]
    module_: CharacterRNN
    history_: dict[str, list[float]]
    n_iter_: int

    rnn: str
    hidden_size: int
    num_layers: int
    embedding_size: int | None
    dropout: float
    learning_rate: float
    schedule: str
    batch_size: int
    sequence_length: int
    max_epochs: int | str
    clip_norm: float | None
    random_state: RandomState
    verbose: int
    callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None

    def __init__(
        self,
        *,
        rnn: str = "gru",
        hidden_size: int = 256,
        num_layers: int = 2,
        embedding_size: int | None = None,
        dropout: float = 0.3,
        learning_rate: float = 2e-3,
        schedule: str = "cosine",
        batch_size: int = 16,
        sequence_length: int = 64,
        max_epochs: int | str = "auto",
        clip_norm: float | None = 5.0,
        random_state: RandomState = None,
        verbose: int = 0,
        callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None = None,
    ) -> None:
        keep(self, locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    def _more_tags(self) -> dict[str, Any]:
        # scikit-learn before 1.6.
        return {"X_types": ["string"]}

    # ---- Training

    @learns
    def fit(self: Self, text: str, y: Any = None) -> Self:
        """Train on a text.

        Parameters
        ----------
        text : str
            At least one character.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError
            The text is not a str.
        ValueError
            The text is empty, or a parameter has no meaning.
        """
        if hasattr(self, "module_"):
            self.module_._refuse_quantized(self)
        check_parameters(self)
        points = _code_points("text", text)
        if not len(points):
            raise ValueError("text: expected at least one character, got none")
        found, codes = np.unique(points, return_inverse=True)
        rng = _generator(self.random_state)
        module = CharacterRNN(
            len(found), self.hidden_size, self.num_layers, rnn=self.rnn, embedding_size=self.embedding_size,
            dropout=self.dropout, rng=rng,
        )  # fmt: skip
        history = self._train(module, codes.astype(np.int64), rng)
        self.vocabulary_, self.module_ = [chr(point) for point in found], module
        self.history_, self.n_iter_ = history, len(history.get("loss", []))
        release_most_memory()
        return self

    def _train(self, module: CharacterRNN, codes: Integers, rng: np.random.Generator) -> dict[str, list[float]]:
        windows = _windows(codes, module.start, self.batch_size, self.sequence_length)
        optimizer, streams = Adam(module.parameters(), self.learning_rate), _Streams(module)
        epochs = _epochs(len(windows)) if self.max_epochs == "auto" else int(self.max_epochs)
        run = Training(
            streams,
            CrossEntropyLoss(),
            optimizer,
            rng,
            scheduler=CosineAnnealingLR(optimizer, epochs * len(windows)) if self.schedule == "cosine" else None,
            clip_norm=self.clip_norm,
            verbose=self.verbose,
            callbacks=self.callbacks or (),
        )

        def from_the_beginning() -> Iterator[Batch]:
            streams.states = None
            yield from windows

        run.run(from_the_beginning, len(windows), epochs)
        return run.history

    # ---- What was learned

    @answers
    def sample(self, n: int, prime: str = "", temperature: float = 1.0, random_state: RandomState = None) -> str:
        """Write a text.

        Parameters
        ----------
        n : int
            How many characters.
        prime : str, default ''
            What stands before; not part of the result.
        temperature : float, default 1
            Logits are divided by it: below 1 likely characters become likelier; 0 takes the likeliest, always.
        random_state : int, RandomState or None
            The model's own by default.

        Returns
        -------
        str
            n characters.

        Raises
        ------
        ValueError
            ``n`` or the temperature is below 0, or ``prime`` has a character that the training text has not.
        sklearn.exceptions.NotFittedError
        """
        check_is_fitted(self)
        check_value("n", n, Number(0, below=2**31, whole=True))
        check_value("temperature", temperature, _RATE)
        before = self._before(self._encode("prime", prime))
        rng = _generator(self.random_state if random_state is None else random_state)
        module, size = self.module_, self.batch_size * self.sequence_length
        characters = np.arange(len(self.vocabulary_) + 1)
        rows = module.one_hot(characters) if module.embedding is None else module.embedding.weight._array.copy()
        stream, written = module.steps(), [0] * n
        for first in range(0, len(before) if n else 0, size):
            logits = stream.push(rows[before[first : first + size]])[-1]
        for place in range(n):
            written[place] = draw(logits, temperature, rng)
            if place < n - 1:
                logits = stream.step(rows[written[place]])
        return "".join([self.vocabulary_[code] for code in written])

    @answers
    def bits_per_character(self, text: str) -> float:
        """Return how many bits a character of a text costs: the mean of ``-log2 p``, given all before it.

        The first one is given ``start`` alone, as at the beginning of training: see the class's notes.

        Parameters
        ----------
        text : str
            At least one character, all of the training text.

        Returns
        -------
        float

        Raises
        ------
        TypeError
            The text is not a str.
        ValueError
            The text is empty, or has a character that the training text has not.
        sklearn.exceptions.NotFittedError
        """
        check_is_fitted(self)
        codes = self._encode("text", text)
        if not len(codes):
            raise ValueError("text: expected at least one character, got none")
        total, criterion = 0.0, CrossEntropyLoss(reduction="sum")
        for part, logits, _ in self._follow(self._before(codes[:-1]), None):
            total += float(criterion(logits, codes[part]))
        return total / len(codes) / float(np.log(2))

    def _before(self, codes: Integers) -> Integers:
        """Put ``start`` before a text."""
        return np.concatenate([[self.module_.start], codes]).astype(np.int64)

    def _follow(self, codes: Integers, states: States | None) -> Iterator[tuple[slice, Array, States]]:
        """Read one text: yield the logits of what follows, part by part, and the states behind each part."""
        module = self.module_.eval()
        # As many characters together as in training.
        size = self.batch_size * self.sequence_length
        for first in range(0, len(codes), size):
            part = slice(first, min(first + size, len(codes)))
            logits, states = module(codes[part], np.ones(part.stop - first, np.int64), states)
            yield part, logits, states

    def _encode(self, name: str, text: str) -> Integers:
        points = _code_points(name, text)
        known = np.array([ord(character) for character in self.vocabulary_], np.uint32)
        codes = np.searchsorted(known, points)
        strange = known[np.minimum(codes, len(known) - 1)] != points
        if strange.any():
            place = int(strange.argmax())
            raise ValueError(
                f"{name}: expected characters of the training text, got {text[place]!r} at position {place}"
            )
        return codes.astype(np.int64)


def _code_points(name: str, text: str) -> AnyArray:
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected a str, got {type(text).__name__}")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _epochs(updates: int) -> int:
    """Return how often a text is read that is so many updates: a short one oftener, or it would hardly be learned."""
    return min(max(16, -(-600 // updates)), 50)


def _windows(codes: Integers, start: int, batch_size: int, length: int) -> list[Batch]:
    """Cut a text into streams that run beside each other, and these into windows; every character is a target once."""
    streams = min(batch_size, max(1, len(codes) // length))
    # The first ones are one character longer, so a packed batch has them in order.
    shortest, longer = divmod(len(codes), streams)
    firsts = np.arange(streams) * shortest + np.minimum(np.arange(streams), longer)
    before = np.roll(codes, 1)
    before[firsts] = start
    order = (np.arange(shortest + 1)[:, None] + firsts).reshape(-1)[: len(codes)]
    windows = []
    for first in range(0, len(order), length * streams):
        rows = order[first : first + length * streams]
        sizes = [streams] * (len(rows) // streams) + [len(rows) % streams] * (len(rows) % streams > 0)
        windows.append(Batch(PackedSequence(before[rows], np.array(sizes, np.int64)), rows, codes[rows]))
    return windows


def _generator(random_state: RandomState) -> np.random.Generator:
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1, size=4))
