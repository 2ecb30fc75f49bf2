"""FHL kernel prototype."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.flatten_util import ravel_pytree
from numpyro.infer.initialization import init_to_uniform
from numpyro.infer.mcmc import MCMCKernel
from numpyro.infer.util import initialize_model
from numpyro.util import is_prng_key, identity

from fhl_ppl import core
from fhl_ppl.core.adaptation import warmup, windows, metric as metric_estimate
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.transition import transition


class FHLState(NamedTuple):
    i: Any
    z: Any
    potential_energy: Any
    energy: Any
    accept_prob: Any
    mean_accept_prob: Any
    diverging: Any
    n_steps: Any
    step_size: Any
    pulling_strength: Any
    is_leader: Any
    group: Any
    particles: Any
    adaptation: Any
    rng_key: Any

    @property
    def num_steps(self):
        return self.n_steps


class FHL(MCMCKernel):
    def __init__(
        self,
        model=None,
        potential_fn=None,
        *,
        gradient_fn=None,
        group_size=4,
        coupling="alternate",
        adjusted=True,
        pulling_strength=None,
        step_size=1.0,
        adapt_step_size=True,
        target_accept_prob=0.8,
        trajectory_length=None,
        num_steps=None,
        max_num_steps=1024,
        inverse_mass_matrix=None,
        adapt_mass_matrix=True,
        dense_mass=None,
        init_strategy=init_to_uniform,
        forward_mode_differentiation=False,
        metric="fisher",
        tweak=None,
    ):
        self.__dict__.update({"_" + k: v for k, v in locals().items() if k != "self"})
        import importlib

        for key, v in (tweak or {}).items():
            mod, name = key.rsplit(".", 1)
            setattr(importlib.import_module("fhl_ppl.core.adaptation." + mod), name, v)
        self._sample_fn = None

    @property
    def model(self):
        return self._model

    @property
    def sample_field(self):
        return "z"

    @property
    def default_fields(self):
        return (
            "z",
            "potential_energy",
            "energy",
            "accept_prob",
            "diverging",
            "n_steps",
            "step_size",
            "pulling_strength",
            "is_leader",
            "group",
        )

    def init(self, rng_key, num_warmup, init_params=None, model_args=(), model_kwargs={}):
        self._batched = not is_prng_key(rng_key)
        if self._batched:
            both = jax.vmap(random.split)(rng_key)
            rng_key, keys = both[:, 0], both[:, 1]
        else:
            rng_key, key = random.split(rng_key)
            keys = random.split(key, self._group_size)
        zs = []
        for k in keys:
            info = initialize_model(
                k,
                self._model,
                dynamic_args=True,
                model_args=model_args,
                model_kwargs=model_kwargs,
                init_strategy=self._init_strategy,
            )
            zs.append(info.param_info.z)
        self._gen = info.potential_fn
        self._post = info.postprocess_fn
        z = jax.tree.map(lambda *x: jnp.stack(x), *zs)
        one, self._unravel = ravel_pytree(zs[0])
        position = jax.vmap(lambda t: ravel_pytree(t)[0])(z)
        U, g = self._potential(model_args, model_kwargs)(position)
        particles = State(position, U, g)
        N, D = position.shape
        self._groups = make_groups(N, self._group_size, position)
        dense = self._dense_mass if self._dense_mass is not None else D <= 200
        est = {"fisher": metric_estimate.from_scores, "cov": metric_estimate.from_positions}[
            self._metric
        ]
        self._plan = warmup.Plan(
            num_warmup,
            windows.window_ends(num_warmup),
            self._target_accept_prob,
            self._adapt_step_size,
            est if self._adapt_mass_matrix else None,
            dense,
            self._trajectory_length,
            self._num_steps,
            self._max_num_steps,
            self._pulling_strength,
        )
        imm = jnp.ones(D)
        if dense:
            imm = jnp.diag(imm)
        adaptation = warmup.start(self._plan, particles, self._step_size, imm)
        self._sample_fn = self._step
        zero = jnp.zeros_like(U)
        C = N if self._batched else 1
        rep = self._report
        st = FHLState(
            jnp.zeros(C, int) if self._batched else jnp.array(0),
            rep(jax.vmap(self._unravel)(position)),
            rep(U),
            rep(U),
            rep(zero),
            rep(zero),
            rep(zero > 1),
            rep(zero.astype(int)),
            rep(zero),
            rep(zero),
            rep(zero > 1),
            rep(self._groups.group),
            particles,
            adaptation,
            rng_key,
        )
        return st

    def _report(self, tree):
        return tree if self._batched else jax.tree.map(lambda x: x[0], tree)

    def _potential(self, args, kwargs):
        fn = self._gen(*args, **(kwargs or {}))
        return jax.vmap(jax.value_and_grad(lambda q: fn(self._unravel(q))))

    def sample(self, state, args, kwargs):
        return self._sample_fn(state, args, kwargs)

    def _step(self, state, args, kwargs):
        N, D = state.particles.position.shape
        if self._batched:
            both = jax.vmap(lambda k: random.split(k, 3))(state.rng_key)
            rng_key, k1, k2 = both[:, 0], both[:, 1], both[:, 2]
        else:
            rng_key, k1, k2 = random.split(state.rng_key, 3)
            k1, k2 = random.split(k1, N), random.split(k2, N)
        dt = state.particles.position.dtype
        noise = jax.vmap(lambda k: random.normal(k, (D,), dt))(k1)
        u = jax.vmap(lambda k: random.uniform(k, (3,), dt))(k2)
        draws = Draws(noise, u[:, 0], u[:, 1], u[:, 2])
        it = state.i[0] if self._batched else state.i
        tuning = warmup.tune(self._plan, state.adaptation, self._groups, it, draws)
        loop = lambda lo, hi, body, init: lax.fori_loop(lo, jnp.asarray(hi, int), body, init)
        particles, info = transition(
            state.particles,
            draws,
            tuning,
            self._groups,
            COUPLINGS[self._coupling],
            self._potential(args, kwargs),
            loop,
            self._adjusted,
        )
        adaptation = loop(
            0,
            (it < self._plan.num_warmup) * 1,
            lambda _, a: warmup.update(
                self._plan, a, self._groups, it, draws, particles, info, loop
            ),
            state.adaptation,
        )
        full = lambda v: jnp.broadcast_to(v, (N,))
        rep = self._report
        return FHLState(
            state.i + 1,
            rep(jax.vmap(self._unravel)(particles.position)),
            rep(particles.potential_energy),
            rep(info.energy),
            rep(info.accept_prob),
            rep(info.accept_prob),
            rep(info.diverging),
            rep(full(info.num_steps.astype(int))),
            rep(full(tuning.step_size)),
            rep(info.pulling_strength),
            rep(info.is_leader),
            rep(self._groups.group),
            particles,
            adaptation,
            rng_key,
        )

    def postprocess_fn(self, args, kwargs):
        return self._post(*args, **(kwargs or {}))
