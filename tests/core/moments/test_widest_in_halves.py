"""The widest direction in many dimensions: what one half of the particles says of the other's."""

import numpy as np

from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moments import widest_in_halves


def scale_of_slow_draws(update):
    """Of 4 chains in 400 dimensions of variance 1, each draw half made of the one before."""
    rng = np.random.default_rng(5)
    unit = make_metric(np.ones(400))
    position = rng.standard_normal((4, 400))
    scale = widest_in_halves.restart(position, unit)
    for _ in range(200):
        position = 0.5 * position + 0.75**0.5 * rng.standard_normal((4, 400))
        scale = update(scale, position, unit)
    return widest_in_halves.sigma_max(scale)


def test_chance_does_not_widen_the_scale_in_many_dimensions():
    np.testing.assert_allclose(scale_of_slow_draws(widest_in_halves.update), 1, rtol=0.2)


def test_a_direction_that_its_own_particles_have_found_is_noticed():
    def each_its_own(scale, position, metric):
        swapped = scale._replace(direction=scale.direction[::-1])
        return widest_in_halves.update(swapped, position, metric)

    assert scale_of_slow_draws(each_its_own) > 1.5


def test_a_wide_direction_is_found(rng):
    position = rng.standard_normal((400, 4, 30)) * np.where(np.arange(30) == 4, 5.0, 1.0)
    unit = make_metric(np.ones(30))
    scale = widest_in_halves.restart(position[0], unit)
    for batch in position:
        scale = widest_in_halves.update(scale, batch, unit)
    # The last hundred iterations or so count, of 4 draws each: 0.2 are three standard deviations.
    np.testing.assert_allclose(widest_in_halves.sigma_max(scale), 5, rtol=0.2)
    assert np.argmax(np.abs(widest_in_halves.widest(scale))) == 4
