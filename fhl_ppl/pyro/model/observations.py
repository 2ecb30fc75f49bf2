"""What a Pyro model says of its observed sites, at the draws of the posterior."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.distributions import Unit
from pyro.poutine.uncondition_messenger import UnconditionMessenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

Site = Mapping[str, Any]
SEED = 0
"""Of predictive draws, so that converting twice gives the same."""


def to_numpy(value: Tensor | np.ndarray) -> np.ndarray:
    """Copy a tensor to the host; an array stays what it is."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


class Observations:
    """Observed sites of a model, with the posterior's `samples`, [chain, draw, ...] by site.

    The model is run draw by draw: a plate around all draws at once would be silently wrong for
    models that sum over or index their leading axis. The global random state stays untouched. A
    potential function has no model, and no observations.

    Attributes
    ----------
    observed
        Observed values by site.
    dims
        Names of the plates that give each site its batch dimensions. Sites with a batch dimension
        outside of any plate are left out.
    """

    def __init__(
        self,
        model: Callable[..., Any] | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        samples: Mapping[str, Tensor],
    ) -> None:
        self._model, self._args, self._kwargs = model, args, kwargs
        self._shape = next(iter(samples.values())).shape[:2]
        self._draws = {name: value.flatten(0, 1) for name, value in samples.items()}
        with _model_can_run():
            sites = {} if model is None else self._sites(model, 0)
        self.observed = {
            name: to_numpy(site["value"])
            for name, site in sites.items()
            if site["is_observed"] and name not in samples
        }
        self.dims = {name: dims for name, site in sites.items() if (dims := _plate_names(site))}
        self._missing = [
            name for name, site in sites.items() if not site["is_observed"] and name not in samples
        ]

    def log_likelihood(self) -> dict[str, np.ndarray]:
        """Log density of each observation at each draw, [chain, draw, *batch shape].

        Raises
        ------
        ValueError
            If nothing is observed, or a latent site has no draws.
        """
        self._check("log_likelihood")
        return self._over_draws(self._model, lambda site: site["fn"].log_prob(site["value"]))

    def predictive(self) -> dict[str, np.ndarray]:
        """Draw the observed sites again at each draw, [chain, draw, ...]; errors as above."""
        self._check("posterior_predictive")
        redrawn = _Redraw(self.observed)(self._model)
        return self._over_draws(redrawn, lambda site: site["value"])

    def _over_draws(self, model: Any, read: Callable[[Site], Tensor]) -> dict[str, np.ndarray]:
        rows = []
        with _model_can_run():
            for index in range(self._shape.numel()):
                sites = self._sites(model, index)
                rows.append({name: to_numpy(read(sites[name])) for name in self.observed})
        return {
            name: np.stack([row[name] for row in rows]).reshape(*self._shape, *rows[0][name].shape)
            for name in self.observed
        }

    def _sites(self, model: Callable[..., Any], index: int) -> dict[str, Site]:
        """Sample sites at one draw, counted chain after chain.

        Subsamples, factors and deterministic sites, which Pyro also stores as samples, are left
        out.
        """
        draw = {name: values[index] for name, values in self._draws.items()}
        trace = poutine.trace(poutine.condition(model, data=draw))
        return {
            name: site
            for name, site in trace.get_trace(*self._args, **self._kwargs).nodes.items()
            if site["type"] == "sample"
            and not site_is_subsample(site)
            and not isinstance(site["fn"], Unit)
            and not site["infer"].get("_deterministic")
        }

    def _check(self, wanted: str) -> None:
        if not self.observed:
            raise ValueError(f"{wanted} needs a model with observed sites; this run has none.")
        if self._missing:
            raise ValueError(
                f"{wanted} needs draws of {self._missing[0]!r}, which the posterior lacks: it was "
                "summed out, or left out by save_params. Leave it off, or pass your own draws as "
                "posterior_predictive, made with pyro.infer.infer_discrete."
            )


class _Redraw(UnconditionMessenger):
    """Draw the named sites instead of observing them, each in the shape of its observations.

    Not all observed ones: deterministic sites are observed too, and change shape when drawn.
    Without a plate the distribution may have less than the observations: it stands for each alike.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self._names = frozenset(names)

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self._names:
            shape, fn = msg["value"].shape, msg["fn"]
            batch_shape = shape[: len(shape) - fn.event_dim]
            if batch_shape != fn.batch_shape:
                msg["fn"] = fn.expand(torch.broadcast_shapes(batch_shape, fn.batch_shape))
            super()._pyro_sample(msg)


@contextmanager
def _model_can_run() -> Iterator[None]:
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices), torch.no_grad(), pyro.validation_enabled(False):
        torch.manual_seed(SEED)
        yield


def _plate_names(site: Site) -> list[str]:
    names = {frame.dim: frame.name for frame in site["cond_indep_stack"] if frame.vectorized}
    dims = range(-len(site["fn"].batch_shape), 0)
    return [names[dim] for dim in dims] if set(dims) <= set(names) else []
