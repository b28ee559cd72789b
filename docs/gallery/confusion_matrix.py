from strokes import strokes

from seriatim import plotting
from seriatim.models import GRUClassifier

# So much noise that some strokes cannot be told apart.
train, y = strokes(200, seed=0, noise=1.1)
test, y_test = strokes(300, seed=1, noise=1.1)
model = GRUClassifier(hidden_size=24, batch_size=16, max_epochs=12, random_state=0).fit(train, y)
plotting.confusion_matrix(y_test, model.predict(test))
