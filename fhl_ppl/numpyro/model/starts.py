"""Where the particles start, and what is wrong if they cannot."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.infer.util import ModelInfo, initialize_model, potential_energy, unconstrain_fn
from numpyro.util import not_jax_tracer

from fhl_ppl.core.state import State
from fhl_ppl.numpyro.devices import whole
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs
from fhl_ppl.numpyro.model.reading import first_guess, radius_of, read
from fhl_ppl.numpyro.randomness import is_batch

Array = Any


def with_particle_axis(init_params: Any, num_particles: int, vectorized: bool) -> Any:
    """Give `init_params` leaves [particle, ...], which those of vectorized chains have already.

    Private companions start where their chain does, which is known to be a valid place.

    Raises
    ------
    ValueError
        If a leaf has no such axis, or is of another type than particles can have.
    """
    leaves, where = jax.tree_util.tree_flatten_with_path(init_params)
    for path, leaf in leaves:
        kind = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
        if kind not in (np.float32, np.float64):
            raise ValueError(
                f"init_params{jax.tree_util.keystr(path)} has dtype {kind}; FHL moves parameters "
                "of float32 and float64 only. Convert it, or close over it."
            )
        if vectorized and np.shape(leaf)[:1] != (num_particles,):
            raise ValueError(
                f"init_params{jax.tree_util.keystr(path)} must have {num_particles} chains as its "
                f"first axis, got shape {np.shape(leaf)}."
            )
    init_params = jax.tree.unflatten(where, [jnp.asarray(leaf) for _, leaf in leaves])
    if vectorized:
        return init_params
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (num_particles, *x.shape)), init_params)


def with_replicas(init_params: Any, temperatures: int) -> Any:
    """Let all replicas of a particle start where it does: leaves [temperature * particle, ...]."""
    return jax.tree.map(lambda x: jnp.concatenate([x] * temperatures), init_params)


def needed(init_params: Any) -> Any:
    """Insist on `init_params`: a potential alone does not say where to start.

    Raises
    ------
    ValueError
        If it is None.
    """
    if init_params is None:
        raise ValueError(
            "init_params must be given with potential_fn: pass it to MCMC.run, with a leading "
            "chain axis if there are several chains."
        )
    return init_params


def from_model(
    keys: Array,
    model: Callable[..., Any],
    model_args: Args,
    model_kwargs: Kwargs,
    init_params: Any,
    may_guess: bool,
    **settings: Any,
) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    """Find a start for every key [particle], or take `init_params` [particle, ...] if given.

    If it `may_guess`, whether energies and gradients there are finite remains to be seen.

    Returns the start, leaves [particle, ...]; and, each to be called with the model's arguments,
    what makes the potential of unconstrained sites and the map from these to constrained ones.

    Raises
    ------
    ValueError
        If no start with a finite potential is found, naming the sites; if the model subsamples; if
        `init_params` is not shaped as its latent sites.
    """
    strategy, info = settings["init_strategy"], None
    is_given = init_params is not None
    if not_jax_tracer(keys) and (is_given or (may_guess and radius_of(strategy) is not None)):
        info = read(keys, model, model_args, model_kwargs, strategy)
    if info is None:
        info = _search(keys, model, model_args, model_kwargs, settings)
    elif not is_given:
        init_params = first_guess(keys, info, strategy)
    _refuse_subsampling(info.model_trace)
    z = info.param_info.z
    if init_params is not None:
        _check_same_shape(init_params, z)
        # Of the sites' types, also if it was made before float64 was allowed.
        z = jax.tree.map(lambda given, like: jnp.asarray(given, like.dtype), init_params, z)
    return z, info.potential_fn, info.postprocess_fn


def _search(
    keys: Array,
    model: Callable[..., Any],
    model_args: Args,
    model_kwargs: Kwargs,
    settings: dict[str, Any],
) -> ModelInfo:
    try:
        return initialize_model(
            keys,
            model,
            dynamic_args=True,
            model_args=model_args,
            model_kwargs=model_kwargs,
            **settings,
        )
    except RuntimeError as error:
        reason = _diagnose(keys[0], model, model_args, model_kwargs, settings["init_strategy"])
        if reason is None:
            raise
        raise ValueError(reason) from error


def as_anchor(given: Any, start: Any) -> Any:
    """Check a given `anchor` against `start`, one particle's pytree.

    Raises
    ------
    ValueError
        If it is not shaped like it.
    """
    numbers = all(np.asarray(leaf).dtype.kind in "iuf" for leaf in jax.tree.leaves(given))
    if not numbers or _shapes(given) != _shapes(start):
        raise ValueError(
            "anchor must hold one unconstrained value of every latent site, as init_params of a "
            f"single chain: wanted shapes {_shapes(start)}, got {_shapes(given)}."
        )
    return jax.tree.map(lambda value, like: jnp.asarray(value, like.dtype), given, start)


def can_start(particles: State, wants_gradient: bool) -> np.ndarray:
    """Where U is finite, and its gradient if that is what drives the particles, [particle].

    Under a JAX transformation values are not known yet, and nothing is held against them.
    """
    if not not_jax_tracer(particles.potential_energy):
        return np.ones(len(particles.potential_energy), bool)
    position, energy, gradient = map(whole, particles)
    sound = np.isfinite(energy)
    for each in (position, gradient) if wants_gradient else (position,):
        sound &= np.isfinite(each).all(axis=1)
    return sound


def check_finite(particles: State, unravel: Callable[[Array], Any], wants_gradient: bool) -> None:
    """Refuse to start where not everybody `can_start`; `unravel` makes a pytree of a position.

    Raises
    ------
    ValueError
        Naming the first particle that cannot start, the sites and the reason.
    """
    bad = ~can_start(particles, wants_gradient)
    if not bad.any():
        return
    position, energy, gradient = map(whole, particles)
    z, gradient = (jax.vmap(unravel)(each) for each in (position, gradient))
    first = int(np.argmax(bad))
    blame = _not_finite(z, first, "position") + _not_finite(gradient, first, "gradient")
    raise ValueError(
        f"particle {first} cannot start: its potential energy is "
        f"{float(energy[first])}; {'; '.join(blame) or 'all sites are finite'}. "
        "Give init_params with a finite potential energy and gradient, or another init_strategy."
    )


def _refuse_subsampling(trace: dict[str, Any]) -> None:
    for name, site in trace.items():
        if site["type"] != "plate":
            continue
        size, subsample_size = site["args"]
        if subsample_size not in (None, size):
            raise ValueError(
                f"plate {name!r} subsamples {subsample_size} of {size}: the energy would change "
                "from step to step and the Metropolis test with it. Set minibatch=True, which "
                "takes the gradient from the subsample and the energy from all data, or use the "
                "full data (subsample_size=None)."
            )


def _not_finite(tree: Any, particle: int, what: str) -> list[str]:
    """Name the leaves that are not finite for `particle`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [
        f"non-finite {what} at site {_name(path)}"
        for path, leaf in leaves
        if not np.isfinite(leaf[particle]).all()
    ]


