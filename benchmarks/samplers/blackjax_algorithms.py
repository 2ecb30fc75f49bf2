"""BlackJAX's samplers, each with its own adaptation, on the density of a NumPyro model.

Every chain starts where a NumPyro kernel would: uniform in (-2, 2) on the unconstrained space.
"""

from functools import partial

import blackjax
import jax
import jax.numpy as jnp
import optax
from blackjax.adaptation.adjusted_mclmc_adaptation import adjusted_mclmc_find_L_and_step_size
from blackjax.mcmc import adjusted_mclmc, adjusted_mclmc_dynamic
from numpyro.infer.util import initialize_model

from benchmarks.samplers.interface import Draws, Entry, Sampler

MANY = 64
"""Chains for methods that learn from the spread of their chains."""


def steps(state, info, adaptation):
    """What to keep of a warm-up."""
    return info.num_integration_steps


def entry(algorithm, fewest=1, iterations=1, gradients_per_step=1, shared=False, **settings):
    """`algorithm(logdensity, size, **settings)` gives (warm_up, step).

    `warm_up(key, positions)`: (states, parameters, number of steps of all chains). `step(key,
    state, parameters)` moves one chain: (state, info). `shared`: one set of parameters for all.
    """

    def build(model, size, sites):
        # Only the functions of this start are used; they hold no random numbers.
        found = initialize_model(jax.random.PRNGKey(0), model)
        warm_up, step = algorithm(lambda position: -found.potential_fn(position), size, **settings)
        step = jax.vmap(step, in_axes=(0, 0, None if shared else 0))

        def start(key):
            key, key_start, key_warm = jax.random.split(key, 3)
            keys = jax.random.split(key_start, size.chains)
            positions = initialize_model(keys, model).param_info.z
            states, parameters, count = warm_up(key_warm, positions)
            return (key, states, parameters), gradients_per_step * count

        def advance(carry):
            def body(carry, _):
                key, states, parameters = carry
                key, key_step = jax.random.split(key)
                states, info = step(jax.random.split(key_step, size.chains), states, parameters)
                values = jax.vmap(found.postprocess_fn)(states.position)
                gradients = gradients_per_step * info.num_integration_steps
                kept = ({s: values[s] for s in sites}, gradients, info.is_divergent)
                return (key, states, parameters), kept

            carry, drawn = jax.lax.scan(body, carry, length=size.draws)
            return carry, Draws(*jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), drawn))

        return Sampler(start, advance)

    described = {"algorithm": algorithm.__name__, **settings}
    return Entry(build, described, lambda dim: fewest, iterations)


def nuts(logdensity, size, adaptation="window_adaptation", **settings):
    """Every chain adapts by itself."""
    adaptation = getattr(blackjax, adaptation)(blackjax.nuts, logdensity, **settings)
    kernel = blackjax.nuts.build_kernel()

    def warm_up(key, positions):
        run = partial(adaptation.run, num_steps=size.warmup)
        (states, parameters), told = jax.vmap(run)(jax.random.split(key, size.chains), positions)
        return states, parameters, told.info.num_integration_steps.sum()

    def step(key, state, parameters):
        return kernel(key, state, logdensity, **parameters)

    return warm_up, step


def chees(logdensity, size, mass_matrix_estimation=None):
    """Adam as in the paper (arXiv:2110.11576): rate 0.025, decays 0 and 0.95."""
    adaptation = blackjax.chees_adaptation(
        logdensity,
        size.chains,
        adaptation_info_fn=steps,
        mass_matrix_estimation=mass_matrix_estimation,
    )
    # The adaptation makes these while it is traced, before any step is.
    functions = {}

    def warm_up(key, positions):
        optimizer = optax.adam(0.025, b1=0.0, b2=0.95)
        (states, parameters), counts = adaptation.run(key, positions, 0.1, optimizer, size.warmup)
        for name in ("next_random_arg_fn", "integration_steps_fn"):
            functions[name] = parameters.pop(name)
        return states, parameters, counts.sum()

    def step(key, state, parameters):
        return blackjax.dynamic_hmc.build_kernel(**functions)(key, state, logdensity, **parameters)

    return warm_up, step


def meads(logdensity, size):
    folds = 4
    adaptation = blackjax.meads_adaptation(
        logdensity, size.chains, folds, adaptation_info_fn=lambda *info: None
    )
    kernel = blackjax.ghmc.build_kernel()

    def warm_up(key, positions):
        (states, parameters), _ = adaptation.run(key, positions, size.warmup)
        # One step an iteration, and one fold rests.
        return states, parameters, size.warmup * size.chains * (folds - 1) // folds

    def step(key, state, parameters):
        return kernel(key, state, logdensity, **parameters)

    return warm_up, step


def static_microcanonical():
    kernel = adjusted_mclmc.build_kernel()

    def whole_steps(integration_steps_params, **arguments):
        (average,) = integration_steps_params
        number = jnp.ceil(average).astype(int)
        return kernel(integration_steps_params=(number,), **arguments)

    return whole_steps


def microcanonical(logdensity, size, dynamic, target):
    """Adjusted microcanonical sampling; every chain tunes itself, in three stretches as given."""
    if dynamic:
        lengths = adjusted_mclmc_dynamic.make_random_trajectory_length_fn(True)
        kernel = adjusted_mclmc_dynamic.build_kernel(lengths)
    else:
        kernel = static_microcanonical()

    def tune(key, position):
        key_start, key_tune = jax.random.split(key)
        if dynamic:
            state = adjusted_mclmc_dynamic.init(position, logdensity, key_start)
        else:
            state = adjusted_mclmc.init(position, logdensity)
        return adjusted_mclmc_find_L_and_step_size(
            kernel,
            logdensity,
            size.warmup,
            state,
            key_tune,
            target,
            # The first fraction is used twice; its own defaults have the same proportions.
            frac_tune1=1 / 3,
            frac_tune2=1 / 3,
        )

    def warm_up(key, positions):
        keys = jax.random.split(key, size.chains)
        states, parameters, counts = jax.vmap(tune)(keys, positions)
        return states, parameters, counts.sum()

    def step(key, state, parameters):
        return kernel(
            rng_key=key,
            state=state,
            logdensity_fn=logdensity,
            step_size=parameters.step_size,
            inverse_mass_matrix=parameters.inverse_mass_matrix,
            integration_steps_params=(parameters.L / parameters.step_size,),
        )

    return warm_up, step


# Its integrator is the two-stage minimum-norm one: two gradients a step, two steps an iteration.
adjusted = partial(entry, microcanonical, iterations=4, gradients_per_step=2, target=0.9)

SAMPLERS = {
    "blackjax_nuts": entry(nuts),
    "blackjax_nuts_low_rank": entry(nuts, adaptation="window_adaptation_low_rank"),
    "blackjax_chees": entry(chees, fewest=MANY, shared=True),
    "blackjax_chees_diagonal": entry(
        chees, fewest=MANY, shared=True, mass_matrix_estimation="diagonal"
    ),
    "blackjax_meads": entry(meads, fewest=MANY, iterations=4, shared=True),
    "blackjax_adjusted_mclmc": adjusted(dynamic=False),
    "blackjax_adjusted_mclmc_dynamic": adjusted(dynamic=True),
}
