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
    mcmc = None if frame is None else frame.f_locals.get("self")
    if isinstance(mcmc, MCMC) and mcmc.num_chains != num_keys:
        raise ValueError(
            f"rng_key holds {num_keys} keys and num_chains is {mcmc.num_chains}; give one key, or "
            f"jax.random.split(key, {mcmc.num_chains})."
        )
