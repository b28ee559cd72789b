import csv

import matplotlib.pyplot as plt

with open("../character.csv", newline="") as file:
    rows = list(csv.DictReader(file))
figure, axis = plt.subplots(figsize=(7, 3.6))
for library, colour in (("seriatim", "#0072B2"), ("torch", "#D55E00")):
    curve = [(float(row["seconds"]) / 60, float(row["bits"])) for row in rows if row["library"] == library]
    minutes, bits = zip(*curve, strict=True)
    axis.plot(minutes, bits, color=colour, lw=2, marker="o", ms=3, label=library)
axis.axhline(1.75, color="#B0B7BF", lw=1)
axis.set(xlabel="minutes of training", ylabel="bits a character", ylim=(1.55, 2.5))
axis.legend(frameon=False)
axis.set_title(f"{rows[0]['cpu']}, {rows[0]['threads']} threads", fontsize=9)
