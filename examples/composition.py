"""
Two energies, one gradient
==========================

From the paper: a density with eight modes on a circle, times a constraint that allows every second
of them. The constraint is 0 or 1, so its gradient says nothing: the gradient is that of the eight
modes alone, the energy that of the product. Warm-up learns that jumps, which need no gradient, pay.
"""

import sys

import matplotlib.pyplot as plt
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 1500
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
angle = torch.arange(8) * torch.pi / 4
CENTRES, VARIANCE, RADIUS = torch.stack([angle.cos(), angle.sin()], dim=1), 0.002, 0.2


def eight(q):
    """Energy of the eight modes."""
    return -torch.logsumexp(-((q - CENTRES) ** 2).sum(dim=1) / (2 * VARIANCE), dim=0)


def potential_fn(sites):
    allowed = (((sites["q"] - CENTRES[::2]) ** 2).sum(dim=1) < RADIUS**2).any()
    # 30 in place of infinity, so that chains may begin outside.
    return eight(sites["q"]) + torch.where(allowed, 0.0, 30.0)


gradient = torch.func.grad(eight)
kernel = FHL(potential_fn=potential_fn, gradient_fn=lambda sites: {"q": gradient(sites["q"])})
start = {"q": CENTRES[torch.arange(32) % 8] + 0.05 * torch.randn(32, 2)}
mcmc = MCMC(
    kernel,
    num_samples=draws,
    warmup_steps=draws,
    num_chains=32,
    disable_progbar=True,
    initial_params=start,
)
mcmc.run()
print(fhl_ppl.moves(mcmc)[["share", "acceptance_rate"]].round(3).to_string())

# Chains of a group act on one another, so errors are those of eight independent groups of four.
q = mcmc.get_samples(group_by_chain=True)["q"].reshape(8, -1, 2)
nearest = ((q[:, :, None] - CENTRES) ** 2).sum(dim=3).argmin(dim=2)
of_groups = (nearest[:, :, None] == torch.arange(8)).double().mean(dim=1)
shares, errors = of_groups.mean(dim=0), of_groups.std(dim=0) / 8**0.5
told = zip(shares.tolist(), errors.tolist(), strict=True)
print("shares of the modes:", [f"{share:.3f} ± {error:.3f}" for share, error in told])
fig, (plane, bars) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for centre in CENTRES[::2]:
    plane.add_patch(plt.Circle(centre.tolist(), RADIUS, color="0.9"))
plane.plot(*CENTRES.T, "kx", label="eight modes")
plane.plot(*q.reshape(-1, 2)[::40].T, ".", color="tab:orange", markersize=2, label="draws")
plane.set(aspect="equal", title="Grey is allowed")
plane.legend(loc="center", fontsize="small")
bars.bar(range(8), shares, yerr=2 * errors, color="tab:orange", alpha=0.7, capsize=3)
bars.axhline(0.25, color="black", linewidth=1)
bars.set(xlabel="mode", ylabel="share of the draws", title="A quarter is right for every second")
plt.show()
