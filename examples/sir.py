"""
An epidemic by an ODE
=====================

Cases in a school of 763, after the influenza of an English boarding school in 1978 (simulated). The
susceptible, infected and recovered follow an ordinary differential equation, solved by Runge and
Kutta's method with fixed steps inside the model; what is asked is the rate of contacts, of
recovery, and how many each infected infects.
"""

import sys

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import lax, random
from numpyro.infer import MCMC

import fhl_ppl
from fhl_ppl.numpyro import FHL

numpyro.enable_x64()
draws = 20 if "--smoke" in sys.argv else 400
PUPILS, DAYS, STEPS = 763.0, 14, 4  # steps of the solver a day


def infected(beta, gamma, first):
    """How many are in bed on each day."""

    def slope(y):
        meet = beta * y[0] * y[1] / PUPILS
        return jnp.stack([-meet, meet - gamma * y[1]])

    def step(y, _):
        h = 1.0 / STEPS
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y, y[1]

    start = jnp.stack([PUPILS - first, first])
    return lax.scan(step, start, None, length=DAYS * STEPS)[1][STEPS - 1 :: STEPS]


def model(cases=None):
    beta = numpyro.sample("beta", dist.LogNormal(0.5, 0.5))
    gamma = numpyro.sample("gamma", dist.LogNormal(-0.7, 0.5))
    first = numpyro.sample("first", dist.LogNormal(0.0, 1.0))
    spread = numpyro.sample("spread", dist.Exponential(0.1))
    numpyro.deterministic("R0", beta / gamma)
    expected = infected(beta, gamma, first)
    numpyro.sample("cases", dist.NegativeBinomial2(expected + 1e-3, spread), obs=cases)


rng = np.random.default_rng(0)
truth = np.asarray(infected(1.7, 0.45, 1.5))
cases = rng.poisson(truth * rng.gamma(20.0, 1 / 20.0, size=DAYS))
mcmc = MCMC(
    FHL(model),
    num_warmup=draws,
    num_samples=draws,
    num_chains=8,
    chain_method="vectorized",
    progress_bar=False,
)
mcmc.run(random.key(0), cases)
fhl_ppl.summary(mcmc)

sites = mcmc.get_samples()
some = slice(None, None, max(1, len(sites["beta"]) // 100))
curves = jax.vmap(infected)(*(sites[name][some] for name in ("beta", "gamma", "first")))
days = np.arange(1, DAYS + 1)
fig, (curve, reproduction) = plt.subplots(
    1, 2, figsize=(8, 3.2), width_ratios=[3, 2], layout="constrained"
)
curve.plot(days, curves.T, color="tab:orange", alpha=0.08)
curve.plot(days, cases, "ko", label="observed")
curve.set(xlabel="day", ylabel="pupils in bed", title="The course")
curve.legend()
reproduction.hist(np.asarray(sites["R0"]), 50, density=True, color="tab:orange", alpha=0.7)
reproduction.axvline(1.7 / 0.45, color="black", label="true")
reproduction.set(xlabel="infected by each at first", title="$R_0$")
reproduction.legend()
plt.show()
