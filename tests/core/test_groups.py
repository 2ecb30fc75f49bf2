"""Groups partition the particles in order; what is computed per group agrees with plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.groups import (
    first_of_group,
    group_sizes,
    group_sum,
    make_groups,
    spread,
    to_groups,
    to_particles,
)

shapes = st.tuples(st.integers(1, 30), st.integers(1, 9))


def slices(num_particles, group_size):
    """The groups as plain lists of particles."""
    ends = np.cumsum(group_sizes(num_particles, group_size))
    return [
        list(range(end - size, end)) for end, size in zip(ends, np.diff([0, *ends]), strict=True)
    ]


@given(shapes)
def test_sizes_are_few_and_as_equal_as_possible(shape):
    num_particles, group_size = shape
    sizes = group_sizes(num_particles, group_size)
    assert sum(sizes) == num_particles
    assert len(sizes) == int(np.ceil(num_particles / group_size))
    assert 1 <= min(sizes) <= max(sizes) <= group_size
    assert max(sizes) - min(sizes) <= 1


@given(shapes)
def test_groups_partition_the_particles_in_order(shape):
    groups = make_groups(*shape, like=np.zeros(1))
    members = to_groups(groups, np.arange(len(groups.group)))
    for g, expected in enumerate(slices(*shape)):
        assert list(members[g][groups.present[g]]) == expected
        assert set(members[g]) == set(expected)
        np.testing.assert_array_equal(groups.group[expected], g)
    np.testing.assert_array_equal(to_particles(groups, members), np.arange(shape[0]))


@given(shapes)
def test_values_of_groups_agree_with_plain_loops(shape):
    groups = make_groups(*shape, like=np.zeros(1))
    values = np.random.default_rng(0).standard_normal((shape[0], 2))
    total, first = group_sum(groups, values[:, 0]), first_of_group(groups, values)
    np.testing.assert_array_equal(to_particles(groups, to_groups(groups, values)), values)
    for g, members in enumerate(slices(*shape)):
        np.testing.assert_allclose(total[g], values[members, 0].sum(), rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(spread(groups, total)[members], total[g])
        np.testing.assert_array_equal(
            first[members], np.tile(values[members[0]], (len(members), 1))
        )


def assert_sums_count_each_once(summed):
    groups = make_groups(5, 3, like=np.zeros(1))
    np.testing.assert_array_equal(summed(groups, np.ones(5)), [3, 2])


def test_counting_empty_seats_is_noticed():
    assert_sums_count_each_once(group_sum)
    with pytest.raises(AssertionError):
        assert_sums_count_each_once(lambda groups, values: to_groups(groups, values).sum(axis=1))
