import matplotlib.pyplot as plt
from strokes import COLOURS, strokes

sequences, labels = strokes(60, seed=0, noise=0.05)
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8))
for axis, kind in zip(axes, COLOURS, strict=True):
    for stroke in list(sequences[labels == kind])[:3]:
        axis.plot(*stroke.T, ".-", ms=3, lw=0.8, color=COLOURS[kind])
    axis.set(title=kind, aspect="equal", xlim=(-1.7, 1.7), ylim=(-1.6, 1.6))
