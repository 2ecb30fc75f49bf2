"""Groups, settings and warm-up in ArviZ's data, and on disk."""

import numpy as np
import pytest

from fhl_ppl.diagnostics.annotate import annotate, group_of_chains
from fhl_ppl.diagnostics.arviz_lines import datasets, from_arrays
from tests.conftest import importorskip

arviz = importorskip("arviz")
importorskip("h5netcdf")

GROUP = np.array([0, 0, 1, 1])
SETTINGS = {
    "sampler": "fhl_ppl.numpyro.FHL",
    "group_size": 2,
    "adjusted": np.bool_(True),
    "step_size": np.float32(0.5),
    "num_steps": None,
    "dense_mass": [("mu", "tau")],
    "tuned_step_size": [0.25, 0.5],
    "pull_probabilities": [0.75, 0.25],
}


def converted(rng, plate="school", num_draws=10):
    groups = {
        "posterior": {
            "mu": rng.normal(size=(4, num_draws)),
            "y": rng.normal(size=(4, num_draws, 3)),
        },
        "sample_stats": {
            "lp": rng.normal(size=(4, num_draws)),
            "group": np.repeat(GROUP[:, None], num_draws, 1),
        },
        "log_likelihood": {"obs": rng.normal(size=(4, num_draws, 3))},
        "prior": {"mu": rng.normal(size=(4, 5))},
        "observed_data": {"obs": rng.normal(size=3)},
    }
    dims = {"y": [plate], "obs": [plate]}
    return from_arrays(groups, {plate: ["a", "b", "c"]}, dims, {"inference_library": "pyro"})


def test_every_group_of_draws_knows_the_groups(rng):
    found = datasets(annotate(converted(rng), GROUP, SETTINGS))
    for name in ("posterior", "sample_stats", "log_likelihood"):
        assert found[name]["group"].dims == ("chain",)
        np.testing.assert_array_equal(found[name]["group"], GROUP)
    # No particle drew from the prior, and data have no chain.
    assert "group" not in found["prior"].coords
    assert "group" not in found["observed_data"].coords


def test_groups_can_be_grouped_by(rng):
    posterior = datasets(annotate(converted(rng), GROUP, {}))["posterior"]
    means = posterior["mu"].groupby("group").mean("chain")
    np.testing.assert_allclose(means.sel(group=1), posterior["mu"][2:].mean("chain"))


@pytest.mark.parametrize("again", [False, True])
def test_a_plate_called_group_keeps_its_name(rng, again):
    data = annotate(converted(rng, plate="group"), GROUP, {})
    if again:
        data = annotate(data, GROUP, {})
    found = datasets(data)["posterior"]
    np.testing.assert_array_equal(found["group"], ["a", "b", "c"])
    np.testing.assert_array_equal(found["particle_group"], GROUP)
    np.testing.assert_array_equal(group_of_chains(found), GROUP)


def test_without_groups_nothing_is_added(rng):
    before = converted(rng)
    after = datasets(annotate(before, None, {}))
    for name, dataset in datasets(before).items():
        assert dataset.identical(after[name])


def test_warmup_is_kept_beside_the_draws(rng):
    warmup = annotate(converted(rng, num_draws=7), GROUP, SETTINGS)
    found = datasets(annotate(converted(rng), GROUP, SETTINGS, warmup))
    assert found["warmup_posterior"].sizes["draw"] == 7
    np.testing.assert_array_equal(
        found["warmup_posterior"]["mu"], datasets(warmup)["posterior"]["mu"]
    )
    assert set(found["warmup_sample_stats"].data_vars) == {"lp"}
    np.testing.assert_array_equal(found["warmup_sample_stats"]["group"], GROUP)
    assert "warmup_log_likelihood" not in found


def test_refuses_a_warmup_that_does_not_fit(rng):
    data = converted(rng)
    with pytest.raises(TypeError, match=r"warmup must be what to_arviz.*got dict"):
        annotate(data, GROUP, {}, {"posterior": {}})
    fewer = from_arrays({"posterior": {"mu": np.zeros((2, 5))}}, None, None, {})
    with pytest.raises(ValueError, match=r"warmup has \[2\] chains, the run has 4"):
        annotate(data, GROUP, {}, fewer)


def test_survives_the_disk(rng, tmp_path):
    warmup = annotate(converted(rng, num_draws=7), GROUP, SETTINGS)
    before = annotate(converted(rng), GROUP, SETTINGS, warmup)
    before.to_netcdf(str(tmp_path / "run.nc"), engine="h5netcdf")
    after = arviz.from_netcdf(str(tmp_path / "run.nc"), engine="h5netcdf")

    assert set(datasets(after)) == set(datasets(before))
    for name, dataset in datasets(before).items():
        assert dataset.equals(datasets(after)[name])
    for name in ("posterior", "sample_stats", "warmup_posterior"):
        attributes = datasets(after)[name].attrs
        assert attributes["sampler"] == "fhl_ppl.numpyro.FHL"
        assert attributes["group_size"] == 2
        assert attributes["adjusted"] == 1
        assert attributes["step_size"] == 0.5
        assert attributes["num_steps"] == "None"
        assert attributes["dense_mass"] == "[('mu', 'tau')]"
        np.testing.assert_array_equal(attributes["tuned_step_size"], [0.25, 0.5])
        np.testing.assert_array_equal(attributes["pull_probabilities"], [0.75, 0.25])


def test_the_check_above_can_fail(rng, tmp_path):
    """Settings as they are, not turned into attributes, cannot be written."""
    posterior = datasets(converted(rng))["posterior"].assign_attrs(num_steps=None)
    with pytest.raises(TypeError):
        posterior.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
