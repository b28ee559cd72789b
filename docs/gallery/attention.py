import matplotlib.pyplot as plt
import numpy as np

from seriatim import Sequences, plotting
from seriatim.models import DeepGRUClassifier


def pulses(n, seed):
    """Return noise with pulses in features 2 to 4. The label is where the pulse is that feature 0 marks."""
    rng = np.random.default_rng(seed)
    labels, lengths = rng.integers(2, 5, n), rng.integers(60, 100, n)
    sequences = Sequences(rng.normal(0, 0.5, (lengths.sum(), 6)), lengths)
    for sequence, label in zip(sequences, labels, strict=True):
        for begin in rng.integers(0, len(sequence) - 5, 3):
            sequence[begin : begin + 5, rng.integers(2, 5)] += 3
        begin = rng.integers(5, len(sequence) - 15)
        sequence[begin : begin + 5] = rng.normal(0, 0.5, (5, 6))
        sequence[begin : begin + 5, [0, label]] += 4
    return sequences, labels


sequences, labels = pulses(200, seed=0)
dims = {"gru1": 24, "gru2": 24, "gru3": 16, "fc": 12}
model = DeepGRUClassifier(dims=dims, dropout=0.3, learning_rate=1e-2, batch_size=16, max_epochs=25, random_state=0)
model.fit(sequences, labels)

unseen, truth = pulses(40, seed=1)
shown = [int(np.flatnonzero(truth == label)[0]) for label in (2, 3, 4)]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4))
for axis, index, weights in zip(axes, shown, model.attention(unseen[shown]), strict=True):
    predicted = model.predict(unseen[[index]])[0]
    plotting.attention(unseen[index], weights, ax=axis, title=f"label {truth[index]}, predicted {predicted}")
