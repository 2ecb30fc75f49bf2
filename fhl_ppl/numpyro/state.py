"""The state that NumPyro carries from iteration to iteration, and collects fields from."""

import sys
from collections import namedtuple
from typing import Any

from fhl_ppl._docs import filled
from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.state import State
from fhl_ppl.core.statistics import MEANINGS, TENSION
from fhl_ppl.core.tempering.step import Replicas
from fhl_ppl.numpyro.adapt_state import AdaptState, MetricBlocks, adapt_state
from fhl_ppl.numpyro.callers import check_chain_method
from fhl_ppl.numpyro.devices import on_host
from fhl_ppl.numpyro.model.minibatch import Anchor
from fhl_ppl.numpyro.randomness import resumed_keys

Array = Any


_FIELDS = (
    *("i", "z", "mean_accept_prob", "num_diverging", *MEANINGS, TENSION, "companions"),
    *("particles", "learnt", "rng_key", "anchor", "data", "blocks", "replicas"),
)


def _fields() -> Any:
    return namedtuple("FHLState", _FIELDS)


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
    num_diverging
        How many of the chain's draws diverged since then, shape [chain].
    {statistics}
    tension
        With `temperatures` V of the replicas of the draw, minus the log likelihood of each, shape
        [chain, temperature], the posterior's first; empty without.
    companions
        What is kept of private companions, see `fhl_ppl.numpyro.companions`; empty if all particles
        are chains.
    particles
        All particles, those of private companions too.
    learnt
        What warm-up has learnt, pooled over the particles.
    rng_key
        Random keys, one for each chain.
    anchor
        Of a minibatch's control variate; None without.
    data
        A fingerprint of what the model was called with, a scalar.
    blocks
        Which sites form blocks of the metric.
    replicas
        All temperatures, of which `particles` and `learnt` are the first; None without.
    """

    __slots__ = ()

    particles: State
    learnt: Learnt
    anchor: Anchor | None
    blocks: MetricBlocks
    replicas: Replicas | None

    def __getitem__(self, index: Any) -> Any:
        """A field by its number; `MCMC` asks by name for one that is not there.

        Raises
        ------
        ValueError
            If it does, naming those that are.
        """
        if isinstance(index, str):
            raise ValueError(
                f"extra_fields asks for {index!r}, and a state of FHL has no such field; it has "
                f"{', '.join((*_FIELDS, 'num_steps', 'adapt_state'))}."
            )
        return super().__getitem__(index)

    def _replace(self, **changes: Any) -> "FHLState":
        """Replace fields; `MCMC` does so with the key to resume from this state.

        For vectorized chains it hands over the first key alone, by which theirs is settled.

        Raises
        ------
        ValueError
            If there are more or fewer keys than chains, or the chains are to go on as what they
            were not, see `check_chain_method`.
        """
        if "rng_key" in changes:
            # As `iteration_key` has it.
            first_decides = self.chains_are_particles
            check_chain_method(sys._getframe(1), first_decides)
            # The run that goes on from here may be on other devices.
            whole = on_host(self) if first_decides and len(changes) == 1 else self
            key = resumed_keys(whole.rng_key, changes["rng_key"], first_decides)
            return type(self)(**(whole._asdict() | changes | {"rng_key": key}))

        replaced: FHLState = super()._replace(**changes)
        return replaced

    @property
    def chains_are_particles(self) -> bool:
        """Whether every particle is a chain that is reported."""
        # With private companions there is an axis for them besides that of the chains.
        return bool(self.particles.potential_energy.ndim == self.step_size.ndim)

    @property
    def num_steps(self) -> Array:
        """Alias of `n_steps`, the name in NumPyro's `HMCState`."""
        return self.n_steps

    @property
    def adapt_state(self) -> AdaptState:
        """Step size and inverse mass matrix, under the names of NumPyro's `HMCState`."""
        shared_by = self.step_size.shape[0] if self.chains_are_particles else None
        return adapt_state(self.step_size, self.learnt["metric"], self.blocks, shared_by)
