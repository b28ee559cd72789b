import matplotlib.pyplot as plt
from strokes import strokes

from seriatim import plotting
from seriatim.models import DeepGRUClassifier

train, y = strokes(200, seed=0)
test, y_test = strokes(150, seed=1)
dims = {"gru1": 24, "gru2": 24, "gru3": 12, "fc": 12}
settings = {"dims": dims, "learning_rate": 3e-3, "batch_size": 16, "random_state": 0}

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
for axis, epochs in zip(axes, (1, 12), strict=True):
    model = DeepGRUClassifier(**settings, max_epochs=epochs).fit(train, y)
    plotting.embedding(model.transform(test), y_test, ax=axis)
    axis.set_title(f"{epochs} epoch{'s' * (epochs > 1)}")
axes[0].get_legend().remove()
