import re
from pathlib import Path

import matplotlib.pyplot as plt

# The first table of the page "What it learns": accuracy of each model on each set, and the means.
text = (Path("..") / "accuracy.md").read_text()
rows = re.search(r"\| set \|.*?GRU.*?\n\|[-|]+\n(.*?)\n\n", text, re.S)[1].splitlines()
cells = [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in rows]
names = ["GRUClassifier", "DeepGRUClassifier", "ReservoirClassifier"]
names += ["1-NN with DTW", "MiniRocket", "MultiRocket-Hydra"]
scores = {name: [float(row[column]) for row in cells] for column, name in enumerate(names, 2)}

figure, axis = plt.subplots(figsize=(4.3, 2.9))
for place, name in enumerate(sorted(names, key=lambda name: -scores[name][-1])):
    *sets, mean = scores[name]
    ours = name.endswith("Classifier")
    axis.barh(place, mean, color="#0072B2" if ours else "#B0B7BF", height=0.72)
    axis.plot(sets, [place] * len(sets), "o", ms=4, color="black", alpha=0.35, mew=0)
    axis.text(2, place, name, va="center", color="white" if ours else "black", weight="bold" if ours else "normal")
    axis.text(103, place, f"{mean:.1f}", va="center", weight="bold" if ours else "normal")
axis.invert_yaxis()
axis.set(xlim=(0, 101), yticks=[], xlabel="accuracy, %: dots are sets, bars their means")
axis.spines["left"].set_visible(False)
