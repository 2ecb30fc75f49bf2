"""The state that NumPyro carries from iteration to iteration, and collects fields from."""

from typing import Any, NamedTuple

from fhl_ppl.core.adaptation.plan import Adaptation
from fhl_ppl.core.metric import reported
from fhl_ppl.core.state import State
from fhl_ppl.numpyro.model.minibatch import Anchor

Array = Any


class AdaptState(NamedTuple):
    """What NumPyro users look up under `adapt_state`: the tuned step size and metric.

    Attributes
    ----------
    step_size
        eta, shape [chain].
    inverse_mass_matrix
        M^-1, shape [dim] or [dim, dim], or a `fhl_ppl.core.low_rank.LowRankMetric`.
    """

    step_size: Array
    inverse_mass_matrix: Array


class FHLState(NamedTuple):
    """State of `FHL`.

    With `chain_method="vectorized"` and several chains, [chain] below is the number of chains, and
    the chains are the particles. Otherwise there is no chain axis, and the fields are those of the
    first of the chain's particles.

    Attributes
    ----------
    i
        Iterations done, shape [chain].
    z
        Unconstrained positions, a pytree with leaves [chain, ...]. The sample field.
    potential_energy
        U at `z`, shape [chain].
    energy
        Hamiltonian U + K at the end of the iteration, shape [chain]; for the E-BFMI.
    accept_prob
        Acceptance probability of the iteration's proposal, shape [chain].
    mean_accept_prob
        Its mean since the start of the warm-up or of the sampling phase, shape [chain].
    diverging
        Whether the proposal was non-finite or its energy error above 1000, shape [chain].
    n_steps
        Leapfrog steps of the iteration, shape [chain]: one gradient a particle each. With a
        random force the gradient at the start counts too; a jump is 1.
    step_size
        eta, shape [chain].
    pulling_strength
        lambda, shape [chain].
    is_leader
        Whether the chain's particle led its group in the iteration, shape [chain].
    move
        What the chain's particle did: 0 for a trajectory, k for number k of
        `fhl_ppl.core.jumps.JUMPS`, counted from 1; shape [chain].
    squared_jump
        Expected squared jump in the whitened space, acceptance probability times squared distance,
        shape [chain].
    group
        Index of the particle's group, shape [chain].
    particles
        All particles, those of private companions too.
    adaptation
        What warm-up has learnt, pooled over the particles.
    rng_key
        Random keys, one for each chain.
    anchor
        Of a minibatch's control variate; None without.
    """

    i: Array
    z: Any
    potential_energy: Array
    energy: Array
    accept_prob: Array
    mean_accept_prob: Array
    diverging: Array
    n_steps: Array
    step_size: Array
    pulling_strength: Array
    is_leader: Array
    move: Array
    squared_jump: Array
    group: Array
    particles: State
    adaptation: Adaptation
    rng_key: Array
    anchor: Anchor | None = None

    @property
    def num_steps(self) -> Array:
        """Alias of `n_steps`, the name in NumPyro's `HMCState`."""
        return self.n_steps

    @property
    def adapt_state(self) -> AdaptState:
        """Step size and inverse mass matrix, under the names of NumPyro's `HMCState`."""
        return AdaptState(self.step_size, reported(self.adaptation.metric))
