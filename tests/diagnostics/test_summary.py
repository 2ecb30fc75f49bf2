"""`fhl_ppl.summary`: the table, what it prints, and what it warns of."""

import warnings

import numpy as np
import pytest

from fhl_ppl import summary
from fhl_ppl.diagnostics import checks, group_units
from tests.conftest import importorskip
from tests.diagnostics.particles import autoregressive, copies, inference_data

arviz = importorskip("arviz")

GROUP = np.repeat([0, 1], 4)


def warned(data, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        summary(data, show=False, **options)
    return [str(w.message) for w in caught if w.category is UserWarning]


@pytest.fixture
def draws(rng):
    return {"x": rng.normal(size=(8, 1000)), "a_matrix": rng.normal(size=(8, 1000, 2, 3))}


def test_rows_and_values_are_those_of_each_quantity(draws):
    table = summary(inference_data(draws, GROUP), show=False)
    assert list(table.index[:2]) == ["x", "a_matrix[0, 0]"]
    assert len(table) == 7
    for row, quantity in {"x": draws["x"], "a_matrix[1, 2]": draws["a_matrix"][:, :, 1, 2]}.items():
        np.testing.assert_allclose(table["mean"][row], quantity.mean())
        np.testing.assert_allclose(table["ess_bulk"][row], arviz.ess(quantity))
        ess = group_units.ess_group(quantity, GROUP)
        np.testing.assert_allclose(table["ess_group"][row], ess)
        r_hat = group_units.r_hat_group(quantity, GROUP)
        np.testing.assert_allclose(table["r_hat_group"][row], r_hat)


def test_prints_the_table_unless_told_not_to(draws, capsys):
    data = inference_data(draws, GROUP)
    summary(data, show=False)
    assert capsys.readouterr().out == ""
    table = summary(data)
    printed = capsys.readouterr().out
    assert "ess_group" in printed
    assert f"{table['ess_group']['x']:.0f}" in printed
    assert len(printed.splitlines()) == 8


def test_var_names_choose(draws):
    data = inference_data(draws, GROUP)
    assert list(summary(data, var_names="x", show=False).index) == ["x"]
    assert len(summary(data, var_names=["a_matrix"], show=False)) == 6
    with pytest.raises(ValueError, match=r"var_names has 'y', .* there are 'x', 'a_matrix'"):
        summary(data, var_names=["y"])


def test_hdi_prob_is_the_mass_of_the_interval(draws):
    data = inference_data({"x": draws["x"]}, GROUP)
    table = summary(data, hdi_prob=0.5, show=False)
    low, high = (column for column in table.columns if column.startswith("hdi"))
    expected = np.ravel(arviz.hdi(draws["x"].ravel(), 0.5))
    np.testing.assert_allclose([table[low]["x"], table[high]["x"]], expected)
    for wrong in (0, 1, 94):
        with pytest.raises(ValueError, match=f"hdi_prob must be in .0, 1., got {wrong}"):
            summary(data, hdi_prob=wrong)


def test_without_groups_the_columns_are_left_out(draws):
    table = summary(inference_data(draws), show=False)
    assert "ess_bulk" in table
    assert "ess_group" not in table
    assert warned(inference_data(draws)) == []


def test_refuses_what_is_no_run():
    with pytest.raises(TypeError, match=r"pyro.infer.MCMC .* got dict"):
        summary({"x": np.zeros((8, 100))})


def test_nothing_to_warn_of(draws):
    statistics = {
        "diverging": np.zeros((8, 1000), bool),
        "acceptance_rate": np.full((8, 1000), 0.8),
    }
    assert warned(inference_data(draws, GROUP, statistics, adjusted=True)) == []


def test_warns_of_particles_that_move_together(rng):
    x = copies(rng.normal(size=(4, 2000)), 4)
    (message,) = warned(inference_data({"x": x}, np.repeat(np.arange(4), 4)))
    assert message.startswith("ess_group is far below ess_bulk for x")
    assert "larger num_chains" in message


def test_warns_of_a_delayed_agreement(rng):
    """Each particle repeats the one before it an iteration later: never alike at one draw."""
    one = rng.normal(size=(4, 2003))
    x = np.concatenate([[row[3 - lag : 2003 - lag] for lag in range(4)] for row in one])
    group = np.repeat(np.arange(4), 4)
    np.testing.assert_allclose(group_units.variance_inflation(x, group), 1, atol=0.2)
    (message,) = warned(inference_data({"x": x}, group))
    assert message.startswith("ess_group is far below ess_bulk")


def says_one_group(sentence, remedy):
    return sentence.startswith("All chains belong to one group") and sentence.endswith(
        f"num_chains >= 2 * group_size, here {remedy}."
    )


@pytest.mark.parametrize(("settings", "remedy"), [({}, 16), ({"group_size": 10}, 20)])
def test_notes_a_single_group(draws, settings, remedy, capsys):
    """Chains may be fewer than a group holds, so their number alone is not the remedy."""
    data = inference_data(draws, np.zeros(8, int), **settings)
    assert warned(data) == []
    table = summary(data)
    (note,) = table.attrs["notes"]
    assert says_one_group(note, remedy)
    assert capsys.readouterr().out.endswith(f"\n{note}\n")


def test_two_groups_are_nothing_to_note(draws):
    assert summary(inference_data(draws, GROUP), show=False).attrs["notes"] == []


def test_warns_of_a_single_group_with_few_effective_draws(rng):
    """An eighth of 1000 draws a chain is above 100, a fortieth is not."""
    for slow, count in ((0.7, 0), (0.95, 1)):
        x = autoregressive(rng, (8, 1000), slow)
        messages = warned(inference_data({"x": x}, np.zeros(8, int)))
        assert sum(says_one_group(message, 16) for message in messages) == count


def test_warns_of_a_single_group_that_moves_together(rng):
    x = copies(rng.normal(size=(1, 2000)), 4)
    (message,) = warned(inference_data({"x": x}, np.zeros(4, int)))
    assert message.startswith("ess_group is far below ess_bulk for x")


def test_warns_of_a_single_group_whose_halves_disagree(rng):
    x = rng.normal(size=(4, 2000))
    x[:, 1000:] += 0.3
    messages = warned(inference_data({"x": x}, np.zeros(4, int)))
    assert any(message.startswith("r_hat_group is above") for message in messages)


def test_warns_of_frozen_particles(rng):
    modes = 10.0 * np.array([0, 0, 1, 1, 0, 0, 1, 1])
    data = inference_data({"x": modes[:, None] + rng.normal(size=(8, 1000))}, GROUP)
    (message,) = warned(data)
    assert message.startswith("r_hat is above 1.01 for x")
    assert "num_warmup" in message


def test_warns_of_groups_that_disagree(rng):
    x = rng.normal(size=(8, 1000))
    x[:4] += 0.5
    messages = warned(inference_data({"x": x}, GROUP))
    assert any(message.startswith("r_hat_group is above 1.05 for x") for message in messages)


def test_names_the_worst_and_counts_the_others(rng):
    x = rng.normal(size=(8, 500, 5)) + np.arange(8)[:, None, None] * np.arange(5)
    first, *_ = warned(inference_data({"x": x}, GROUP))
    assert "x[4], x[3], x[2] and 1 more" in first


def test_warns_of_divergences(draws):
    diverging = np.zeros((8, 1000), bool)
    diverging[1, :3] = True
    (message,) = warned(inference_data(draws, GROUP, {"diverging": diverging}))
    assert message.startswith("3 of 8000 draws diverged")
    assert "target_accept_prob" in message


def test_warns_of_a_chain_that_hardly_moves(draws):
    """One of eight is enough, however well the others do."""
    rate = np.full((8, 1000), 0.9)
    rate[5] = 0.02
    (message,) = warned(inference_data(draws, GROUP, {"acceptance_rate": rate}))
    assert message.startswith("Chain 5 accepted 2.0% of its proposals")


def with_moves(rng, trajectories, jumps, share=0.5):
    """Statistics of eight chains with these acceptances; one chain may have its own."""
    move = (rng.uniform(size=(8, 1000)) >= share).astype(np.int8)
    rate = np.where(move == 0, np.reshape(trajectories, (-1, 1)), np.reshape(jumps, (-1, 1)))
    return {"move": move, "acceptance_rate": rate}


ONE_OF_EIGHT = np.where(np.arange(8) == 5, 0.02, 0.9)


def test_judges_acceptance_by_the_trajectories(rng, draws):
    assert warned(inference_data(draws, GROUP, with_moves(rng, 0.9, 0.001, 0.05))) == []
    (message,) = warned(inference_data(draws, GROUP, with_moves(rng, ONE_OF_EIGHT, 0.9)))
    assert message.startswith("Chain 5 accepted 2.0% of its trajectories")


def test_the_check_above_notices_jumps_that_count_as_trajectories(rng, draws):
    """Broken on purpose: without the statistic `move`, refused jumps look like a stuck chain."""
    statistics = with_moves(rng, 0.9, 0.001, 0.05)
    del statistics["move"]
    (message,) = warned(inference_data(draws, GROUP, statistics))
    assert "of its proposals" in message


def test_does_not_judge_by_a_handful_of_trajectories(rng, draws):
    statistics = with_moves(rng, 0.02, 0.9, 0.01)
    assert (statistics["move"] == 0).sum(axis=1).max() < checks.FEWEST_TRAJECTORIES
    assert warned(inference_data(draws, GROUP, statistics)) == []


def test_warns_of_a_chain_that_accepts_next_to_nothing_by_whatever_move(rng, draws):
    rate = np.where(np.arange(8) == 2, 0.001, 0.3)
    (message,) = warned(inference_data(draws, GROUP, with_moves(rng, 0.9, rate, 0.0)))
    assert message.startswith("Chain 2 accepted 0.1% of its proposals")


def test_names_a_run_in_which_nothing_was_accepted():
    """All at the same place: no R-hat, and no chain that differs from the others."""
    data = {"x": np.ones((8, 1000))}
    messages = warned(inference_data(data, GROUP, {"acceptance_rate": np.zeros((8, 1000))}))
    assert any(m.startswith("Chains 0, 1, 2, 3, 4, 5, 6, 7 never moved") for m in messages)
    # A constant of the model is no sign of it.
    moving = {"acceptance_rate": np.full((8, 1000), 0.8)}
    assert not any("never moved" in m for m in warned(inference_data(data, GROUP, moving)))


CAP = {
    "steps_cap": 64,
    "capped_trajectories": 0.6,
    "tuned_trajectory_length": 3.5,
    "tuned_step_size": 0.05,
    "trusts_gradient": True,
}


def test_warns_of_the_cap_on_steps(draws):
    statistics = {"energy": np.ones((8, 1000))}
    (message,) = warned(inference_data(draws, GROUP, statistics, **CAP))
    assert message.startswith("max_num_steps=64 cut 60% of the trajectories short")
    assert "about 70 steps" in message
    for silent in ({"capped_trajectories": 0.05}, {"trusts_gradient": False}):
        assert warned(inference_data(draws, GROUP, statistics, **CAP | silent)) == []


def test_names_steps_in_the_energy_and_not_the_cap(draws):
    statistics = {"energy": np.ones((8, 1000))}
    (message,) = warned(inference_data(draws, GROUP, statistics, **CAP, unseen_steps=1.0))
    assert "the energy has steps that its gradient does not see" in message
    assert "no larger max_num_steps" in message


PULL = CAP | {
    "capped_trajectories": 0.0,
    "pull_kappas": [0.0, 1.0, 2.0],
    "pull_probabilities": [0.1, 0.0, 0.9],
    "move_probabilities": [0.7, 0.3],
}


def test_warns_of_a_pull_at_its_bound(draws):
    statistics = {"energy": np.ones((8, 1000))}
    (message,) = warned(inference_data(draws, GROUP, statistics, **PULL))
    assert message.startswith("Warm-up gave the strongest pull on offer a probability of 90%")
    # 2 / T^2, where 64 steps of 0.05 are the longest T.
    assert message.endswith("try pulling_strength above 0.2.")
    for silent in (
        {"pull_probabilities": [0.1, 0.5, 0.4]},
        {"move_probabilities": [0.05, 0.95]},
    ):
        assert warned(inference_data(draws, GROUP, statistics, **PULL | silent)) == []


def test_warns_of_unadjusted_draws(draws):
    statistics = {"energy": np.ones((8, 1000))}
    (message,) = warned(inference_data(draws, GROUP, statistics, adjusted=False))
    assert message.startswith("The draws come from adjusted=False")


def test_warns_when_the_groups_got_lost(draws):
    statistics = {"group": np.repeat(GROUP[:, None], 1000, axis=1)}
    (message,) = warned(inference_data(draws, None, statistics))
    assert "fhl_ppl.to_arviz" in message


def test_the_warning_points_at_the_caller(draws):
    data = inference_data(draws, GROUP, {"energy": np.ones((8, 1000))}, adjusted=False)
    with pytest.warns(UserWarning, match="adjusted=False") as caught:
        summary(data, show=False)
    assert caught[0].filename == __file__


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_chains", "slow"),
    [(4, 0.0), (4, 0.3), (8, 0.5), (8, 0.7), (16, 0.7), (16, 0.8), (64, 0.8)],
)
def test_false_alarms_for_independent_particles(rng, num_chains, slow):
    """The bounds on what groups are compared by are as rarely passed as `checks` says."""
    draws = autoregressive(rng, (num_chains, 1000, 8000 // num_chains), slow)
    group = np.arange(num_chains) // 4
    usual = np.array([arviz.ess(draws[..., k]) for k in range(draws.shape[2])])
    ratio = group_units.ess_group(draws, group) / usual
    assert np.mean(ratio[usual / 4 >= checks.COMPARABLE] < checks.ESS_RATIO) <= 0.001
    assert group_units.variance_inflation(draws, group).max() < 1.3
    assert np.mean(group_units.r_hat_group(draws, group) > checks.R_HAT_GROUP) <= 0.001


def test_warns_of_a_chain_that_never_moved(draws):
    draws["x"][2] = draws["x"][2, :1]
    (said,) = [w for w in warned(inference_data(draws, GROUP)) if "never moved" in w]
    assert said.startswith("Chains 2 never moved")


def test_refuses_too_few_draws(draws):
    with pytest.raises(ValueError, match="3 draws a chain; ESS and R-hat need at least 4"):
        summary(inference_data({"x": draws["x"][:, :3]}, GROUP), show=False)


@pytest.mark.parametrize("energy", [1e6, 1e7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_energies_that_single_precision_rounds(draws, energy, dtype):
    lp = np.full((8, 1000), -energy, dtype)
    messages = warned(inference_data({"x": draws["x"]}, GROUP, {"lp": lp}))
    told = [message for message in messages if "float32 rounds to multiples of 1.2" in message]
    assert bool(told) == (energy > 5e6 and dtype == np.float32)
