import matplotlib.pyplot as plt
import numpy as np

from seriatim.preprocessing import Deltas, Filter

rng = np.random.default_rng(0)
t = np.arange(80)
x = np.sin(t / 8) + rng.normal(0, 0.1, 80)
x[[20, 47, 48]] += [2.0, -1.8, -1.8]
signal = x[:, None]

figure, (above, below) = plt.subplots(2, 1, figsize=(8, 5), sharex=True)
above.plot(t, x, ".", color="0.5", label="signal")
above.plot(t, Filter(7, method="mean").fit_transform([signal])[0], "--", color="#D55E00", label="Filter(7, 'mean')")
above.plot(t, Filter(7).fit_transform([signal])[0], color="#0072B2", label="Filter(7): the median")
above.legend(frameon=False, ncols=3, loc="upper right")
above.set(ylabel="value", ylim=(-2.3, 3.6))

smooth = Filter(7).fit_transform([signal])
slopes = Deltas(order=2, reach=3).fit_transform(smooth)[0]
below.plot(t, slopes[:, 1], color="#0072B2", label="slope")
below.plot(t, slopes[:, 2], "--", color="#D55E00", label="slope of the slope")
below.axhline(0, color="0.7", lw=0.8, zorder=0)
below.legend(frameon=False, ncols=2, loc="upper right")
below.set(xlabel="step", ylabel="Deltas(order=2, reach=3)", ylim=(-0.19, 0.26))
