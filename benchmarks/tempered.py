"""Are modes found in which no chain started? `python -m benchmarks.tempered` prints a table.

All chains start at one point; NumPyro, float64, `--temperatures` replicas of each of `--chains`
chains. With `--own-starts`, or `--temperatures 1`, which is the default without replicas, chains
start where the kernel has them, after a search from `--search` places. A row has the modes that got
draws in the run that found the fewest, the largest error of a mode's weight in its Monte Carlo
errors, the largest R-hat of being in one, gradients for an iteration of one chain, and round trips.
"""

import argparse
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, init_to_value

import fhl_ppl
from fhl_ppl.numpyro import FHL


class Case(NamedTuple):
    """A model of one site x.

    Attributes
    ----------
    model, start
        The model, and where all chains start.
    is_in
        Whether draws [..., dim] are in each mode, [..., mode].
    weight
        The modes' weights.
    """

    model: Callable[[], None]
    start: np.ndarray
    is_in: Callable[[np.ndarray], np.ndarray]
    weight: np.ndarray


def eggbox() -> Case:
    """18 modes on a board of 36 fields; weights by quadrature."""

    def model():
        x = numpyro.sample("x", dist.Uniform(0, 10 * jnp.pi).expand([2]))
        numpyro.factor("height", (2 + jnp.cos(x[0] / 2) * jnp.cos(x[1] / 2)) ** 5)

    fields = np.array([i * 6 + j for i in range(6) for j in range(6) if (i + j) % 2 == 0])

    def is_in(x):
        row, column = np.moveaxis(np.round(x / (2 * np.pi)).astype(int), -1, 0)
        return (row * 6 + column)[..., None] == fields

    side = (np.arange(2000) + 0.5) / 2000 * 10 * np.pi
    cos = np.cos(side / 2)
    density = np.exp((2 + np.outer(cos, cos)) ** 5 - 3.0**5)
    places = np.stack(np.meshgrid(side, side, indexing="ij"), -1)
    weight = (is_in(places) * density[..., None]).sum((0, 1)) / density.sum()
    return Case(model, np.full(2, 4 * np.pi), is_in, weight)


def shells(dim: int) -> Case:
    """Two shells of radius 2 and width .1, 7 apart."""
    centre = 3.5 * np.eye(dim)[0]

    def model():
        x = numpyro.sample("x", dist.Uniform(-6, 6).expand([dim]))

        def shell(sign):
            radius = jnp.sqrt(((x - sign * centre) ** 2).sum())
            return -0.5 * ((radius - 2) / 0.1) ** 2

        numpyro.factor("shells", jnp.logaddexp(shell(1), shell(-1)))

    def is_in(x):
        return np.stack([x[..., 0] < 0, x[..., 0] >= 0], -1)

    return Case(model, -centre + 2 * np.eye(dim)[0], is_in, np.array([0.5, 0.5]))


def narrow(dim: int) -> Case:
    """A mode of width .1 and weight .05 that is 6 from a standard one, along an axis."""
    centre, weight = 6 * np.eye(dim)[0], np.array([0.95, 0.05])

    def model():
        prior = dist.Normal(0, 5).expand([dim]).to_event(1)
        x = numpyro.sample("x", prior)
        wide = -0.5 * (x**2).sum()
        narrow = -0.5 * ((x - centre) ** 2).sum() / 0.1**2 - dim * jnp.log(0.1)
        both = jnp.logaddexp(jnp.log(weight[0]) + wide, jnp.log(weight[1]) + narrow)
        numpyro.factor("both", both - prior.log_prob(x))

    def is_in(x):
        far = x[..., 0] > 4.5
        return np.stack([~far, far], -1)

    return Case(model, np.zeros(dim), is_in, weight)


