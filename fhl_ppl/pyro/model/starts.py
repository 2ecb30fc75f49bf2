"""Where particles start: at points of finite potential, or nowhere."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from pyro.infer.autoguide.initialization import init_to_uniform
from torch import Tensor

from fhl_ppl.arguments import shown, start_radius
from fhl_ppl.pyro.model.layout import SiteLayout, as_real
from fhl_ppl.pyro.model.one_particle import Quantity, Sites, is_rejection
from fhl_ppl.pyro.model.users_code import called_from_us
from fhl_ppl.pyro.model.why_not import WhyNot

Result = TypeVar("Result")

_PLATES = "subsample_messenger.py"

# Draws per particle, as in Pyro's own search.
_TRIES = 100


def tried(action: Callable[[], Result]) -> Result:
    """Run what draws from a model until it goes through.

    A draw may have no density, and some operations, such as a Cholesky factorisation, raise then.

    Raises
    ------
    ValueError
        If none of 100 tries goes through, or a plate draws no rows.
    """
    for _ in range(_TRIES):
        try:
            with called_from_us("the model"):
                return action()
        except Exception as error:
            if isinstance(error, ZeroDivisionError) and _came_from(error, _PLATES):
                raise ValueError(
                    "a plate of the model has a subsample_size of 0; it must be at least 1, or "
                    "left out for all rows"
                ) from error
            if not is_rejection(error):
                raise
            last = error
    raise ValueError(
        f"running the model raised {type(last).__name__} in each of {_TRIES} tries, which start at "
        f"different values: {last}. Check the matrices and arguments that the model computes, or "
        "pass init_strategy=pyro.infer.autoguide.init_to_value(values=...)"
    ) from last


def radius_of(init_strategy: Callable[..., Any]) -> float | None:
    """Within what of 0 `init_to_uniform`, Pyro's default, draws starts; None for any other."""
    return start_radius(init_strategy, init_to_uniform)


def expanded(initial_params: Mapping[str, Tensor], num_particles: int) -> dict[str, Tensor]:
    """Let so many particles start where one does."""
    starts = {k: as_real(f"initial_params[{k!r}]", v) for k, v in initial_params.items()}
    return {name: value.expand(num_particles, *value.shape) for name, value in starts.items()}


def as_anchor(given: Any, layout: SiteLayout) -> Tensor:
    """Check a given `anchor`, and return it as [D].

    Raises
    ------
    ValueError
        If it does not fit the layout, or is not finite.
    """
    anchor = layout.flatten(given, "anchor")
    if anchor.shape != (layout.size,) or not torch.isfinite(anchor).all():
        raise ValueError(
            "anchor must hold one finite unconstrained value of each site "
            f"{layout.shapes}, got {shown(given)}"
        )
    return anchor


def found_starts(
    quantity: Quantity,
    layout: SiteLayout,
    num_particles: int,
    draw: Callable[[], Sites],
    why_not: WhyNot,
) -> Tensor:
    """Draw until every particle has a valid start of its own, [N, D].

    Parameters
    ----------
    quantity
        What has to be finite at a start.
    draw
        Draws one particle's unconstrained sites.
    why_not
        Says what is wrong with a draw.

    Raises
    ------
    ValueError
        If 100 draws per particle do not suffice.
    """
    starts: list[Tensor] = []
    tries = _TRIES * num_particles
    for _ in range(tries):
        sites = tried(draw)
        row = layout.flatten(sites)
        if _is_valid(quantity, row):
            starts.append(row)
        if len(starts) == num_particles:
            return torch.stack(starts)
    raise ValueError(
        f"only {len(starts)} of {num_particles} particles found a start with finite "
        f"{_needs(quantity)} in {tries} draws. The last draw: {why_not(sites)}. Check the "
        "data against the support of the sites named, or pass initial_params or "
        "init_strategy=pyro.infer.autoguide.init_to_value(values=...)"
    )


def given_starts(
    quantity: Quantity,
    layout: SiteLayout,
    num_particles: int,
    initial_params: Mapping[str, Tensor],
    why_not: WhyNot | None,
) -> Tensor:
    """Check the starts that a user gave, and return them as [N, D].

    Parameters
    ----------
    quantity
        What has to be finite at a start.
    initial_params
        Unconstrained, ``[N, *site shape]`` or ``[*site shape]``.
    why_not
        Says what is wrong with a start.

    Raises
    ------
    ValueError
        If they do not fit the layout, or one has no finite potential.
    """
    position = layout.flatten(initial_params, "initial_params").detach()
    if position.shape not in ((layout.size,), (num_particles, layout.size)):
        got = {name: tuple(torch.as_tensor(x).shape) for name, x in initial_params.items()}
        raise ValueError(
            f"initial_params must have the shapes of one particle, {_shapes(layout)}, or of "
            f"{num_particles} with that number as the first axis, got {got}"
        )
    position = position.expand(num_particles, layout.size).clone()
    for index, row in enumerate(position):
        if not _is_valid(quantity, row):
            sites = layout.unflatten(row)
            fault = why_not(sites) if why_not else f"sites {sites}"
            raise ValueError(
                f"initial_params of particle {index} must have finite {_needs(quantity)}: {fault}"
            )
    return position


def _is_valid(quantity: Quantity, row: Tensor) -> bool:
    # Not through Quantity.one_by_one, which makes a non-finite gradient zero.
    try:
        with called_from_us(quantity.origin):
            outputs = quantity.plain(row.clone())
    except Exception as error:
        if not is_rejection(error):
            raise
        return False
    return all(bool(torch.isfinite(value).all()) for value in outputs)


def _came_from(error: Exception, file: str) -> bool:
    return traceback.extract_tb(error.__traceback__)[-1].filename.endswith(file)


def _needs(quantity: Quantity) -> str:
    return "potential and gradient" if "gradient" in quantity.fields else "potential"


def _shapes(layout: SiteLayout) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in layout.shapes.items()}
