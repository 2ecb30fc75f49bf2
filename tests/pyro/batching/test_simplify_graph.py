"""A simplified record returns exactly what the record does, and does less."""

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fhl_ppl.pyro.batching.batchable import batchable_operations
from fhl_ppl.pyro.batching.simplify_graph import simplify_graph
from fhl_ppl.pyro.model.one_particle import energy_and_gradient
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.models import LOOP, MODELS

pytestmark = pytest.mark.usefixtures("float64")

DATA = torch.arange(1.0, 4.0, dtype=torch.float64)
POINT = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


def accumulates(q):
    # Were the zeros made once only, every call would add to the last one's sum.
    total = torch.zeros(3)
    total += q * DATA.exp()
    return total * 1.0


def writes_into_a_view(q):
    table = torch.zeros(2, 3)
    row = table[1]
    row += q
    return table.sum(0) + table[1]


def clips_a_copy(q):
    # Times one is how a copy is made here, so it is not to be skipped.
    copy = q * 1.0
    copy.masked_fill_(copy < 0, 0.0)
    return copy + q


def returns_a_constant(q):
    return DATA.exp() + torch.zeros_like(q)


def draws(q):
    return q + torch.rand(3) * 0 + torch.rand(3)


def neutral(q):
    return ((q + 0.0) * 1.0).view(3).unsqueeze(-1).sum([-1]) / torch.ones(3)


def not_neutral(q):
    # Broadcasting makes these change the shape, or the dtype.
    return q + torch.zeros(2, 3), q.float() * torch.ones(3, dtype=torch.float64)


def repeated(q):
    return (q.exp() + DATA) * (q.exp() + DATA)


def flatten(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize(
    "function",
    [
        *(accumulates, writes_into_a_view, clips_a_copy, returns_a_constant, neutral),
        *(not_neutral, repeated),
    ],
)
def test_same_results_at_every_call(function):
    module = simplify_graph(make_fx(function)(POINT), POINT)
    for q in (POINT, POINT, -POINT, POINT + 1):
        argument = q.clone()
        for actual, wanted in zip(
            flatten(module(argument)), flatten(function(q.clone())), strict=True
        ):
            np.testing.assert_array_equal(actual, wanted)
            assert actual.dtype == wanted.dtype
            # A result that is shared with the next call would be seen to change.
            actual.fill_(7.0)
        if function is not neutral:
            np.testing.assert_array_equal(argument, q)


def test_neutral_operations_and_repetitions_are_gone():
    assert len(simplify_graph(make_fx(neutral)(POINT), POINT).graph.nodes) == 2
    code = simplify_graph(make_fx(repeated)(POINT), POINT).code
    assert code.count("aten.exp") == code.count("aten.add") == 1


def test_no_progress_bar_is_made(monkeypatch):
    """In a process forked while Pyro makes bars of its own, tqdm waits for ever for its lock."""

    def locked(*_, **__):
        raise TimeoutError

    monkeypatch.setattr("torch.fx.interpreter.tqdm", locked)
    simplify_graph(make_fx(neutral)(POINT), POINT)


def test_random_draws_stay():
    module = simplify_graph(make_fx(draws)(POINT), POINT)
    assert not torch.isclose(module(POINT), module(POINT)).any()


def test_checks_that_raise_stay():
    def function(q):
        torch.linalg.cholesky(torch.diag(q))
        return q * 2

    module = simplify_graph(make_fx(function)(POINT.abs()), POINT.abs())
    with pytest.raises(torch.linalg.LinAlgError):
        module(POINT)


def test_folding_what_is_written_to_would_be_seen(monkeypatch):
    monkeypatch.setattr("fhl_ppl.pyro.batching.simplify_graph._written_to", lambda graph: set())
    module = simplify_graph(make_fx(accumulates)(POINT), POINT)
    module(POINT)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(module(POINT), accumulates(POINT))


@pytest.mark.parametrize("name", sorted(set(MODELS) - LOOP - {"ordered_logistic"}))
def test_models(name):
    problem = problem_from_model(MODELS[name], num_particles=3)
    quantity = energy_and_gradient(problem.potential_fn, problem.layout)
    with batchable_operations(), torch.no_grad():
        module = make_fx(torch.func.vmap(quantity.functional))(problem.position)
    points = problem.position + 0.1
    expected = module(points)
    before = len(module.graph.nodes)
    simplify_graph(module, problem.position)
    # Products of matrices may be summed in another order where memory lies otherwise.
    tolerance = 100 * torch.finfo(points.dtype).eps
    for _ in range(2):
        for actual, wanted in zip(module(points), expected, strict=True):
            torch.testing.assert_close(actual, wanted, rtol=tolerance, atol=tolerance)
    assert len(module.graph.nodes) < 0.85 * before