def hills(seed: int) -> Case:
    """Six Gaussians in four dimensions, with weights, widths and places drawn by `seed`."""
    rng = np.random.default_rng(seed)
    dim, number = 4, 6
    centre = rng.uniform(-2, 2, (number, dim))
    weight, sd = rng.dirichlet(np.full(number, 2.0)), rng.uniform(0.1, 0.3, number)
    height = np.log(weight) - dim * np.log(sd)

    def model():
        x = numpyro.sample("x", dist.Uniform(-3, 3).expand([dim]))
        square = ((x - centre) ** 2).sum(axis=1) / sd**2
        numpyro.factor("hills", jax.nn.logsumexp(height - 0.5 * square))

    def is_in(x):
        square = ((x[..., None, :] - centre) ** 2).sum(axis=-1) / sd**2
        return (height - 0.5 * square).argmax(-1)[..., None] == np.arange(number)

    return Case(model, centre[0], is_in, weight)


def signs() -> Case:
    """Five of eight directions along no axes, each with two modes of .3 and .7 of its mass."""
    number, dim, share = 5, 8, np.array([0.3, 0.7])
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    patterns = np.array(list(product([0, 1], repeat=number)))

    def model():
        prior = dist.Normal(0, 5).expand([dim]).to_event(1)
        x = numpyro.sample("x", prior)
        along = x @ axes
        sides = (along[:number, None] - 1.2 * np.array([-1, 1])) / 0.3
        both = jax.nn.logsumexp(np.log(share) - 0.5 * sides**2, axis=1).sum()
        rest = -0.5 * (along[number:] ** 2).sum() / 0.3**2
        numpyro.factor("both", both + rest - prior.log_prob(x))

    def is_in(x):
        side = (x @ axes)[..., :number] > 0
        return (side[..., None, :] == patterns).all(-1)

    return Case(model, np.zeros(dim), is_in, np.prod(share[patterns], axis=1))


CASES: dict[str, Callable[[], Case]] = {
    "eggbox": eggbox,
    "shells, d = 2": lambda: shells(2),
    "shells, d = 5": lambda: shells(5),
    "narrow, d = 10": partial(narrow, 10),
    "signs": signs,
    **{f"hills {seed}": partial(hills, seed) for seed in range(6)},
}


def run(case: Case, seed: int, options: Any) -> dict[str, float]:
    is_tempered = options.temperatures > 1
    settings: dict[str, Any] = {"temperatures": options.temperatures} if is_tempered else {}
    if options.own_starts or not is_tempered:
        settings["search"] = options.search or True
    else:
        settings["init_strategy"] = init_to_value(values={"x": jnp.asarray(case.start)})
    mcmc = MCMC(
        FHL(case.model, **settings),
        num_warmup=options.warmup,
        num_samples=options.draws,
        num_chains=options.chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.key(seed), extra_fields=("n_steps",))
    inside = case.is_in(np.asarray(mcmc.get_samples(group_by_chain=True)["x"])).astype(float)
    found = inside.any((0, 1))
    error = np.array([float(az.mcse(inside[..., k])) for k in np.flatnonzero(found)])
    away = (inside.mean((0, 1)) - case.weight)[found] / error
    r_hat = max(float(az.rhat(inside[..., k])) for k in np.flatnonzero(found))
    attributes = fhl_ppl.to_arviz(mcmc).sample_stats.attrs
    return {
        "found": int(found.sum()),
        "z": float(np.abs(away).max()),
        "r_hat": r_hat,
        "gradients": float(np.asarray(mcmc.get_extra_fields()["n_steps"]).mean()),
        "trips": float(np.sum(attributes.get("round_trips", 0))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="*", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--temperatures", type=int, default=6)
    parser.add_argument("--search", type=int, help="default: as many as a fifth of warm-up pays")
    parser.add_argument("--own-starts", action="store_true")
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--warmup", type=int, default=600)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print("| case | modes | found by the worst | max abs z | R-hat | gradients | round trips |")
    print("|---|---|---|---|---|---|---|")
    for name in options.cases:
        case = CASES[name]()
        runs = [run(case, seed, options) for seed in range(options.seeds)]
        worst, r_hat = (max(each[key] for each in runs) for key in ("z", "r_hat"))
        gradients, trips = (np.mean([each[key] for each in runs]) for key in ("gradients", "trips"))
        print(
            f"| {name} | {len(case.weight)} | {min(each['found'] for each in runs)} | {worst:.1f} "
            f"| {r_hat:.3f} | {gradients:.0f} | {trips:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