def _name(path: tuple[Any, ...]) -> str:
    return repr(path[0].key) if len(path) == 1 and hasattr(path[0], "key") else str(path)


def _diagnose(
    key: Array,
    model: Callable[..., Any],
    model_args: Args,
    model_kwargs: Kwargs,
    init_strategy: Callable[..., Any],
) -> str | None:
    """Say why a model cannot be started, or None if NumPyro's own message says it better."""
    if is_batch(key):
        key = key[0]
    seeded = handlers.substitute(handlers.seed(model, key), substitute_fn=init_strategy)
    try:
        trace = handlers.trace(seeded).get_trace(*model_args, **model_kwargs)
    except Exception:
        return None
    culprits = []
    for name, site in trace.items():
        if site["type"] != "sample" or (site["fn"].support.is_discrete and not site["is_observed"]):
            continue
        with np.errstate(all="ignore"):
            log_prob = np.asarray(site["fn"].log_prob(site["value"]))
        if not np.isfinite(log_prob).all():
            kind = "observed site" if site["is_observed"] else "site"
            culprits.append(f"{kind} {name!r} has log density {log_prob.min()}")
    culprits = culprits or _without_gradient(model, key, trace, model_args, model_kwargs)
    if not culprits:
        return None
    return (
        "no start with a finite potential energy and gradient was found: "
        f"{'; '.join(culprits)}. Check the data and priors of these sites, give init_params, or "
        "use another init_strategy."
    )


def _without_gradient(
    model: Callable[..., Any],
    key: Array,
    trace: dict[str, Any],
    model_args: Args,
    model_kwargs: Kwargs,
) -> list[str]:
    """Name the sites in which the potential has no finite gradient though it is finite itself."""
    values = {
        name: site["value"]
        for name, site in trace.items()
        if site["type"] == "sample"
        and not site["is_observed"]
        and not site["fn"].support.is_discrete
    }
    seeded = handlers.seed(model, key)
    try:
        z = unconstrain_fn(seeded, model_args, model_kwargs, values)
        gradient = jax.grad(lambda z: potential_energy(seeded, model_args, model_kwargs, z))(z)
    except Exception:
        # What it is asked of may be summed out, or not differentiable at all.
        return []
    return [
        f"the gradient of the potential energy is not finite at {name!r}"
        for name, leaf in gradient.items()
        if not np.isfinite(np.asarray(leaf)).all()
    ]


def _check_same_shape(given: Any, wanted: Any) -> None:
    if _shapes(given) != _shapes(wanted):
        raise ValueError(
            "init_params must hold the unconstrained value of every latent site, with a leading "
            f"chain axis if there are several chains: wanted shapes {_shapes(wanted)}, "
            f"got {_shapes(given)}."
        )


def _shapes(tree: Any) -> Any:
    return jax.tree.map(jnp.shape, tree)
