import matplotlib.pyplot as plt

from seriatim import nn, optim

STEPS = 100


def warm_up_and_cosine(optimizer):
    """A linear warm-up, then half a cosine."""
    first, then = optim.LinearLR(optimizer, 0.1, total_iters=15), optim.CosineAnnealingLR(optimizer, STEPS - 15)
    return optim.SequentialLR(optimizer, [first, then], [15])


schedules = {
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, STEPS),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, max_lr=1.0, total_steps=STEPS + 1),
    "StepLR": lambda o: optim.StepLR(o, 30, gamma=0.4),
    "ExponentialLR": lambda o: optim.ExponentialLR(o, 0.97),
    "SequentialLR": warm_up_and_cosine,
}
figure, axes = plt.subplots(1, len(schedules), figsize=(9.5, 2.6), sharex=True, sharey=True)
for axis, (name, make) in zip(axes, schedules.items(), strict=True):
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    axis.plot(rates, color="#0072B2", lw=2, drawstyle="steps-post")
    axis.set_title(name, fontsize=9)
    axis.set(xlabel="step", xticks=[0, 50, 100])
axes[0].set_ylabel("learning rate")
