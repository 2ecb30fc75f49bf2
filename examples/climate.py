"""A climate with two answers, and no gradient
===========================================

Which climates could Earth have had 700 million years ago, under a Sun 6% weaker and with
carbon dioxide hardly known? A zero-dimensional energy balance with ice-albedo feedback has two
steady answers. FHL sees the simulator as a black box: energies, no gradient. NUTS is given a
differentiable copy. A fine grid tells the truth.
Model: Kaper and Engler, "Mathematics and Climate", 2013, chapter 2, with the radiative forcing of
carbon dioxide of Myhre et al., Geophysical Research Letters 25, 1998.
"""

import argparse
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC, NUTS

import fhl_ppl
from fhl_ppl.numpyro import FHL

SUNLIGHT = 0.94 * 1361 / 4  # W/m2, averaged over the globe
FORCING = 5.35 * np.log(2)  # W/m2 for a doubling of carbon dioxide
EMISSIVITY, STEFAN_BOLTZMANN = 0.61, 5.67e-8
HEAT_CAPACITY = 9.3  # W yr/m2/K: 70 m of ocean
OPEN_ALBEDO = 0.3
SPLIT = 265.0  # K: half of the planet under ice
YEARS = 50
# Priors as mean and sd: doublings of carbon dioxide from 280 ppm, albedo of ice.
DOUBLINGS, ICE_ALBEDO = (2.0, 2.0), (0.62, 0.04)
COLDEST, WARMEST = 200.0, 330.0  # K
STEADY = 1.0  # K: by how much a climate that lasts may drift in `YEARS`
COLOURS = {"FHL": "tab:orange", "NUTS": "tab:blue"}


def drift(temperature, doublings, ice_albedo, xp=np):
    """Change of the global temperature (K) after `YEARS` steps of a year."""
    end = temperature
    for _ in range(YEARS):
        ice = (1 - xp.tanh((end - SPLIT) / 10)) / 2
        absorbed = SUNLIGHT * (1 - OPEN_ALBEDO - (ice_albedo - OPEN_ALBEDO) * ice)
        emitted = EMISSIVITY * STEFAN_BOLTZMANN * end**4
        end = end + (absorbed - emitted + FORCING * doublings) / HEAT_CAPACITY
        end = xp.clip(end, 100.0, 500.0)  # far out the steps of a year would run away
    return end - temperature


def black_box(*inputs):
    """`drift`, run by NumPy: JAX can neither look into it nor differentiate it."""
    result = jax.ShapeDtypeStruct((), inputs[0].dtype)
    return jax.pure_callback(
        lambda *arrays: drift(*map(np.asarray, arrays)).astype(arrays[0].dtype),
        result,
        *inputs,
        vmap_method="broadcast_all",
    )


def transparent(*inputs):
    return drift(*inputs, xp=jnp)


def model(simulator):
    temperature = numpyro.sample("temperature", dist.Uniform(COLDEST, WARMEST))
    doublings = numpyro.sample("doublings", dist.Normal(*DOUBLINGS))
    ice_albedo = numpyro.sample("ice_albedo", dist.Normal(*ICE_ALBEDO))
    change = simulator(temperature, doublings, ice_albedo)
    numpyro.sample("drift", dist.Normal(change, STEADY), obs=0.0)


def no_gradient(z):
    return jax.tree.map(jnp.zeros_like, z)


def grid():
    """Weight of the snowball, and the posterior of temperature and carbon dioxide."""
    temperature = np.linspace(COLDEST, WARMEST, 261)
    doublings = np.linspace(-7.0, 11.0, 91)
    ice_albedo = np.linspace(0.46, 0.78, 65)
    axes = np.meshgrid(temperature, doublings, ice_albedo, indexing="ij")
    log_density = -0.5 * (drift(*axes) / STEADY) ** 2
    for axis, (mean, sd) in zip(axes[1:], (DOUBLINGS, ICE_ALBEDO), strict=True):
        log_density -= 0.5 * ((axis - mean) / sd) ** 2
    density = np.exp(log_density).sum(axis=2)
    density /= density.sum()
    return density[temperature < SPLIT].sum(), temperature, doublings, density


