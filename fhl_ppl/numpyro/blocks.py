"""NumPyro's `MCMC` drawn in blocks, for `fhl_ppl.run`.

A block is a run of `MCMC` from the state that the last one ended in, as NumPyro's documentation
has it, compiled as a whole: run after run NumPyro would compile its loop anew. The blocks of
warm-up are such runs too, of which nothing is kept, so that all share a loop.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from numpyro.infer import MCMC

from fhl_ppl._version import __version__
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.early_end import goes_on_at, may_end
from fhl_ppl.core.metrics import LowRankMetric, reported
from fhl_ppl.numpyro.companions import FIELD
from fhl_ppl.numpyro.devices import placed, processes_of, whole
from fhl_ppl.numpyro.extract import settings_of_run
from fhl_ppl.numpyro.kernel import FHL
from fhl_ppl.numpyro.randomness import check_key, is_batch
from fhl_ppl.numpyro.state import FHLState
from fhl_ppl.numpyro.trees import bare, by_path, joined, of_chain
from fhl_ppl.runs.former import Former
from fhl_ppl.runs.identity import digest, settings_of
from fhl_ppl.runs.sampling import Block

Array = Any
Loop = Callable[[FHLState], tuple[dict[str, Any], FHLState]]

_BORROWED = (
    *("num_samples", "num_chains", "progress_bar", "post_warmup_state"),
    *("_states", "_states_flat", "_last_state"),
)

_WARMUP, _SITES = ("warmup_left", "warmup_done"), "z"
"""What is known of the warm-up, and FHL's sample field."""

SAME_ENERGY = 1e-3
"""Relative difference below which two energies are the same, in single precision. One that was
computed far from where the particles are now is of little weight beside it."""


