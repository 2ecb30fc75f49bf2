"""
Digits from an energy that was learnt
=====================================

An energy-based model of images: a small network gives an energy for each class, trained by
denoising on scikit-learn's 8 x 8 digits. Image and label are one state, the label by a code that
can be moved. Chains start from noise and all with the code of a nought, and draw both.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import torch
from sklearn.datasets import load_digits

import fhl_ppl
from fhl_ppl.energies import labelled
from fhl_ppl.pyro import FHL, MCMC

draws, steps = (20, 20) if "--smoke" in sys.argv else (500, 4000)
NOISE, CHAINS = 0.4, 40
pyro.set_rng_seed(0)
digits = load_digits()
images = torch.tensor(digits.images / 16, dtype=torch.float32)
labels = torch.tensor(digits.target)

# %%
# The gradient at an image with noise has to lead back to the image, and the energies have to name
# its class: denoising score matching, and the loss of a classifier.
net = torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Linear(64, 128),
    torch.nn.SiLU(),
    torch.nn.Linear(128, 128),
    torch.nn.SiLU(),
    torch.nn.Linear(128, 10),
)


def energies(x):
    """Of a batch [batch, 8, 8], one for each class: [batch, 10]."""
    return (x**2).sum((1, 2))[:, None] / (2 * NOISE**2 + 0.2) - net(x) / NOISE


optimiser = torch.optim.Adam(net.parameters(), 2e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
for _ in range(steps):
    which = torch.randint(len(images), (128,))
    xi = torch.randn(128, 8, 8)
    x = (images[which] + NOISE * xi).requires_grad_()
    logits = -energies(x)
    (force,) = torch.autograd.grad(-logits.logsumexp(1).sum(), x, create_graph=True)
    loss = ((NOISE * force - xi) ** 2).sum((1, 2)).mean()
    loss = loss + torch.nn.functional.cross_entropy(logits, labels[which])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
net.requires_grad_(False)

# %%
# To the sampler it is a potential of two sites. The starts are noise, and the code of a nought.
joint = labelled(energies, "image", "code")
start = {"image": 0.5 + torch.randn(CHAINS, 8, 8), "code": torch.eye(10)[:1].repeat(CHAINS, 1)}
mcmc = MCMC(
    FHL(potential_fn=joint),
    num_samples=draws,
    warmup_steps=draws,
    num_chains=CHAINS,
    disable_progbar=True,
    initial_params=start,
)
mcmc.run()
print(fhl_ppl.moves(mcmc)[["share", "acceptance_rate"]].round(3).to_string())
found = mcmc.get_samples(group_by_chain=True)

# %%
# A label is drawn for each draw. All classes should be there in each chain, though all began in
# one. The picture shows what is behind the noise: draws less NOISE^2 times the gradient.
x, code = found["image"].flatten(0, 1), found["code"].flatten(0, 1)
label = torch.multinomial(joint.label_probabilities(x, code), 1)[:, 0]
by_chain = label.reshape(CHAINS, draws)
visited = [len(chain.unique()) for chain in by_chain]
shares = torch.bincount(label, minlength=10) / len(label)
print(f"classes visited by a chain: {np.mean(visited):.1f} of 10, at least {min(visited)}")
print("shares:", [f"{share:.3f}" for share in shares])
x.requires_grad_()
(force,) = torch.autograd.grad(-(-energies(x)).logsumexp(1).sum(), x)
clean = (x - NOISE**2 * force).detach()

fig, axes = plt.subplots(6, 10, figsize=(7, 4.6), layout="constrained")
for digit, column in enumerate(axes.T):
    of_it = torch.nonzero(label == digit)[:, 0]
    some = of_it[torch.linspace(0, max(len(of_it) - 1, 0), 6).long()] if len(of_it) else []
    for axis in column:
        axis.set_axis_off()
    for axis, k in zip(column, some, strict=False):
        axis.imshow(clean[k], cmap="gray_r", vmin=0, vmax=1)
    column[0].set_title(f"{digit}: {shares[digit]:.2f}", fontsize=9)
fig.suptitle("Draws under their labels, with the share of each", fontsize=10)
plt.show()
