"""The same with Pyro: two of the models, and where their truths are among the draws."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import poutine

from benchmarks.calibration import settings
from fhl_ppl.pyro import FHL, MCMC

Tensor = Any


def conjugate(data: Tensor | None = None) -> None:
    """A mean, five observations."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.sample("y", dist.Normal(mu, 1.0).expand([5]).to_event(1), obs=data)


def hierarchy(data: Tensor | None = None) -> None:
    """Eight groups, not centred."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    tau = pyro.sample("tau", dist.HalfNormal(1.0))
    eta = pyro.sample("eta", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.sample("y", dist.Normal(mu + tau * eta, 1.0).to_event(1), obs=data)


MODELS = {"conjugate": conjugate, "hierarchy": hierarchy}


def each_rank(name: str, numbers: Iterable[int], kernel: type = FHL) -> Iterator[dict[str, float]]:
    """Places in (0, 1) of each quantity of a case, in the replications of these numbers."""
    torch.set_default_dtype(torch.float64)
    model = MODELS[name]
    for number in numbers:
        pyro.set_rng_seed(number)
        trace = poutine.trace(model).get_trace()
        truth = {name: trace.nodes[name]["value"] for name in trace.stochastic_nodes}
        data = trace.nodes["y"]["value"]
        truth.pop("y", None)
        mcmc = MCMC(
            kernel(model),
            num_samples=settings.DRAWS,
            warmup_steps=settings.WARMUP,
            num_chains=settings.CHAINS,
            disable_progbar=True,
        )
        mcmc.run(data)
        draws = mcmc.get_samples(group_by_chain=True)
        apart = settings.DRAWS // settings.KEPT
        kept = {name: x[:, apart - 1 :: apart].flatten(0, 1) for name, x in draws.items()}
        found = [
            _measures(model, data, {name: x[k] for name, x in kept.items()})
            for k in range(len(kept["mu"]))
        ]
        rng = np.random.default_rng(number)
        yield {
            name: _place(np.array([one[name] for one in found]), value, rng)
            for name, value in _measures(model, data, truth).items()
        }


def _measures(model: Any, data: Tensor, sites: dict[str, Tensor]) -> dict[str, float]:
    log_density = poutine.trace(poutine.condition(model, sites)).get_trace(data).log_prob_sum()
    each = {
        f"{name}[{i}]" if value.numel() > 1 else name: float(value.reshape(-1)[i])
        for name, value in sites.items()
        for i in range(value.numel())
    }
    return each | {"log density": float(log_density)}


def _place(draws: np.ndarray, truth: float, rng: np.random.Generator) -> float:
    below, equal = (draws < truth).sum(), (draws == truth).sum()
    return float((below + rng.uniform() * (equal + 1)) / (len(draws) + 1))