class NumpyroSampling:
    """A run of `mcmc` that has a start for all particles; see `fhl_ppl.runs.sampling.Sampling`.

    Raises
    ------
    TypeError
        If its kernel is another, or there is no key.
    """

    def __init__(
        self,
        mcmc: MCMC,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        former: Former | None = None,
    ) -> None:
        if not isinstance(mcmc.sampler, FHL):
            raise TypeError(
                "mcmc must be made with a fhl_ppl.numpyro.FHL to run in blocks, got "
                f"{type(mcmc.sampler).__name__}"
            )
        if not args:
            raise TypeError("NumPyro's MCMC needs a key: fhl_ppl.run(mcmc, jax.random.key(0), ...)")
        self._mcmc = mcmc
        self.processes = processes_of(mcmc.sampler.mesh)
        self._args = args[1:]
        self._kwargs = {k: v for k, v in kwargs.items() if k not in {"init_params", "extra_fields"}}
        self._fields = kwargs.get("extra_fields", ())
        # A single chain is one of those that are run by themselves.
        self._vectorized = mcmc.chain_method == "vectorized" and mcmc.num_chains > 1
        self._loops: dict[int, Loop] = {}
        self.state = self._start(args[0], kwargs.get("init_params"), former)
        self.warmup_steps = 0 if mcmc.post_warmup_state is not None else mcmc.num_warmup
        self.warmup_left, self.warmup_done = self.warmup_steps, 0
        self.num_draws = mcmc.num_samples // mcmc.thinning
        self.gradients = 0.0
        self._first_draw = int(jnp.ravel(self.state.i)[0]) + self.warmup_steps
        self._fold: Callable[..., Any] | None = None
        self._keeps_companions = True
        self._data = digest((self._args, self._kwargs))
        mcmc._args, mcmc._kwargs = self._args, self._kwargs

    @property
    def group(self) -> np.ndarray:
        """Group of each chain whose draws are here, [chain]."""
        if not self._vectorized:
            return np.arange(self._num_chains)
        return self.processes.own(self.state.group)

    @property
    def _num_chains(self) -> int:
        return int(self._mcmc.num_chains)

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""
        self._go_on(count)
        self._warmed_up(count)

    def hasten(self, block: int) -> None:
        """End the warm-up soon, if nothing else is to be learnt: by each chain by itself."""
        engine, state = self._mcmc.sampler._engine, self.state
        if engine is None or state.replicas is not None:
            return
        sampler = engine.sampler
        i = int(jnp.ravel(state.i)[0])
        known = jax.tree.map(whole, (state.learnt, state.particles))
        alone = self._vectorized or self._num_chains == 1
        each = [known] if alone else [of_chain(known, k) for k in range(self._num_chains)]
        if all(may_end(sampler, learnt, there, i, PYTHON) for learnt, there in each):
            then = goes_on_at(sampler, i, block)
            self.warmup_left -= then - i
            moved = state._replace(i=jnp.full_like(state.i, then))
            self.state = placed(self._mcmc.sampler.mesh, moved)

    def _warmed_up(self, count: int) -> None:
        count = min(count, self.warmup_left)
        self.warmup_left, self.warmup_done = self.warmup_left - count, self.warmup_done + count

    def draw(self, count: int, stop: Callable[[], bool]) -> Block:
        """Draw so many times; `stop` is not asked, as the loop is compiled."""
        told = self.on_host(self._go_on(count * self._mcmc.thinning))
        if not self._keeps_companions:
            told.pop(FIELD, None)
        sites = told[_SITES]
        posterior = sites if isinstance(sites, dict) else {_SITES: sites}
        statistics = {name: value for name, value in told.items() if isinstance(value, np.ndarray)}
        statistics.pop(_SITES, None)
        return Block(posterior, statistics, told)

    def sites(self) -> dict[str, Any]:
        """Where the chains are, constrained, with deterministic sites: [chain, ...] by name."""
        z = self.state.z
        if self._num_chains == 1:
            z = jax.tree.map(lambda leaf: leaf[None], z)
        return jax.jit(self._constrained)(z)

    def on_host(self, arrays: Any) -> Any:
        """What is here of them as NumPy arrays, and random keys as they are."""
        return jax.tree.map(self._on_host, arrays)

    def fold(
        self,
        count: int,
        stop: Callable[[], bool],
        update: Callable[[Any, dict[str, Any]], Any],
        carried: Any,
    ) -> tuple[Any, int]:
        """Run so many iterations in one compiled loop, and take up the draws after warm-up.

        Raises
        ------
        ValueError
            If chains are not particles, or draws are to be thinned.
        """
        if not self._vectorized or self._mcmc.thinning != 1:
            raise ValueError(
                "without kept draws NumPyro's MCMC needs several chains, "
                f'chain_method="vectorized" and no thinning, got num_chains={self._num_chains}, '
                f"chain_method={self._mcmc.chain_method!r}, thinning={self._mcmc.thinning}."
            )
        if self._fold is None:
            # What goes in is overwritten, so as not to be there twice; but not what users hold.
            self._fold = jax.jit(partial(self._folded, update), donate_argnums=(1, 2))
            self.state, carried = jax.tree.map(jnp.copy, (self.state, carried))
        steps = jnp.zeros_like(self.state.n_steps)
        state, carried, steps = self._fold(count, self.state, carried, steps)
        self.state = placed(self._mcmc.sampler.mesh, state)
        self._mcmc._last_state = self.state
        self.gradients += float(jnp.sum(steps, dtype=float))
        self._warmed_up(count)
        return carried, count

    def _folded(
        self, update: Callable[..., Any], count: Array, state: FHLState, carried: Any, steps: Array
    ) -> tuple[FHLState, Any, Array]:
        kernel = self._mcmc.sampler

        def once(_: Array, value: tuple[FHLState, Any, Array]) -> tuple[FHLState, Any, Array]:
            state, carried, steps = value
            is_draw = state.i[0] >= self._first_draw
            state = kernel.sample(state, self._args, self._kwargs)
            carried = lax.cond(
                is_draw,
                lambda both: update(both[0], self._constrained(both[1])),
                lambda both: both[0],
                (carried, state.z),
            )
            # Of each chain: that of one would have to be told to all devices.
            return state, carried, steps + state.n_steps

        return lax.fori_loop(0, count, once, (state, carried, steps))

    def _constrained(self, z: Any) -> dict[str, Any]:
        found = jax.vmap(self._mcmc.sampler.postprocess_fn(self._args, self._kwargs))(z)
        return found if isinstance(found, dict) else {_SITES: found}

    def publish(self, blocks: list[Block]) -> None:
        """Let `mcmc` hold the draws of these blocks."""
        mcmc = self._mcmc
        if not blocks:
            mcmc._states = mcmc._states_flat = None
            return
        mcmc._states = jax.tree.map(joined, *(block.whole for block in blocks))
        mcmc._states_flat = None
        mcmc.num_samples = mcmc.thinning * jax.tree.leaves(mcmc._states)[0].shape[1]
        mcmc._set_collection_params()

    def identity(self) -> dict[str, Any]:
        """What a run that goes on with this one has to have in common."""
        mcmc, particles = self._mcmc, self.state.particles
        method = mcmc.chain_method
        return {
            "library": "numpyro",
            "fhl_ppl": __version__,
            "num_chains": mcmc.num_chains,
            "chain_method": getattr(method, "__name__", method),
            "num_warmup": self.warmup_steps,
            "thinning": mcmc.thinning,
            "extra_fields": list(self._fields),
            "num_particles": particles.potential_energy.size,
            "sites": {name: list(leaf.shape) for name, leaf in by_path(self.state.z).items()},
            "dtype": str(particles.position.dtype),
            **settings_of(asdict(mcmc.sampler.options)),
            **self.processes.identity(),
            "data": self._data,
        }

    def settings(self) -> dict[str, Any]:
        """What the sampler was, as attributes of the draws."""
        found = settings_of_run(self._mcmc, self._mcmc.sampler)
        return {**found, "fhl_ppl_version": __version__}

    def save(self) -> dict[str, np.ndarray]:
        """All that the rest of the run depends on."""
        arrays = {name: whole(bare(leaf)) for name, leaf in by_path(self.state).items()}
        left = {name: np.array(getattr(self, name)) for name in _WARMUP}
        return {**arrays, **left, **self.former().saved()}

    def former(self) -> Former:
        """Where the chains are, for another run to start from, and the metric."""
        z, metric = self.state.z, reported(self.state.learnt["metric"])
        places = z if isinstance(z, dict) else {_SITES: z}
        if self._num_chains == 1:
            places = jax.tree.map(lambda leaf: leaf[None], places)
        # Chains that are not vectorized have a metric each.
        shared = (self._vectorized or self._num_chains == 1) and not isinstance(
            metric, LowRankMetric
        )
        return Former(
            {name: whole(leaf) for name, leaf in places.items()},
            whole(metric) if shared else None,
        )

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from where `save` was called.

        Raises
        ------
        ValueError
            If it was of another target, or what it has is not what a state here has.
        """
        leaves = []
        for name, leaf in by_path(self.state).items():
            saved, here = arrays.get(name), bare(leaf)
            if saved is None or (saved.shape, saved.dtype) != (here.shape, here.dtype):
                found = "none" if saved is None else f"one of {saved.dtype} {saved.shape}"
                raise ValueError(
                    f"the state needs {name} of {here.dtype} {here.shape} and has {found}; run "
                    "with the model and settings that it was saved with, or start afresh"
                )
            loaded = jnp.asarray(saved)
            if here is not leaf:
                loaded = random.wrap_key_data(loaded, impl=random.key_impl(leaf))
            leaves.append(loaded)
        loaded_state = jax.tree.unflatten(jax.tree.structure(self.state), leaves)
        self.state = placed(self._mcmc.sampler.mesh, loaded_state)
        self.warmup_left, self.warmup_done = (int(arrays[name]) for name in _WARMUP)
        self._mcmc._last_state = self.state
        self._check_energies()

    def restored(
        self, posterior: dict[str, np.ndarray], sample_stats: dict[str, np.ndarray]
    ) -> Block:
        """Make a block of what was stored of several."""
        sites = posterior[_SITES] if not isinstance(self.state.z, dict) else posterior
        return Block(posterior, sample_stats, {_SITES: sites, **sample_stats})

    def without_companions(self) -> None:
        """Keep no draws of private companions."""
        self._keeps_companions = False

    def _on_host(self, leaf: Array) -> Any:
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return leaf if is_key else self.processes.own(leaf)

    def _check_energies(self) -> None:
        """Insist that the energies are of this model; with others nothing would move."""
        one = self._mcmc.num_chains == 1
        z = jax.tree.map(lambda leaf: leaf[None], self.state.z) if one else self.state.z
        found = whole(self._mcmc.sampler.energies(z, self._args, self._kwargs))
        saved = whole(self.state.potential_energy).reshape(found.shape)
        close = np.abs(found - saved) <= SAME_ENERGY * np.maximum(1, np.abs(saved))
        # Infinite energies may be equal though their difference is NaN.
        differs = (found != saved) & ~close
        if differs.any():
            k = int(differs.argmax())
            raise ValueError(
                f"the state is of another model: the potential energy of chain {k} was "
                f"{float(saved[k]):.10g} there and is {float(found[k]):.10g} here; run with the "
                "model that it was saved with, or start afresh"
            )

    def _start(self, key: Array, init_params: Any, former: Former | None) -> FHLState:
        mcmc, num_chains = self._mcmc, self._num_chains
        metric = mcmc.sampler._inverse_mass_matrix
        if former is not None:
            starts = {name: jnp.asarray(x) for name, x in former.starts(num_chains).items()}
            bare = mcmc.sampler.model is None and list(starts) == [_SITES]
            init_params = starts[_SITES] if bare else starts
            if former.inverse_mass_matrix is not None:
                metric = former.inverse_mass_matrix
        check_key(key)
        if num_chains > 1 and not is_batch(key):
            key = random.split(key, num_chains)

        def start(key: Array, init_params: Any) -> FHLState:
            kernel, given = mcmc.sampler, mcmc.sampler._inverse_mass_matrix
            kernel._inverse_mass_matrix = metric
            try:
                return kernel.init(key, mcmc.num_warmup, init_params, self._args, self._kwargs)
            finally:
                kernel._inverse_mass_matrix = given

        if self._vectorized or num_chains == 1:
            first = start(key, init_params)
        else:
            each = [start(key[k], of_chain(init_params, k)) for k in range(num_chains)]
            first = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
        given = mcmc.post_warmup_state
        if given is None:
            return first
        return placed(mcmc.sampler.mesh, given._replace(rng_key=key))

    def _go_on(self, iterations: int) -> dict[str, Any]:
        """Run so many, and return all fields that are collected, [chain, draw, ...]."""
        if iterations not in self._loops:
            self._loops[iterations] = self._of_all_chains(partial(self._loop, iterations))
        fields, state = self._loops[iterations](self.state)
        # Where a compiler leaves what all devices have is up to it.
        self.state = placed(self._mcmc.sampler.mesh, state)
        self._mcmc._last_state = self.state
        particles = self.state.particles.potential_energy.size
        steps = fields["n_steps"]
        self.gradients += float(jnp.sum(steps) / len(steps)) * particles * self._mcmc.thinning
        return fields

    def _loop(self, iterations: int, state: FHLState) -> tuple[dict[str, Any], FHLState]:
        """Run one chain, or all that are vectorized."""
        mcmc = self._mcmc
        given = {name: getattr(mcmc, name) for name in _BORROWED}
        mcmc.num_samples, mcmc.progress_bar, mcmc.post_warmup_state = iterations, False, state
        if not self._vectorized:
            mcmc.num_chains = 1
        try:
            mcmc.run(state.rng_key, *self._args, extra_fields=self._fields, **self._kwargs)
            return mcmc._states, mcmc.last_state
        finally:
            # What is traced must not be found there.
            for name, value in given.items():
                setattr(mcmc, name, value)
            mcmc._set_collection_params()

    def _of_all_chains(self, loop: Loop) -> Loop:
        """Compile it, and map it over chains as their `chain_method` has it."""
        num_chains, method = self._num_chains, self._mcmc.chain_method
        if self._vectorized or num_chains == 1:
            return jax.jit(loop)
        if method == "sequential":
            compiled = jax.jit(loop)

            def mapped(states: FHLState) -> Any:
                each = [compiled(of_chain(states, k)) for k in range(num_chains)]
                return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)

        else:
            mapped = jax.pmap(loop) if method == "parallel" else jax.jit(method(loop))

        def without_axis(states: FHLState) -> tuple[dict[str, Any], FHLState]:
            # NumPyro has an axis of chains for one alone, too.
            fields, last = mapped(states)
            return jax.tree.map(lambda leaf: leaf[:, 0], fields), last

        return without_axis
