import matplotlib.pyplot as plt
import numpy as np

import seriatim

lengths = np.random.default_rng(0).integers(5, 40, 16)
packed = seriatim.pack_sequence([np.zeros((length, 1)) for length in lengths], enforce_sorted=False)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
rows = np.arange(len(lengths))
left.barh(rows, lengths.max(), color="#E69F00", hatch="//", edgecolor="white", label="padding")
left.barh(rows, lengths, color="#0072B2", edgecolor="white", label="observations")
left.set(title=f"padded: {len(lengths) * lengths.max()} rows", xlabel="step", ylabel="sequence", yticks=rows[::3])
right.barh(rows, lengths[packed.sorted_indices], color="#0072B2", edgecolor="white")
right.set(title=f"packed: {len(packed.data)} rows", xlabel="step")
right.invert_yaxis()
figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
