"""Records are those of `make_fx`, made in a fraction of the time."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fhl_ppl.pyro.batching.ladder import Ladder
from fhl_ppl.pyro.batching.recording import record
from fhl_ppl.pyro.model.one_particle import energy_and_gradient
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.models import MODELS

POINT = torch.tensor([0.5, -2.0, 3.0])


def operations(module):
    return [str(node.target) for node in module.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(
    "name", ["eight_schools_centred", "lkj_mvn", "dirichlet_multinomial", "garch"]
)
def test_the_operations_are_those_of_make_fx(name):
    problem = problem_from_model(MODELS[name], num_particles=3)
    batched = Ladder(energy_and_gradient(problem.potential_fn, problem.layout))._vmapped
    with torch.no_grad():
        ours = record(batched, problem.position)
        theirs = make_fx(lambda q: batched(q))(problem.position)
        assert operations(ours) == operations(theirs)
        for a, b in zip(ours(problem.position), theirs(problem.position), strict=True):
            assert torch.equal(a, b)


def test_what_is_written_to_is_made_anew():
    data = torch.arange(3.0)

    def accumulates(q):
        total = torch.tensor([1.0, 2.0, 3.0])
        total += q
        total[0] = 7.0
        largest, where = q.max(0)
        return total * data + largest + where

    module = record(accumulates, POINT)
    for scale in (1.0, -1.0, 1.0):
        assert torch.equal(module(scale * POINT), accumulates(scale * POINT))


def test_values_of_the_argument_are_refused_and_others_taken():
    assert torch.equal(record(lambda q: q * torch.ones(2).sum().item(), POINT)(POINT), 2 * POINT)
    with pytest.raises(RuntimeError, match="data-dependent"):
        record(lambda q: q * q.sum().item(), POINT)
