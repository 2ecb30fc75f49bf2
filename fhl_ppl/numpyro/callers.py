"""Who in NumPyro asks, where NumPyro does not tell and would say less, or nothing."""

from types import FrameType

from numpyro.infer import MCMC

_REMEDIES = {
    "HMCGibbs": "Gibbs([(CustomGibbs(gibbs_fn), gibbs_sites), (FHL(model), None)])",
    "DiscreteHMCGibbs": "Gibbs([(DiscreteGibbs(model), discrete_sites), (FHL(model), None)])",
    "MixedHMC": "Gibbs([(DiscreteGibbs(model), discrete_sites), (FHL(model), None)])",
    "HMCECS": "FHL(model, minibatch=True)",
}


def refuse_hmc_only(frame: FrameType | None) -> None:
    """Refuse to be the inner kernel of those that look into NumPyro's own HMC.

    Parameters
    ----------
    frame
        That in which the class of a kernel is asked for.

    Raises
    ------
    TypeError
        If it is the constructor of such a kernel, with what to take in its place.
    """
    # `isinstance` of an abstract class asks from there.
    while frame is not None and frame.f_globals.get("__name__") == "abc":
        frame = frame.f_back
    if frame is None or not str(frame.f_globals.get("__name__")).startswith("numpyro.infer."):
        return
    name = type(frame.f_locals.get("self")).__name__
    if frame.f_code.co_name == "__init__" and name in _REMEDIES:
        raise TypeError(
            f"{name} moves the state of NumPyro's own HMC and cannot take FHL, whose state is of "
            f"all particles of a group; use {_REMEDIES[name]}, or sum discrete sites out "
            '(infer={"enumerate": "parallel"}).'
        )


def reports_every_particle(frame: FrameType | None) -> bool:
    """Whether the `frame` is that of an `MCMC` which is made with chains that are particles."""
    known = {} if frame is None else frame.f_locals
    is_vectorized = (
        isinstance(known.get("self"), MCMC) and known.get("chain_method") == "vectorized"
    )
    return bool(is_vectorized and known.get("num_chains", 1) > 1)


def check_number_of_keys(frame: FrameType | None, num_keys: int) -> None:
    """Insist on a key for each chain: of fewer, `MCMC` would run so many chains and not tell.

    Parameters
    ----------
    frame
        That in which a kernel is told to begin.
    num_keys

    Raises
    ------
    ValueError
        If it is of an `MCMC` with another number of chains.
    """
    mcmc = _asking(frame)
    if mcmc is not None and mcmc.num_chains != num_keys:
        raise ValueError(
            f"rng_key holds {num_keys} keys and num_chains is {mcmc.num_chains}; give one key, or "
            f"jax.random.split(key, {mcmc.num_chains})."
        )


def check_whose_state(frame: FrameType | None, ours: type) -> None:
    """Insist on a state of `ours` to go on from: NumPyro would look for its fields in any.

    Parameters
    ----------
    frame
        That in which a kernel is told to begin.
    ours
        The class that a state of this kernel is of.

    Raises
    ------
    TypeError
        If an `MCMC` is to go on from one of another kernel.
    """
    mcmc = _asking(frame)
    state = None if mcmc is None else mcmc.post_warmup_state
    if not (state is None or isinstance(state, ours)):
        raise TypeError(
            f"post_warmup_state must be of a run of FHL, got {type(state).__name__}; to start "
            "where another kernel ended give init_params=mcmc.last_state.z."
        )


def check_chain_method(frame: FrameType | None, are_particles: bool) -> None:
    """Insist that several chains go on as what they were, particles of one run or not.

    Parameters
    ----------
    frame
        That in which a state is given a key to go on with.
    are_particles
        Whether the chains of the state are particles.

    Raises
    ------
    ValueError
        If they are not in the `MCMC` that goes on, or the other way round.
    """
    mcmc = _asking(frame)
    if mcmc is None or mcmc.num_chains == 1:
        return
    if (mcmc.chain_method == "vectorized") != are_particles:
        made = '"vectorized"' if are_particles else 'another than "vectorized"'
        raise ValueError(
            f"the state to go on from is of chains with chain_method {made}, the run has "
            f"{mcmc.chain_method!r}. Give MCMC the chain_method that the state comes from, or "
            "start where its chains are, init_params=mcmc.last_state.z."
        )


def _asking(frame: FrameType | None) -> MCMC | None:
    """The `MCMC` whose method the `frame` is of, if it is one's."""
    mcmc = None if frame is None else frame.f_locals.get("self")
    return mcmc if isinstance(mcmc, MCMC) else None
