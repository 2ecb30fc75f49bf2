"""Minibatches of a model with subsampling plates: all rows, some rows, and a control variate.

Section 5 of docs/algorithm.md has the control variate, and why any anchor is exact.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from pyro import poutine
from pyro.poutine.subsample_messenger import SubsampleMessenger, _Subsample
from torch import Tensor

from fhl_ppl.arguments import check_batches
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.one_particle import (
    Outputs,
    PotentialFn,
    Quantity,
    Sites,
    energy_and_gradient,
)

Plates = dict[str, tuple[int, int]]
"""By name, size and subsample_size."""

MAX_ITERATIONS = 200
"""Of the search for the anchor, each with a line search over all rows."""


class Minibatch(NamedTuple):
    """What the batches are of, and the point a of the control variate.

    Attributes
    ----------
    plates : dict
    anchor : Tensor [D]
    potential_energy : Tensor
        U at the anchor, of all rows.
    gradient : Tensor [D]
        Its gradient.
    """

    plates: Plates
    anchor: Tensor
    potential_energy: Tensor
    gradient: Tensor

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of its rows that each plate draws."""
        return tuple(subsample_size / size for size, subsample_size in self.plates.values())


def with_all_rows(model: Callable[..., Any]) -> Callable[..., Any]:
    """Give the model with every plate in full; it can be pickled if `model` can."""
    return partial(_in_full, model)


def _in_full(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _taking({}):
        return model(*args, **kwargs)


def subsampled_plates(
    model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Plates:
    """Return the plates that subsample.

    Raises
    ------
    ValueError
        If there is none, or one of no rows.
    NotImplementedError
        If a latent site lies within one, or a discrete site is to be enumerated.
    """
    trace = poutine.trace(model).get_trace(*args, **kwargs)
    plates = {}
    for name, site in trace.nodes.items():
        fn = site.get("fn")
        if isinstance(fn, _Subsample) and fn.subsample_size not in (None, fn.size):
            plates[name] = (fn.size, fn.subsample_size)
    check_batches(plates)
    for name, site in trace.iter_stochastic_nodes():
        if isinstance(site["fn"], _Subsample):
            continue
        if site["fn"].has_enumerate_support:
            raise NotImplementedError(
                f"site {name!r} is discrete and would be enumerated, which Pyro does not scale to "
                "a batch; sum it out in the model, or leave minibatch out"
            )
        for frame in site["cond_indep_stack"]:
            if frame.name in plates:
                raise NotImplementedError(
                    f"latent site {name!r} lies within plate {frame.name!r}, which subsamples: "
                    "minibatch=True is exact only where a batch leaves out no latent variable. "
                    "Move the site out of the plate, or leave subsample_size out"
                )
    return plates


def find_minibatch(
    potential_fn: PotentialFn, layout: SiteLayout, plates: Plates, start: Tensor, given: bool
) -> Minibatch:
    """Find the mode from `start` [D], or take `start` if it is `given`."""
    position = start.detach().clone()
    both = energy_and_gradient(potential_fn, layout).plain
    if not given:
        length = both(position.clone())[1].norm()
        length = torch.where(length > 0, length, torch.ones_like(length))
        moving = position.clone()
        # Of unit length the first step, lest its line search finds nothing.
        search = torch.optim.LBFGS([moving], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

        def closure() -> float:
            value, gradient = both(moving.detach().clone())
            moving.grad = gradient / length
            return float(value / length)

        search.step(closure)
        if torch.isfinite(moving).all():
            position = moving.detach()
    value, gradient = both(position.clone())
    return Minibatch(plates, position, value, gradient)


def controlled(potential_fn: PotentialFn, layout: SiteLayout, minibatch: Minibatch) -> Quantity:
    """Return energy u and gradient of a batch with the control variate, drawn anew at every call.

    The gradient is that of u, which differs from U in second order of q - a.
    """
    anchor = minibatch.anchor

    def both(form: str, position: Tensor) -> Outputs:
        rows = {
            name: torch.randint(size, (subsample_size,), device=layout.device)
            for name, (size, subsample_size) in minibatch.plates.items()
        }

        def of_batch(sites: Sites) -> Tensor:
            with _taking(rows):
                return potential_fn(sites)

        evaluate = getattr(energy_and_gradient(of_batch, layout), form)
        value, gradient = evaluate(position)
        value_there, gradient_there = evaluate(anchor.clone())
        correction = minibatch.gradient - gradient_there
        shift = correction @ (position - anchor)
        return (
            minibatch.potential_energy + value - value_there + shift.detach(),
            gradient + correction,
        )

    return Quantity(
        "the potential of a minibatch",
        lambda position: both("functional", position),
        lambda position: both("plain", position),
        ("energy", "gradient"),
    )


@contextmanager
def _taking(rows: Mapping[str, Tensor]) -> Iterator[None]:
    """Let plates that subsample take the rows given by name, or all where none are.

    A handler cannot do it: of a plate that asks for 3 of 10, Pyro refuses any other number.
    """
    given = SubsampleMessenger._subsample
    if not rows and getattr(given, "takes_rows", False):
        # All rows, within a batch: the batch goes before.
        yield
        return

    def take(
        name: str,
        size: int | None = None,
        subsample_size: int | None = None,
        subsample: Tensor | None = None,
        use_cuda: bool | None = None,
        device: str | None = None,
    ) -> tuple[int, int, Tensor | None]:
        if size is None or subsample is not None or (subsample_size or size) >= size:
            return given(name, size, subsample_size, subsample, use_cuda, device)
        taken = rows[name] if name in rows else torch.arange(size, device=device)
        return size, len(taken), taken

    take.takes_rows = bool(rows)  # type: ignore[attr-defined]
    SubsampleMessenger._subsample = staticmethod(take)
    try:
        yield
    finally:
        SubsampleMessenger._subsample = staticmethod(given)
