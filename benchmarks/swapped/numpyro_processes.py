"""NumPyro's examples of processes in time and space, in other words and on simulated data."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.experimental.ode import odeint
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer import init_to_median

from benchmarks.swapped.case import Case


def gp(x, y):
    """A smooth function, with hyperparameters under priors that say next to nothing."""
    variance, noise, length = (
        numpyro.sample(name, dist.LogNormal(0.0, 10.0)) for name in ("variance", "noise", "length")
    )
    distance = (x[:, None] - x) / length
    covariance = variance * jnp.exp(-0.5 * distance**2) + (noise + 1e-6) * jnp.eye(len(x))
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), covariance), obs=y)


def gp_case():
    rng = np.random.default_rng(5)
    x = np.linspace(-1.0, 1.0, 30)
    y = x + 0.2 * x**3 + 0.5 * (0.5 + x) ** 2 * np.sin(4 * x) + rng.normal(0.0, 0.15, 30)

    def compared(draws):
        # Priors so wide leave tails without moments.
        return {name: np.log(values) for name, values in draws.items()}

    return Case(gp, (x, (y - y.mean()) / y.std()), {"init_strategy": init_to_median}, compared)


def stochastic_volatility(returns):
    """Log volatility walks at random; returns have Student's tails."""
    step = numpyro.sample("step", dist.Exponential(50.0))
    tails = numpyro.sample("tails", dist.Exponential(0.1))
    log_scale = numpyro.sample("log_scale", dist.GaussianRandomWalk(step, len(returns)))
    with numpyro.plate("days", len(returns)):
        numpyro.sample("r", dist.StudentT(tails, 0.0, jnp.exp(log_scale)), obs=returns)


def volatility_case():
    rng = np.random.default_rng(6)
    log_scale = np.cumsum(rng.normal(0.0, 0.05, 300))
    returns = np.exp(log_scale) * rng.standard_t(10, 300)
    return Case(stochastic_volatility, (returns,))


def hmm_enum(sequences, lengths):
    """Notes that depend on hidden states, summed out; sequences end at different times."""
    count, duration, notes = sequences.shape
    towards = 0.8 * jnp.eye(3) + 0.2
    change = numpyro.sample("change", dist.Dirichlet(towards).to_event(1))
    sound = numpyro.sample("sound", dist.Beta(0.5, 0.9).expand([3, notes]).to_event(2))

    def step(state, at):
        t, seen = at
        with (
            numpyro.plate("sequences", count, dim=-2),
            handlers.mask(mask=(t < lengths)[:, None]),
        ):
            state = numpyro.sample(
                "state", dist.Categorical(change[state]), infer={"enumerate": "parallel"}
            )
            with numpyro.plate("notes", notes, dim=-1):
                numpyro.sample("seen", dist.Bernoulli(sound[state.squeeze(-1)]), obs=seen)
        return state, None

    begin = jnp.zeros((count, 1), int)
    scan(step, begin, (jnp.arange(duration), jnp.swapaxes(sequences, 0, 1)))


def hmm_case():
    rng = np.random.default_rng(7)
    change = 0.7 * np.eye(3) + 0.1
    sound = np.array([[0.9, 0.8, 0.1, 0.1], [0.1, 0.9, 0.8, 0.1], [0.2, 0.1, 0.2, 0.9]])
    sequences, lengths = np.zeros((10, 30, 4), int), rng.integers(15, 31, 10)
    for sequence, length in zip(sequences, lengths, strict=True):
        state = 0
        for t in range(length):
            state = rng.choice(3, p=change[state])
            sequence[t] = rng.random(4) < sound[state]

    def compared(draws):
        stay = np.diagonal(draws["change"], axis1=-2, axis2=-1)
        return {"stay": np.sort(stay, -1), "sound": np.sort(draws["sound"], -2)}

    return Case(hmm_enum, (sequences, lengths), compared=compared)


def growth(populations, time, rates):
    """Hares that are born and eaten, lynxes that eat and die."""
    hares, lynxes = populations
    born, eaten, fed, dead = rates
    return jnp.stack([(born - eaten * lynxes) * hares, (fed * hares - dead) * lynxes])


def ode(times, pelts):
    """Predators and prey by a solver of differential equations."""
    start = numpyro.sample("start", dist.LogNormal(jnp.log(10.0), 1.0).expand([2]).to_event(1))
    rates = numpyro.sample(
        "rates",
        dist.TruncatedNormal(
            jnp.array([1.0, 0.05, 0.05, 1.0]), jnp.array([0.5, 0.05, 0.05, 0.5]), low=0.0
        ).to_event(1),
    )
    populations = odeint(growth, start, times, rates, rtol=1e-6, atol=1e-5, mxstep=1000)
    noise = numpyro.sample("noise", dist.LogNormal(-1.0, 1.0).expand([2]).to_event(1))
    numpyro.sample("pelts", dist.LogNormal(jnp.log(populations), noise).to_event(2), obs=pelts)


def ode_case():
    rng = np.random.default_rng(8)
    times = np.arange(0.0, 20.0)
    rates = jnp.array([0.55, 0.028, 0.024, 0.8])
    populations = odeint(growth, jnp.array([33.0, 6.0]), jnp.asarray(times), rates)
    pelts = np.asarray(populations) * np.exp(rng.normal(0.0, 0.25, (20, 2)))
    return Case(ode, (times, pelts), {"dense_mass": True})


CASES = {
    "gp": gp_case,
    "stochastic_volatility": volatility_case,
    "hmm_enum": hmm_case,
    "ode": ode_case,
}
