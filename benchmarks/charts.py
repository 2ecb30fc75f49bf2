"""What charts do: hierarchies, local scales, heavy tails and a Gaussian, without charts and with.

`python -m benchmarks.charts --seeds 4` prints a table; figures in docs/benchmarks.md.
"""

import argparse
from collections.abc import Callable
from typing import Any

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np

from fhl_ppl.numpyro import FHL

Array = Any
EFFECTS = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
ERRORS = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])


def funnel(q: Array) -> Array:
    """Neal's: the first is N(0, 3^2), the others have its exponential as their variance."""
    return q[0] ** 2 / 18 + (len(q) - 1) * q[0] / 2 + jnp.sum(q[1:] ** 2) * jnp.exp(-q[0]) / 2


def cauchy(q: Array) -> Array:
    """Independent Cauchy variables."""
    return jnp.sum(jnp.log1p(q**2))


def gaussian(q: Array) -> Array:
    """Independent, with standard deviations from .01 to 1."""
    return jnp.sum((q * jnp.logspace(0, 2, len(q))) ** 2) / 2


def schools(centred: bool) -> Callable[[Array], Array]:
    """Eight schools, tau ~ half-Cauchy(5), in mu, log tau and the effects."""
    return _hierarchy(EFFECTS, ERRORS, centred, lambda s: jnp.log1p(jnp.exp(2 * s) / 25))


def groups(error: float, centred: bool) -> Callable[[Array], Array]:
    """Fifty groups measured with an error, tau ~ half-normal(1)."""
    rng = np.random.default_rng(3)
    y = rng.normal(1, 1, 50) + error * rng.normal(size=50)
    return _hierarchy(y, error, centred, lambda s: jnp.exp(2 * s) / 2)


def _hierarchy(
    y: Array, error: Array, centred: bool, of_scale: Callable[[Array], Array]
) -> Callable[[Array], Array]:
    def potential(q: Array) -> Array:
        mu, log_tau = q[0], q[1]
        offset = (q[2:] - mu) * jnp.exp(-log_tau) if centred else q[2:]
        effect = q[2:] if centred else mu + jnp.exp(log_tau) * q[2:]
        volume = len(y) * log_tau if centred else 0.0
        prior = mu**2 / 50 + of_scale(log_tau) - log_tau + volume + jnp.sum(offset**2) / 2
        return prior + jnp.sum(((y - effect) / error) ** 2) / 2

    return potential


def horseshoe() -> Callable[[Array], Array]:
    """Sixty data, forty weights z lambda tau: lambda ~ half-Cauchy(1), tau ~ half-Cauchy(.1)."""
    rng = np.random.default_rng(9)
    design = rng.normal(size=(60, 40))
    y = design @ np.array([3, -2, 1.5, 1] + [0] * 36) + rng.normal(size=60)

    def potential(q: Array) -> Array:
        log_local, z, log_tau, log_error = q[:40], q[40:80], q[80], q[81]
        left = (y - design @ (z * jnp.exp(log_local + log_tau))) * jnp.exp(-log_error)
        of_scales = jnp.sum(jnp.log1p(jnp.exp(2 * log_local)) - log_local)
        of_scales += jnp.log1p(100 * jnp.exp(2 * log_tau)) - log_tau
        of_error = jnp.exp(2 * log_error) / 8 - log_error + len(y) * log_error
        return of_scales + of_error + (jnp.sum(z**2) + jnp.sum(left**2)) / 2

    return potential


def positive_effects() -> Callable[[Array], Array]:
    """Thirty effects ~ N(m, s^2) above 0, in logarithms; m and s ~ N(.5, .5^2) above 0."""
    rng = np.random.default_rng(5)
    y = np.abs(rng.normal(0, 0.3, 30)) + rng.normal(0, 0.2, 30)

    def potential(q: Array) -> Array:
        mean, sd, effect = jnp.exp(q[0]), jnp.exp(q[1]), jnp.exp(q[2:])
        above = jax.scipy.stats.norm.logcdf(mean / sd)
        prior = jnp.sum(((effect - mean) / sd) ** 2) / 2 + len(y) * (q[1] + above)
        of_both = 2 * ((mean - 0.5) ** 2 + (sd - 0.5) ** 2)
        return of_both + prior + jnp.sum(((y - effect) / 0.2) ** 2) / 2 - jnp.sum(q)

    return potential


TARGETS: dict[str, tuple[Callable[[Array], Array], int]] = {
    "funnel, d = 2": (funnel, 2),
    "funnel, d = 10": (funnel, 10),
    "funnel, d = 100": (funnel, 100),
    "eight schools, centred": (schools(True), 10),
    "eight schools, not centred": (schools(False), 10),
    "50 groups, strong data, centred": (groups(0.1, True), 52),
    "50 groups, strong data, not centred": (groups(0.1, False), 52),
    "50 groups, weak data, centred": (groups(3.0, True), 52),
    "50 groups, weak data, not centred": (groups(3.0, False), 52),
    "horseshoe, 40 weights": (horseshoe(), 82),
    "30 positive effects": (positive_effects(), 32),
    "Cauchy, d = 10": (cauchy, 10),
    "Gaussian, d = 20": (gaussian, 20),
}


def row(name: str, charts: bool, seeds: range) -> str:
    """Median and lowest ESS for 1000 gradients, worst R-hat, divergences, gradients."""
    potential, dim = TARGETS[name]
    each, rhats, divergences, gradients = [], [], 0, []
    kernel = FHL(potential_fn=potential, charts=charts)

    @jax.jit
    def go(state: Any) -> Any:
        def one(state: Any, _: None) -> Any:
            state = kernel.sample(state, (), {})
            return state, (state.z, state.n_steps, state.diverging)

        return jax.lax.scan(one, state, length=2000)[1]

    for seed in seeds:
        start = jnp.asarray(np.random.default_rng(seed).uniform(-2, 2, (4, dim)))
        keys = jax.random.split(jax.random.PRNGKey(seed), 4)
        places, steps, diverging = go(kernel.init(keys, 1000, start, (), {}))
        spent = float(np.sum(steps))
        q = np.moveaxis(np.asarray(places, float)[1000:], 0, 1)
        # Moments of Cauchy variables do not exist.
        q = np.arcsinh(q) if name.startswith("Cauchy") else q
        columns = [part[..., i] for part in (q, q**2) for i in range(dim)]
        each.append(1000 * min(float(az.ess(column)) for column in columns) / spent)
        rhats.append(max(float(az.rhat(q[..., i])) for i in range(dim)))
        divergences += int(np.sum(diverging[1000:]))
        gradients.append(spent)
    return (
        f"| {name} | {'on' if charts else 'off'} | {np.median(each):.2f} | {min(each):.2f} "
        f"| {max(rhats):.3f} | {divergences} | {np.median(gradients) / 1000:.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print("| target | charts | median | lowest | R-hat | divergences | 1000 gradients |")
    print("|---|---|---|---|---|---|---|")
    for name in given.targets:
        for charts in (False, True):
            print(row(name, charts, range(given.seeds)), flush=True)


if __name__ == "__main__":
    main()
