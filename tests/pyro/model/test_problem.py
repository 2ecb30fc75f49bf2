"""From models and potentials to starts, and the errors for those that cannot start."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide.initialization import init_to_sample, init_to_value
from torch.distributions.transforms import AffineTransform

from fhl_ppl.pyro.model.problem import problem_from_model, problem_from_potential
from tests.pyro.models import MODELS


def number(value):
    return torch.tensor(value)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_starts_are_finite_and_separate(name):
    pyro.set_rng_seed(0)
    if name in ("shared_distribution",):
        pytest.skip("its data are float64")
    problem = problem_from_model(MODELS[name], num_particles=3)
    assert problem.position.shape == (3, problem.layout.size)
    with pyro.validation_enabled(False):
        values = [problem.potential_fn(problem.layout.unflatten(q)) for q in problem.position]
    assert np.isfinite([value.item() for value in values]).all()
    if name != "improper_ordered":
        assert len(problem.position.unique(dim=0)) == 3
    # As pyro.infer.MCMC uses them to report samples.
    for site, value in problem.layout.unflatten(problem.position).items():
        assert problem.transforms[site].inv(value).shape[0] == 3


def test_potential_counts_the_change_of_variables():
    def model():
        pyro.sample("x", dist.Exponential(number(2.0)))

    problem = problem_from_model(model, num_particles=1)
    q = number(0.7)
    expected = 2 * q.exp() - np.log(2.0) - q
    np.testing.assert_allclose(problem.potential_fn({"x": q}), expected, rtol=1e-6)


def test_a_transform_of_ones_own():
    def model():
        pyro.sample("x", dist.Normal(number(0.0), 1.0))
        pyro.sample("y", dist.Exponential(number(1.0)))

    transforms = {"x": AffineTransform(0.0, 10.0)}
    problem = problem_from_model(model, num_particles=2, transforms=transforms)
    assert set(problem.transforms) == {"x", "y"}
    sites = {"x": number(20.0), "y": number(0.0)}
    # x = 2 with density N(0, 1), scaled by 1/10; y = 1.
    expected = 2.0 + 0.5 * np.log(2 * np.pi) + np.log(10.0) + 1.0
    np.testing.assert_allclose(problem.potential_fn(sites), expected, rtol=1e-6)


def test_a_transform_for_no_site_is_named():
    def model():
        pyro.sample("x", dist.Normal(number(0.0), 1.0))

    with pytest.raises(ValueError, match=r"transforms must be for sites of \['x'\], got \['z'\]"):
        problem_from_model(model, num_particles=2, transforms={"z": AffineTransform(0.0, 1.0)})


def test_starts_come_from_the_strategy():
    def model(scale):
        pyro.sample("x", dist.Normal(torch.zeros(2), scale).to_event(1))

    strategy = init_to_value(values={"x": number([1.0, 2.0])})
    problem = problem_from_model(model, (3.0,), num_particles=2, init_strategy=strategy)
    np.testing.assert_array_equal(problem.position, [[1.0, 2.0], [1.0, 2.0]])
    problem = problem_from_model(
        model, kwargs={"scale": 1e6}, num_particles=2, init_strategy=init_to_sample
    )
    assert problem.position.abs().max() > 100


def test_search_passes_over_draws_without_density():
    def model():
        x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
        covariance = torch.eye(2) + x * torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(2), covariance), obs=torch.zeros(2))

    problem = problem_from_model(model, num_particles=8)
    assert problem.position.abs().max() < 1


def test_no_start_names_the_sites():
    def outside():
        pyro.sample("x", dist.Normal(number(0.0), 1.0))
        pyro.sample("count", dist.LogNormal(number(0.0), 1.0), obs=number(-1.0))

    with pytest.raises(ValueError, match=r"only 0 of 2.*observed site 'count' is refused"):
        problem_from_model(outside, num_particles=2)

    def infinite():
        x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
        pyro.factor("penalty", x - torch.inf)

    with pytest.raises(ValueError, match=r"site 'penalty' has a log density of -inf.*init_to_"):
        problem_from_model(infinite, num_particles=2)

    def singular():
        pyro.sample("x", dist.Normal(number(0.0), 1.0))
        torch.linalg.cholesky(-torch.eye(2))

    with pytest.raises(ValueError, match=r"LinAlgError in each of 100 tries"):
        problem_from_model(singular, num_particles=2)


def test_no_start_names_the_site_of_an_infinite_gradient():
    def model():
        pyro.sample("fine", dist.Normal(number(0.0), 1.0))
        x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
        pyro.factor("kink", (x - x).sqrt())

    with pytest.raises(ValueError, match=r"gradient is not finite at site\(s\) \['x'\]"):
        problem_from_model(model, num_particles=2)
    # Of no concern to one who brings a gradient of his own.
    assert len(problem_from_model(model, num_particles=2, differentiable=False).position) == 2


def test_subsampling_is_refused():
    def model():
        x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
        with pyro.plate("data", 10, subsample_size=3) as index:
            pyro.sample("y", dist.Normal(x, 1.0), obs=torch.zeros(10)[index])

    with pytest.raises(NotImplementedError, match=r"plate 'data' draws 3 of 10.*minibatch"):
        problem_from_model(model, num_particles=2)


def test_infinite_discrete_sites_are_refused():
    def model():
        k = pyro.sample("k", dist.Poisson(number(3.0)))
        pyro.sample("y", dist.Normal(k, 1.0), obs=number(2.0))

    with pytest.raises(NotImplementedError, match=r"site 'k' is discrete \(Poisson\)"):
        problem_from_model(model, num_particles=2)


def test_nothing_to_sample():
    def model():
        pyro.sample("y", dist.Normal(number(0.0), 1.0), obs=number(2.0))

    with pytest.raises(ValueError, match="nothing to sample"):
        problem_from_model(model, num_particles=2)


class TestGivenStarts:
    def model(self):
        pyro.sample("x", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("s", dist.Exponential(number(1.0)))

    def test_one_for_all(self):
        params = {"x": number([1.0, 2.0]), "s": number(0.5)}
        problem = problem_from_model(self.model, num_particles=2, initial_params=params)
        np.testing.assert_array_equal(problem.position, [[1.0, 2.0, 0.5]] * 2)

    def test_one_for_each(self):
        params = {"x": number([[1.0, 2.0], [3.0, 4.0]]), "s": number([0.5, 0.25])}
        problem = problem_from_model(self.model, num_particles=2, initial_params=params)
        np.testing.assert_array_equal(problem.position, [[1.0, 2.0, 0.5], [3.0, 4.0, 0.25]])

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"x": torch.zeros(2)}, r"sites \['x', 's'\], got \['x'\]"),
            ({"x": torch.zeros(3, 2), "s": torch.zeros(3)}, r"or of 2 with that number"),
            ({"x": number([torch.nan, 0.0]), "s": number(0.0)}, "particle 0.*latent site 'x'"),
        ],
    )
    def test_bad_ones_are_named(self, params, message):
        with pytest.raises(ValueError, match=message):
            problem_from_model(self.model, num_particles=2, initial_params=params)


class TestFromPotential:
    def potential(self, sites):
        return (sites["x"] ** 2).sum()

    def test_starts_are_taken(self):
        start = torch.arange(6.0).reshape(3, 2)
        problem = problem_from_potential(self.potential, {"x": start}, num_particles=3)
        np.testing.assert_array_equal(problem.position, start)
        assert problem.trace is None
        assert problem.transforms == {}

    @pytest.mark.parametrize("start", [torch.zeros(2), torch.zeros(())])
    def test_particles_are_the_first_axis(self, start):
        with pytest.raises(ValueError, match=r"initial_params\['x'\] must have 3 particles"):
            problem_from_potential(self.potential, {"x": start}, num_particles=3)

    def test_a_start_without_energy_is_named(self):
        start = torch.zeros(3, 2)
        start[1, 0] = torch.nan
        with pytest.raises(ValueError, match="initial_params of particle 1 must have finite"):
            problem_from_potential(self.potential, {"x": start}, num_particles=3)
