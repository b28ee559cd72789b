import numpy as np

from seriatim import Sequences, plotting
from seriatim.models import DeepGRUClassifier

# A burst in features 1 and 2, early, in the middle or late.
places = {"early": 0.2, "middle": 0.5, "late": 0.8}
rng = np.random.default_rng(0)
labels, lengths = rng.choice(list(places), 240), rng.integers(40, 80, 240)
sequences = Sequences(rng.normal(0, 0.5, (lengths.sum(), 5)), lengths)
for sequence, label in zip(sequences, labels, strict=True):
    begin = int(len(sequence) * places[label]) - 3
    sequence[begin : begin + 6, 1:3] += 2

dims = {"gru1": 24, "gru2": 24, "gru3": 12, "fc": 12}
model = DeepGRUClassifier(dims=dims, learning_rate=1e-2, batch_size=16, max_epochs=20, random_state=0)
model.fit(sequences, labels)
plotting.attention_by_class(sequences, model.attention(sequences), labels)
