import matplotlib.pyplot as plt
import numpy as np
from strokes import strokes

from seriatim.preprocessing import Crop, Jitter, MaskTime, Mix, Scale, Tempo, TimeWarp

sequences, labels = strokes(40, seed=3, noise=0.02)
chosen = np.flatnonzero(labels == "eight")
few, classes = sequences[chosen], np.zeros(len(chosen), int)
augmentations = [
    ("Jitter(0.08)", Jitter(0.08)),
    ("Scale(0.6, 1.6)", Scale(0.6, 1.6)),
    ("Tempo(0.4, 0.5)", Tempo(0.4, 0.5)),
    ("TimeWarp(0.95, 1)", TimeWarp(0.95, 1)),
    ("Crop(0.6)", Crop(0.6)),
    ("MaskTime(0.4)", MaskTime(0.4)),
    ("Mix(1.0)", Mix(1.0)),
]
drawn = [("as it was", few[0])]
drawn += [(name, change(few, np.random.default_rng(8), classes)[0]) for name, change in augmentations]

figure, axes = plt.subplots(2, 4, figsize=(9.5, 5), sharex=True, sharey=True)
for axis, (name, stroke) in zip(axes.flat, drawn, strict=True):
    axis.plot(*few[0].T, "-", lw=4, color="0.88")
    axis.plot(*stroke.T, "-", lw=0.6, color="0.4")
    points = axis.scatter(*stroke.T, c=np.linspace(0, 1, len(stroke)), s=14, cmap="cividis", zorder=2)
    axis.set_title(f"{name}: {len(stroke)} points", fontsize=9)
    axis.set_aspect("equal")
figure.colorbar(points, ax=axes, label="time, from beginning to end", ticks=[], fraction=0.03)
