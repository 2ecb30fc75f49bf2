"""Pictures show the statistics that they are made of."""

import numpy as np
import pytest

import fhl_ppl
from fhl_ppl.diagnostics.annotate import annotate
from fhl_ppl.diagnostics.arviz_lines import from_arrays
from tests.conftest import importorskip
from tests.diagnostics.particles import inference_data

importorskip("arviz")
pyplot = importorskip("matplotlib.pyplot")

from fhl_ppl import plots

CHAINS, DRAWS, WARMUP = 8, 60, 40
GROUP = np.repeat([0, 1], 4)


@pytest.fixture(autouse=True)
def _no_windows():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def statistics(rng, draws):
    """Of eight particles in two groups, of which one leads."""
    leader = rng.integers(4, size=(2, draws))
    move = np.broadcast_to(rng.integers(2, size=draws), (CHAINS, draws))
    mode = rng.integers(2, size=(CHAINS, draws))
    return {
        "lp": -rng.gamma(3.0, size=(CHAINS, draws)),
        "is_leader": np.concatenate([np.arange(4)[:, None] == each for each in leader]),
        "acceptance_rate": rng.random((CHAINS, draws)),
        "step_size": rng.uniform(0.5, 1.0, size=(CHAINS, draws)),
        "pulling_strength": rng.gamma(1.0, size=(CHAINS, draws)),
        "n_steps": np.broadcast_to(rng.integers(1, 9, size=draws), (CHAINS, draws)),
        "move": move,
        "mode": mode,
    }


@pytest.fixture
def found(rng):
    return {"warmup": statistics(rng, WARMUP), "run": statistics(rng, DRAWS)}


@pytest.fixture
def data(found):
    x = {"x": np.zeros((CHAINS, DRAWS))}
    kept = from_arrays({"sample_stats": found["warmup"]}, None, None, {})
    run = inference_data(x, GROUP, found["run"], mode_masses=[0.4, 0.6])
    return annotate(run, GROUP, {"mode_masses": [0.4, 0.6]}, kept)


def test_leaders_are_those_of_the_draws_in_their_groups_colour(data, found):
    ax = plots.leaders(data, first=10, last=25)
    colours = set()
    for chain, lines in enumerate(ax.collections):
        drawn = [segment[0][0] for segment in lines.get_segments()]
        led = np.flatnonzero(found["run"]["is_leader"][chain])
        assert drawn == [when for when in led if 10 <= when < 25]
        colours.add((GROUP[chain], tuple(lines.get_colors()[0])))
    assert len(colours) == 2
    share = found["run"]["is_leader"][0].mean()
    assert ax.get_yticklabels()[0].get_text() == f"0 ({share:.0%})"


def test_warm_up_shows_means_of_what_moved_in_the_same_way(data, found):
    acceptance, step_size, pull = plots.warmup(data)
    kept = found["warmup"]
    long = kept["move"][0] == 0
    trajectories, _, jumps, _ = (line.get_ydata() for line in acceptance.lines[:4])
    mean = kept["acceptance_rate"].mean(axis=0)
    np.testing.assert_allclose(trajectories, np.where(long, mean, np.nan))
    np.testing.assert_allclose(jumps, np.where(long, np.nan, mean))
    for ax, name in ((step_size, "step_size"), (pull, "pulling_strength")):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), kept[name].mean(axis=0))


def test_energies_are_above_the_lowest_and_leaders_are_marked(data, found):
    ax = plots.energies(data)
    energy = -found["warmup"]["lp"]
    energy = energy - energy.min()
    drawn = np.array([line.get_ydata() for line in ax.lines[:CHAINS]])
    np.testing.assert_allclose(drawn, energy)
    led = found["warmup"]["is_leader"]
    np.testing.assert_allclose(ax.lines[CHAINS].get_ydata(), energy.T[led.T])


def test_gradients_are_those_of_all_particles(data, found):
    each, total = plots.gradients(data)
    spent = [found[phase]["n_steps"] for phase in ("warmup", "run")]
    np.testing.assert_allclose(each.lines[0].get_ydata(), np.hstack(spent).mean(axis=0))
    everything = sum(int(part.sum()) for part in spent)
    assert total.lines[0].get_ydata()[-1] == everything
    share = spent[0].sum() / everything
    assert each.get_title() == f"{everything:,} gradients, {share:.0%} of them in warm-up"


def test_modes_are_those_of_the_table(data):
    weights, crossings = plots.modes(data)
    table = fhl_ppl.modes(data)
    np.testing.assert_allclose([bar.get_height() for bar in weights.patches], table["weight"])
    heights = [bar.get_height() for bar in crossings.patches]
    np.testing.assert_allclose(heights, table["per_chain"])
    (diamonds,) = (line for line in weights.lines if line.get_marker() == "D")
    np.testing.assert_allclose(diamonds.get_ydata(), [0.4, 0.6])


def test_a_running_mean_leaves_out_what_is_not_there():
    values = np.where(np.arange(100) % 2, 3.0, np.nan)
    np.testing.assert_allclose(plots._running_mean(values), 3.0)
    assert np.isnan(plots._running_mean(np.full(5, np.nan))).all()


def test_given_axes_are_drawn_on(data):
    _, axes = pyplot.subplots(3)
    assert list(plots.warmup(data, axes=axes)) == list(axes)
    assert plots.energies(data, ax=axes[0]) is axes[0]
    with pytest.raises(ValueError, match="axes must be 2 axes, got 3"):
        plots.modes(data, axes=axes)


@pytest.mark.parametrize("picture", [plots.warmup, plots.energies, plots.gradients])
def test_without_a_warm_up_it_says_how_to_keep_one(picture, found):
    run = inference_data({"x": np.zeros((CHAINS, DRAWS))}, GROUP, found["run"])
    with pytest.raises(ValueError, match=r"collect_warmup=True.*keep_warmup=True"):
        picture(run)


def test_another_kernels_run_and_draws_that_are_not_there_are_refused(data):
    other = inference_data(
        {"x": np.zeros((CHAINS, DRAWS))}, None, {"lp": np.zeros((CHAINS, DRAWS))}
    )
    with pytest.raises(ValueError, match="no statistic 'is_leader'"):
        plots.leaders(other)
    with pytest.raises(ValueError, match=r"60 draws, none of them from first=70"):
        plots.leaders(data, first=70)
    with pytest.raises(TypeError, match="data must be"):
        plots.leaders(3)
