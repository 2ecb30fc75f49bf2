"""Which engine moves the particles of a problem: one with temperatures, or one without."""

from typing import Any

import pyro
import torch
from torch import Tensor

from fhl_ppl.given_metric import block_structure, initial_inverse_mass_matrix
from fhl_ppl.options import Options
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.minibatch import Minibatch
from fhl_ppl.pyro.model.problem import Problem
from fhl_ppl.pyro.run.engine import Engine
from fhl_ppl.pyro.run.tempered import TemperedEngine


def make_engine(
    problem: Problem,
    minibatch: Minibatch | None,
    reference: BatchedPotential | None,
    options: Options,
    inverse_mass_matrix: Any,
    num_warmup: int,
    bounds: dict[str, Any],
    evaluation: dict[str, Any],
) -> Engine:
    """Set the particles of a problem up to move, from where they start.

    Parameters
    ----------
    problem
        What is sampled.
    minibatch
        What the force is of; None for all rows.
    reference
        Where temperatures end; None without.
    options
        The settings.
    inverse_mass_matrix
        The metric to start from, as `fhl_ppl.pyro.FHL` was given it.
    num_warmup
        Iterations of the warm-up.
    bounds
        On eta: fields of the plan.
    evaluation
        How particles are evaluated, as `BatchedPotential` takes it.

    Raises
    ------
    ValueError
        If `dense_mass` or `inverse_mass_matrix` does not fit the sites.
    """
    layout = problem.layout
    sites, dim = layout.slices(), layout.size
    structure = block_structure(options.dense_mass, sites, dim)
    shares = () if minibatch is None else minibatch.shares
    plan = options.plan(num_warmup, dim, structure, shares)._replace(**bounds)
    metric = initial_inverse_mass_matrix(_on_host(inverse_mass_matrix), sites, dim, plan.dense)
    settings: dict[str, Any] = {
        "group_size": options.group_size,
        "coupling": options.coupling,
        "adjusted": options.adjusted,
        "step_size": options.step_size,
        "inverse_mass_matrix": metric,
    }
    potential = BatchedPotential(problem.potential_fn, layout, minibatch=minibatch, **evaluation)
    with pyro.validation_enabled(False):
        if options.noisy_gradient:
            _check_noise(potential, problem.position)
        radius, temperatures = problem.start_radius, options.temperatures or 1
        if radius is not None and minibatch is None:
            number = len(problem.position) // temperatures
            settings["search_within"] = radius, options.search_bounds(num_warmup, number, dim)
        if reference is None:
            return Engine(potential, problem.position, plan, **settings)
        return TemperedEngine(
            *(potential, reference, problem.position, plan), temperatures=temperatures, **settings
        )


def _check_noise(potential: BatchedPotential, position: Tensor) -> None:
    """Refuse a `gradient_fn` that gives eight particles at one point the same.

    Raises
    ------
    ValueError
        If it does: noise that particles share is biased wherever followers are pulled.
    """
    # What it draws is not missed by the run.
    with torch.random.fork_rng(devices=[]):
        drawn = potential.gradient(position[:1].repeat(8, 1))
    if bool((drawn == drawn[0]).all()):
        raise ValueError(
            "gradient_fn gives 8 particles at one point, the start, the same, so that they would "
            "share what noise it has, which biases the draws; draw the noise by torch, for each "
            "particle by itself, or leave noisy_gradient=True out if there is none."
        )


def _on_host(matrix: Any) -> Any:
    if isinstance(matrix, Tensor):
        return matrix.detach().cpu().numpy()
    if isinstance(matrix, dict):
        return {name: _on_host(block) for name, block in matrix.items()}
    return matrix
