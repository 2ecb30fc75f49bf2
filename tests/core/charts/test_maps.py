"""Each map is undone by its inverse, and has the volume and the slopes of its Jacobian."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.charts import change
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.state import State
from tests.core.charts.any_chart import CHARTS, DIM, any_chart, gradient, potential, slope
from tests.core.charts.found import find, funnel


@pytest.fixture
def coordinates():
    return np.random.default_rng(1).normal(size=(4, DIM))


@pytest.mark.parametrize("name", CHARTS)
def test_inverse(name, coordinates):
    position, _ = charts.to_position(CHARTS[name], coordinates)
    np.testing.assert_allclose(
        charts.to_coordinates(CHARTS[name], position), coordinates, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", CHARTS)
def test_volume(name, coordinates):
    jacobian = slope(lambda y: charts.to_position(CHARTS[name], y)[0], coordinates)
    expected = np.linalg.slogdet(jacobian)[1]
    log_volume = charts.to_position(CHARTS[name], coordinates)[1]
    np.testing.assert_allclose(log_volume, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CHARTS)
def test_gradient(name, coordinates):
    chart = CHARTS[name]

    def energy(y):
        position, log_volume = charts.to_position(chart, y)
        return potential(position) - log_volume

    position, _ = charts.to_position(chart, coordinates)
    pulled = charts.pull_back(chart, coordinates, gradient(position))
    np.testing.assert_allclose(pulled, slope(energy, coordinates), rtol=1e-5, atol=1e-6)
    pushed = charts.push_forward(chart, coordinates, pulled)
    np.testing.assert_allclose(pushed, gradient(position), rtol=1e-9, atol=1e-9)


def test_a_state_comes_back_without_the_model(coordinates):
    state = State(coordinates, potential(coordinates), gradient(coordinates))
    back = charts.leave(CHARTS["any"], charts.enter(CHARTS["any"], state))
    for got, expected in zip(back, state, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)


def test_slopes_are_those_of_the_change(coordinates):
    old, new = CHARTS["any"], any_chart(3)
    state = State(coordinates, potential(coordinates), gradient(coordinates))
    near = change.slopes(old, new, state, change.moved(old, new, state), PYTHON)
    matrix = slope(lambda y: charts.to_coordinates(new, charts.to_position(old, y)[0]), coordinates)
    np.testing.assert_allclose(near.matrix, matrix, rtol=1e-5, atol=1e-5 * np.max(abs(matrix)))
    # Four maps one after another span many powers of e: rounding came to 7e-8.
    both = near.matrix @ near.back
    scale = np.max(abs(near.matrix), axis=(1, 2)) * np.max(abs(near.back), axis=(1, 2))
    np.testing.assert_allclose((both - np.eye(DIM)) / scale[:, None, None], 0, atol=1e-6)


def test_links_are_those_that_the_map_has(coordinates):
    """Where x_j in the chart goes with x_i: by differences of the map's width and place."""
    one = CHARTS["identity"]._replace(local=CHARTS["any"].local)
    matrix = slope(lambda y: charts.to_position(one, y)[0], coordinates)
    goes = np.any(np.abs(matrix) > 1e-9, axis=0) & ~np.eye(DIM, dtype=bool)
    np.testing.assert_array_equal(charts.links(one) > 0, goes)
    assert not np.any(charts.links(CHARTS["identity"]))
    drivers = charts.links(find(*funnel(np.random.default_rng(2), 200))[0])
    np.testing.assert_array_equal(drivers, [[0] * 6] + [[1] + [0] * 5] * 5)


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_libraries_agree(library, coordinates):
    jnp = pytest.importorskip("jax.numpy")
    convert = {"jax": jnp.asarray, "torch": torch.as_tensor}[library]

    def moved(values):
        if isinstance(values, tuple):
            return type(values)(*map(moved, values))
        return convert(values)

    state = State(coordinates, potential(coordinates), gradient(coordinates))
    expected = charts.enter(CHARTS["any"], state)
    got = charts.enter(moved(CHARTS["any"]), moved(state))
    tolerance = 1e-4 if library == "jax" else 1e-12
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=tolerance, atol=tolerance)
