"""Kernels with NumPyro's interface.

They run as `MCMC` runs them, with its chain methods "vectorized" and "sequential", but warm-up and
draws as two functions that can be compiled and timed apart.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from numpyro.infer import AIES, ESS, HMC, NUTS

from benchmarks.samplers.interface import Draws, Entry, Sampler


class CountingESSState(NamedTuple):
    """Ensemble slice sampling's state, with the evaluations of one iteration."""

    i: object
    n_expansions: object
    n_contractions: object
    mu: object
    rng_key: object
    evaluations: object


class CountingESS(ESS):
    """Ensemble slice sampling that says how many energies it asked for, and keeps its chains.

    For a chain: the height of its slice, one for every expansion and one for each end that fails,
    one for every contraction and one for the point that is accepted.

    NumPyro's own reports its chains in the new order of every random split, which hides how slowly
    they move from any estimate of the effective sample size.
    """

    def sample(self, state, model_args, model_kwargs):
        new = super().sample(state, model_args, model_kwargs)
        # As `EnsembleSampler.sample` draws it.
        order = jax.random.permutation(jax.random.split(state.rng_key)[0], self._num_chains)
        back = jnp.argsort(order)
        return new._replace(z=jax.tree.map(lambda x: x[back], new.z))

    def init_inner_state(self, rng_key):
        return CountingESSState(*super().init_inner_state(rng_key), jnp.array(0))

    def _step_out(self, *args):
        self._expansions, *ends = super()._step_out(*args)
        return self._expansions, *ends

    def _shrink(self, *args):
        proposal, self._contractions = super()._shrink(*args)
        return proposal, self._contractions

    def update_active_chains(self, active, inactive, inner_state):
        proposal, new = super().update_active_chains(active, inactive, inner_state[:5])
        # The first half of the ensemble begins the count of an iteration anew.
        before = jnp.where(inner_state.i % 1 == 0, 0, inner_state.evaluations)
        asked = 4 * len(active) + self._expansions + self._contractions
        return proposal, CountingESSState(*new, before + asked)


def steps(state):
    return state.num_steps


def proposals_and_present(state):
    """AIES evaluates the proposal, and once more the point where a chain is."""
    return jnp.full(len(jax.tree.leaves(state.z)[0]), 2)


def slice_evaluations(state):
    chains = len(jax.tree.leaves(state.z)[0])
    return jnp.full(chains, state.inner_state.evaluations / chains)


def entry(
    kernel, count, chain_method="vectorized", fewest=lambda dim: 1, default_move=None, **settings
):
    """`count(state)`: gradients of each chain in one iteration. `default_move`: of an ensemble."""

    def build(model, size, sites):
        made = kernel(model, **settings)
        if default_move is not None:
            # Left to itself, the kernel would make it while `start` is traced, and keep a tracer.
            made = kernel(model, moves={default_move(size.chains): 1.0}, **settings)

        def step(state):
            return made.sample(state, (), {})

        def begin(key):
            state = made.init(key, size.warmup, None, (), {})

            def warm(state, _):
                state = step(state)
                return state, count(state)

            state, counts = jax.lax.scan(warm, state, length=size.warmup)
            return state, counts.sum()

        def draw(state):
            constrain = made.postprocess_fn((), {})
            # A chain of its own has no axis of chains.
            constrain = jax.vmap(constrain) if chain_method == "vectorized" else constrain

            def body(state, _):
                state = step(state)
                values = constrain(state.z)
                diverging = getattr(state, "diverging", jnp.zeros_like(count(state), bool))
                return state, ({s: values[s] for s in sites}, count(state), diverging)

            return jax.lax.scan(body, state, length=size.draws)

        def start(key):
            keys = jax.random.split(key, size.chains)
            if chain_method == "vectorized":
                return begin(keys)
            state, counts = jax.lax.map(begin, keys)
            return state, counts.sum()

        def advance(state):
            if chain_method == "vectorized":
                state, drawn = draw(state)
                return state, Draws(*jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), drawn))
            state, drawn = jax.lax.map(draw, state)
            return state, Draws(*drawn)

        return Sampler(start, advance)

    described = {"kernel": kernel.__name__, "chain_method": chain_method, **settings}
    return Entry(build, described, fewest)


def twice_the_dimension(dim):
    """What both ensemble samplers ask for, as far as the draws of all of them fit in memory."""
    return min(2 * dim, 256)


SAMPLERS = {
    "numpyro_nuts": entry(NUTS, steps),
    "numpyro_nuts_sequential": entry(NUTS, steps, chain_method="sequential"),
    "numpyro_nuts_dense": entry(NUTS, steps, dense_mass=True),
    "numpyro_hmc": entry(HMC, steps),
    "numpyro_aies": entry(
        AIES, proposals_and_present, fewest=twice_the_dimension, default_move=AIES.DEMove()
    ),
    "numpyro_ess": entry(
        CountingESS,
        slice_evaluations,
        fewest=twice_the_dimension,
        default_move=ESS.DifferentialMove(),
    ),
}
