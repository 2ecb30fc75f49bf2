"""NumPyro runs in ArviZ: by its own converter, and by `to_arviz` with what that cannot know."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import random
from numpyro.infer import MCMC, NUTS, Predictive

from fhl_ppl import mode_changes, moves, summary, to_arviz
from fhl_ppl.core.statistics import ARVIZ_NAMES
from fhl_ppl.diagnostics.arviz_lines import datasets
from fhl_ppl.numpyro import FHL
from tests.conftest import importorskip
from tests.numpyro.models import CHEAP

arviz = importorskip("arviz")

Y = jnp.array([[1.0, 2.0, 0.5], [2.5, 1.0, 1.5]])
STATISTICS = set(ARVIZ_NAMES.values())


def model(y, plate="school"):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    with numpyro.plate(plate, 3):
        offset = numpyro.sample("offset", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", mu + offset)
        with numpyro.plate("pupil", 2):
            numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def run(kernel, *args, num_chains=8, chain_method="vectorized", warmup=False, **options):
    mcmc = MCMC(
        kernel,
        num_warmup=40,
        num_samples=30,
        num_chains=num_chains,
        chain_method=chain_method,
        progress_bar=False,
        **options,
    )
    if warmup:
        mcmc.warmup(random.key(0), *args, collect_warmup=True)
        return mcmc
    mcmc.run(random.key(0), *args)
    return mcmc


@pytest.fixture(scope="module")
def mcmc():
    return run(FHL(model), Y)


@pytest.fixture(scope="module")
def data(mcmc):
    return datasets(to_arviz(mcmc, log_likelihood=True, posterior_predictive=True))


def test_arvizs_own_converter_is_complete(mcmc):
    found = datasets(arviz.from_numpyro(mcmc))
    assert set(found["sample_stats"].data_vars) == STATISTICS | {"group"}
    assert found["posterior"]["theta"].dims == ("chain", "draw", "school")
    assert set(found["observed_data"].data_vars) == {"y"}


def test_statistics_have_arvizs_names_and_the_fields_values(mcmc, data):
    statistics = data["sample_stats"]
    assert set(statistics.data_vars) == STATISTICS
    fields = mcmc.get_extra_fields(group_by_chain=True)
    np.testing.assert_allclose(statistics["lp"], -fields["potential_energy"])
    np.testing.assert_allclose(statistics["acceptance_rate"], fields["accept_prob"])
    for name in STATISTICS - {"lp", "acceptance_rate"}:
        np.testing.assert_allclose(statistics[name], fields[name])


def test_draws_are_those_of_the_run(mcmc, data):
    for name, values in mcmc.get_samples(group_by_chain=True).items():
        np.testing.assert_allclose(data["posterior"][name], values)


def test_vectorized_chains_share_groups(data):
    for name in ("posterior", "sample_stats", "log_likelihood", "posterior_predictive"):
        np.testing.assert_array_equal(data[name]["group"], np.repeat([0, 1], 4))


def test_chains_with_private_companions_are_groups_of_their_own():
    mcmc = run(FHL(model, jumps=False), Y, num_chains=2, chain_method="sequential")
    found = datasets(to_arviz(mcmc))
    np.testing.assert_array_equal(found["posterior"]["group"], np.repeat([0, 1], 4))
    assert len(found["posterior"].attrs["tuned_step_size"]) == 2
    attributes = found["posterior"].attrs
    assert len(attributes["pull_probabilities"]) == len(attributes["pull_kappas"]) > 1


def test_a_single_chain_is_a_group():
    found = datasets(to_arviz(run(FHL(model, **CHEAP), Y, num_chains=1)))
    np.testing.assert_array_equal(found["posterior"]["group"], [0, 0, 0, 0])


def test_a_plate_called_group():
    mcmc = run(FHL(model, **CHEAP), Y, "group")
    for converter in (to_arviz, arviz.from_numpyro):
        assert datasets(converter(mcmc))["posterior"]["theta"].dims == ("chain", "draw", "group")
    posterior = datasets(to_arviz(mcmc))["posterior"]
    np.testing.assert_array_equal(posterior["particle_group"], np.repeat([0, 1], 4))


def test_settings_are_attributes(mcmc, data):
    for name in ("posterior", "sample_stats"):
        attributes = data[name].attrs
        assert attributes["sampler"] == "fhl_ppl.numpyro.FHL"
        assert attributes["group_size"] == 4
        assert attributes["coupling"] == "alternate"
        assert attributes["adjusted"] == 1
        assert attributes["metric"] == "dense"
        assert attributes["tuning_steps"] == 40
        assert attributes["chain_method"] == "vectorized"
        assert attributes["inference_library"] == "numpyro"
        learnt = mcmc.last_state.learnt
        tuned = np.exp(learnt["step_size"].log_step_size)
        np.testing.assert_allclose(attributes["tuned_step_size"], tuned)
        assert (data["sample_stats"]["step_size"] <= tuned * (1 + 1e-6)).all()
        assert attributes["moves"].split(", ")[0] == "trajectory"
        shares = learnt["move_shares"]
        probabilities = [np.sum(shares.kinds), *shares.jumps]
        np.testing.assert_allclose(attributes["move_probabilities"], probabilities, rtol=1e-6)
        pulls = learnt["pull"].weight
        np.testing.assert_allclose(attributes["pull_probabilities"], pulls, rtol=1e-6)
        assert attributes["steps_cap"] == 1024
        assert attributes["capped_trajectories"] == 0


def test_log_likelihood(mcmc, data):
    theta = np.asarray(data["posterior"]["theta"])[:, :, None]
    expected = dist.Normal(theta, 1.0).log_prob(Y)
    assert data["log_likelihood"]["y"].dims == ("chain", "draw", "pupil", "school")
    np.testing.assert_allclose(data["log_likelihood"]["y"], expected, rtol=1e-5)


def test_the_log_likelihood_is_there_where_the_standard_converter_has_it(mcmc):
    standard = "log_likelihood" in datasets(arviz.from_numpyro(mcmc))
    data = to_arviz(mcmc)
    assert ("log_likelihood" in datasets(data)) == standard
    if standard:
        assert np.isfinite(arviz.loo(data).elpd_loo)


def test_posterior_predictive_draws_the_observations_again(data):
    drawn = data["posterior_predictive"]["y"]
    assert drawn.shape == (8, 30, 2, 3)
    noise = np.asarray(drawn) - np.asarray(data["posterior"]["theta"])[:, :, None]
    # 1440 standard normal draws.
    np.testing.assert_allclose(noise.mean(), 0, atol=5 / np.sqrt(noise.size))
    np.testing.assert_allclose(noise.std(), 1, atol=5 / np.sqrt(2 * noise.size))


def test_given_predictive_and_prior_draws(mcmc):
    predictive = Predictive(model, mcmc.get_samples())(random.key(1), None)
    prior = Predictive(model, num_samples=20)(random.key(2), None)
    given = {"y": predictive["y"]}
    found = datasets(to_arviz(mcmc, posterior_predictive=given, prior=prior))
    np.testing.assert_allclose(
        found["posterior_predictive"]["y"], predictive["y"].reshape(8, 30, 2, 3)
    )
    np.testing.assert_allclose(found["prior"]["mu"][0], prior["mu"])
    np.testing.assert_allclose(found["prior_predictive"]["y"][0], prior["y"])


def test_coords_and_dims(mcmc):
    coords = {"place": ["a", "b", "c"]}
    found = datasets(to_arviz(mcmc, coords=coords, dims={"theta": ["place"]}))
    assert list(found["posterior"]["theta"]["place"].values) == ["a", "b", "c"]


def test_warmup_taken_before_the_run_is_kept():
    mcmc = run(FHL(model, **CHEAP), Y, warmup=True)
    steps = np.asarray(mcmc.get_extra_fields(group_by_chain=True)["step_size"])
    warmup = to_arviz(mcmc)
    mcmc.run(mcmc.post_warmup_state.rng_key, Y)
    found = datasets(to_arviz(mcmc, warmup=warmup))
    assert found["posterior"].sizes["draw"] == 30
    np.testing.assert_allclose(found["warmup_sample_stats"]["step_size"], steps)
    assert len(np.unique(steps)) > 5
    tuned = found["posterior"].attrs["tuned_step_size"]
    assert (found["sample_stats"]["step_size"] <= tuned * (1 + 1e-6)).all()


def test_other_kernels_get_the_standard_conversion():
    mcmc = run(NUTS(model), Y, num_chains=2)
    found = datasets(to_arviz(mcmc))
    standard = datasets(arviz.from_numpyro(mcmc))
    assert set(found) == set(standard)
    for name in standard:
        assert found[name].equals(standard[name])
        assert set(found[name].attrs) == set(standard[name].attrs)


def test_potential_fn_without_a_model():
    mcmc = MCMC(
        FHL(potential_fn=lambda x: (x**2).sum() / 2, **CHEAP),
        num_warmup=40,
        num_samples=30,
        num_chains=8,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(0), init_params=jnp.ones((8, 2)))
    found = datasets(to_arviz(mcmc))
    np.testing.assert_allclose(found["posterior"]["Param:0"], mcmc.get_samples(True))
    np.testing.assert_array_equal(found["posterior"]["group"], np.repeat([0, 1], 4))
    with pytest.raises(ValueError, match="needs a model with observed sites"):
        to_arviz(mcmc, posterior_predictive=True)


def mixture(y):
    mu = numpyro.sample("mu", dist.Normal(jnp.array([-1.0, 1.0]), 1.0).to_event(1))
    with numpyro.plate("data", len(y)):
        component = numpyro.sample(
            "component", dist.Bernoulli(0.5), infer={"enumerate": "parallel"}
        )
        numpyro.sample("y", dist.Normal(mu[component], 1.0), obs=y)


def test_refuses_what_a_summed_out_site_decides():
    importorskip("funsor")
    mcmc = run(FHL(mixture, **CHEAP), jnp.array([-1.0, 1.0, 0.5]), num_chains=4)
    for wanted in ("log_likelihood", "posterior_predictive"):
        with pytest.raises(ValueError, match="draws of 'component', which the posterior lacks"):
            to_arviz(mcmc, **{wanted: True})
    assert "log_likelihood" not in datasets(to_arviz(mcmc))


def test_refuses_a_run_that_has_not_been():
    with pytest.raises(ValueError, match=r"call mcmc.run"):
        to_arviz(MCMC(FHL(model, **CHEAP), num_warmup=1, num_samples=1, progress_bar=False))


def test_factors_are_no_observations():
    def with_factor(y):
        x = numpyro.sample("x", dist.Normal())
        numpyro.factor("penalty", -(x**2))
        numpyro.sample("y", dist.Normal(x), obs=y)

    data = to_arviz(run(FHL(with_factor, **CHEAP), 1.0, num_chains=4), posterior_predictive=True)
    assert set(datasets(data)["posterior_predictive"].data_vars) == {"y"}


@pytest.mark.filterwarnings("ignore:r_hat:UserWarning")
def test_survives_the_disk(mcmc, tmp_path):
    importorskip("h5netcdf")
    before = to_arviz(mcmc, log_likelihood=True)
    before.to_netcdf(str(tmp_path / "run.nc"), engine="h5netcdf")
    after = arviz.from_netcdf(str(tmp_path / "run.nc"), engine="h5netcdf")
    for name, dataset in datasets(before).items():
        assert dataset.equals(datasets(after)[name])
    assert summary(after, show=False).equals(summary(before, show=False))


@pytest.mark.filterwarnings("ignore:r_hat:UserWarning")
def test_summary_of_a_run(mcmc, capsys):
    table = summary(mcmc, var_names=["mu"])
    assert list(table.index) == ["mu"]
    np.testing.assert_allclose(table["mean"]["mu"], mcmc.get_samples()["mu"].mean(), rtol=1e-5)
    assert {"ess_bulk", "ess_group", "r_hat", "r_hat_group"} <= set(table.columns)
    assert "ess_group" in capsys.readouterr().out


def test_the_moves_of_a_run(mcmc, data):
    """Of every draw it is known how it was made: jumps take one step, and tell no strength."""
    statistics = data["sample_stats"]
    jumped = statistics["move"] > 0
    assert 0 < jumped.mean() < 1
    assert (statistics["n_steps"].where(jumped, 1) == 1).all()
    assert (statistics["pulling_strength"].where(jumped, 0) == 0).all()
    # Iterations are of trajectories or of jumps, for all particles.
    assert (jumped == jumped.isel(chain=0)).all()
    still = (data["posterior"]["mu"].diff("draw") == 0) & (statistics["acceptance_rate"][:, 1:] > 0)
    assert (statistics["squared_jump"][:, 1:].where(still, 1) > 0).all()
    for source in (mcmc, arviz.from_numpyro(mcmc)):
        table = moves(source)
        assert table.index[0] == "trajectory"
        np.testing.assert_allclose(table["share"]["trajectory"], 1 - float(jumped.mean()))


def test_mode_changes_of_a_run(mcmc):
    table = mode_changes(mcmc, lambda posterior: posterior["mu"] > 1.4)
    above = np.asarray(mcmc.get_samples(group_by_chain=True)["mu"]) > 1.4
    assert list(table["changes"]) == np.diff(above.astype(int)).astype(bool).sum(axis=1).tolist()
    assert list(table["group"]) == [0, 0, 0, 0, 1, 1, 1, 1]


def without_plates(y):
    mu = numpyro.sample("mu", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
    numpyro.sample("y", dist.Normal(mu.sum(), 1.0), obs=y)


def test_predictive_draws_have_the_shape_of_the_data_without_a_plate_too():
    mcmc = run(FHL(without_plates, **CHEAP), jnp.array([1.0, 2.0, 3.0]), num_chains=4)
    options = {"posterior_predictive": True, "log_likelihood": True}
    found = datasets(to_arviz(mcmc, **options, dims={"y": ["pupil"], "mu": ["part"]}))
    drawn = found["posterior_predictive"]["y"]
    assert drawn.dims == found["log_likelihood"]["y"].dims == ("chain", "draw", "pupil")
    noise = np.asarray(drawn) - np.asarray(found["posterior"]["mu"].sum("part"))[..., None]
    # 360 draws, each of its own: 5 standard errors.
    np.testing.assert_allclose(noise.std(), 1, atol=5 / np.sqrt(2 * noise.size))
    np.testing.assert_allclose(noise.std(axis=-1, ddof=1).mean(), 0.886, atol=0.25)


@pytest.mark.parametrize(("name", "names", "rank"), [("mu", ["a", "b"], 0), ("y", "abc", 2)])
def test_refuses_more_dims_than_there_are(mcmc, name, names, rank):
    with pytest.raises(ValueError, match=f"dims gives '{name}' .* but it has {rank} dimensions"):
        to_arviz(mcmc, dims={name: list(names)})
