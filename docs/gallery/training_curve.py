from strokes import strokes

from seriatim import plotting
from seriatim.models import GRUClassifier

train, y = strokes(100, seed=0, noise=0.5)
validation, y_validation = strokes(100, seed=1, noise=0.5)
model = GRUClassifier(
    hidden_size=24, batch_size=16, max_epochs=30, early_stopping=True, n_iter_no_change=8, random_state=0
)
model.fit(train, y, validation_data=(validation, y_validation))
plotting.training_curves(model)