def sample(kernel, simulator, num_warmup, num_samples, num_chains) -> MCMC:
    mcmc = MCMC(
        kernel,
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=sys.stderr.isatty(),
    )
    mcmc.run(random.key(0), simulator)
    return mcmc


def report(name: str, mcmc: MCMC) -> None:
    is_snowball = np.asarray(mcmc.get_samples(group_by_chain=True)["temperature"] < SPLIT)
    changes = fhl_ppl.mode_changes(mcmc, is_snowball)["changes"]
    stuck = np.mean(changes == 0)
    print(f"{name:>5} {is_snowball.mean():9.3f} {changes.mean():22.1f} {stuck:17.0%}")


def draw(runs: dict[str, MCMC], truth, out: Path) -> None:
    """The draws on the exact density, whose two branches are the hysteresis of the climate."""
    weight, temperature, doublings, density = truth
    fig, (plane, margin, chains) = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
    draws = {site: np.asarray(values) for site, values in runs["FHL"].get_samples().items()}
    shown = np.random.default_rng(0).integers(len(draws["temperature"]), size=500)
    levels = np.array([0.003, 0.03, 0.3, 1.0]) * density.max()
    plane.contourf(doublings, temperature, density, levels, cmap="Greys", alpha=0.8)
    points = draws["doublings"][shown], draws["temperature"][shown]
    plane.plot(*points, ".", color=COLOURS["FHL"], markersize=3)
    plane.set(xlim=(-5, 8), ylim=(225, 300), ylabel="global temperature (K)")
    plane.set_xlabel("carbon dioxide (doublings from 280 ppm)")
    plane.set_title("FHL's draws on the exact density")
    bins = np.linspace(225.0, 300.0, 51)
    margin.hist(draws["temperature"], bins, density=True, color=COLOURS["FHL"], label="FHL")
    exact = density.sum(axis=1) / (temperature[1] - temperature[0])
    margin.plot(temperature, exact, color="black", label="exact (grid)")
    margin.set(xlim=(225, 300), xlabel="global temperature (K)", ylabel="posterior density (1/K)")
    margin.legend(loc="upper left")
    margin.set_title("Temperature")
    for name, mcmc in runs.items():
        share = np.mean(mcmc.get_samples(group_by_chain=True)["temperature"] < SPLIT, axis=1)
        rank = (np.arange(len(share)) + 0.5) / len(share)
        chains.plot(rank, np.sort(share), "o", color=COLOURS[name], markersize=5, label=name)
    chains.axhline(weight, color="black", label="exact (grid)")
    chains.set(xticks=[], ylim=(-0.05, 1.05), xlabel="chains, in order", ylabel="share of draws")
    chains.set_title("Draws in the snowball, by chain")
    chains.legend(loc="upper left")
    out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(out, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num-warmup", type=int, default=1000)
    parser.add_argument("--num-samples", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path("out/climate.png"))
    parser.add_argument("--smoke", action="store_true", help="few iterations, to see that it runs")
    args = parser.parse_args()
    if args.smoke:
        args.num_warmup, args.num_samples = 20, 20
    plt.switch_backend("agg")

    length = args.num_warmup, args.num_samples
    runs = {
        "FHL": sample(FHL(model, gradient_fn=no_gradient), black_box, *length, num_chains=32),
        "NUTS": sample(NUTS(model), transparent, 300, 500, num_chains=16),
    }
    print("FHL, without a gradient")
    fhl_ppl.summary(runs["FHL"])
    print(fhl_ppl.moves(runs["FHL"])[["share", "acceptance_rate"]].round(3).to_string())
    truth = grid()
    print(f"\n       snowball  mode changes a chain  chains that stay\n grid {truth[0]:9.3f}")
    for name, mcmc in runs.items():
        report(name, mcmc)
    draw(runs, truth, args.out)
    print(f"\nPicture: {args.out}")


if __name__ == "__main__":
    main()
