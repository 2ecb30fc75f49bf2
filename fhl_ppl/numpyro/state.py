"""The state that NumPyro carries from iteration to iteration, and collects fields from."""

from collections import namedtuple
from typing import Any, NamedTuple

from fhl_ppl._docs import filled
from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.metrics import reported
from fhl_ppl.core.state import State
from fhl_ppl.core.statistics import MEANINGS
from fhl_ppl.numpyro.model.minibatch import Anchor

Array = Any


class AdaptState(NamedTuple):
    """What NumPyro users look up under `adapt_state`: the tuned step size and metric.

    Attributes
    ----------
    step_size
        eta, shape [chain].
    inverse_mass_matrix
        M^-1, shape [dim] or [dim, dim], or a `fhl_ppl.core.metrics.LowRankMetric`.
    """

    step_size: Array
    inverse_mass_matrix: Array


_FIELDS = (
    *("i", "z", "mean_accept_prob", *MEANINGS),
    *("particles", "learnt", "rng_key", "anchor"),
)


def _fields() -> Any:
    return namedtuple("FHLState", _FIELDS, defaults=(None,))


# A NamedTuple would have to spell its fields out.
_Fields: Any = _fields()


@filled(statistics=MEANINGS)
class FHLState(_Fields):
    """State of `FHL`.

    With `chain_method="vectorized"` and several chains, [chain] below is the number of chains, and
    the chains are the particles. Otherwise there is no chain axis, and the fields are those of the
    first of the chain's particles. The statistics of an iteration have shape [chain].

    Attributes
    ----------
    i
        Iterations done, shape [chain].
    z
        Unconstrained positions, a pytree with leaves [chain, ...]. The sample field.
    mean_accept_prob
        Mean of `accept_prob` since the start of the warm-up or of the sampling phase, shape
        [chain].
    {statistics}
    particles
        All particles, those of private companions too.
    learnt
        What warm-up has learnt, pooled over the particles.
    rng_key
        Random keys, one for each chain.
    anchor
        Of a minibatch's control variate; None without.
    """

    __slots__ = ()

    particles: State
    learnt: Learnt
    anchor: Anchor | None

    @property
    def num_steps(self) -> Array:
        """Alias of `n_steps`, the name in NumPyro's `HMCState`."""
        return self.n_steps

    @property
    def adapt_state(self) -> AdaptState:
        """Step size and inverse mass matrix, under the names of NumPyro's `HMCState`."""
        return AdaptState(self.step_size, reported(self.learnt["metric"]))
