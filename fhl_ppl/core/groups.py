"""Who belongs to which group: groups never exchange anything after warm-up (section 1)."""

from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace

Array = Any


class Groups(NamedTuple):
    """A fixed partition of the particles, in order of their index.

    Groups may differ in size by one, so each is padded to the size of the largest.

    Attributes
    ----------
    members
        Particle index of each seat, shape [group * seat]; an empty seat repeats the group's first.
    present
        Whether a seat is taken, shape [group, seat].
    size
        Number of members, shape [group].
    group
        Group of each particle, shape [particle].
    seat
        Position of each particle in `members`, shape [particle].
    index
        0, 1, 2, ..., shape [particle].
    first_seat
        Position of each group's first member in `members`, shape [group].
    """

    members: Array
    present: Array
    size: Array
    group: Array
    seat: Array
    index: Array
    first_seat: Array


def group_sizes(num_particles: int, group_size: int) -> list[int]:
    """Sizes of the fewest groups of at most `group_size`, as equal as possible.

    >>> group_sizes(10, 4)
    [4, 3, 3]
    """
    count = -(-num_particles // group_size)
    return [num_particles // count + (k < num_particles % count) for k in range(count)]


def make_groups(num_particles: int, group_size: int, like: Array) -> Groups:
    """Partition `num_particles` particles in order; index arrays live where `like` lives."""
    xp = array_namespace(like)
    sizes = group_sizes(num_particles, group_size)
    width = max(sizes)
    members, present, group, seat = [], [], [], []
    first = 0
    for g, size in enumerate(sizes):
        members += [first + s if s < size else first for s in range(width)]
        present.append([s < size for s in range(width)])
        group += [g] * size
        seat += [g * width + s for s in range(size)]
        first += size

    def place(values):
        return xp.asarray(values, device=device(like))

    return Groups(
        members=place(members),
        present=place(present),
        size=place(sizes),
        group=place(group),
        seat=place(seat),
        index=place(list(range(num_particles))),
        first_seat=place([g * width for g in range(len(sizes))]),
    )


def to_groups(groups: Groups, values: Array) -> Array:
    """Rearrange [particle, ...] into [group, seat, ...]."""
    xp = array_namespace(values)
    return xp.reshape(
        xp.take(values, groups.members, axis=0), tuple(groups.present.shape) + values.shape[1:]
    )


def to_particles(groups: Groups, values: Array) -> Array:
    """Undo `to_groups`: [group, seat, ...] back to [particle, ...]."""
    xp = array_namespace(values)
    return xp.take(
        xp.reshape(values, (groups.members.shape[0], *values.shape[2:])), groups.seat, axis=0
    )


def spread(groups: Groups, values: Array) -> Array:
    """Give every particle its group's value: [group, ...] to [particle, ...]."""
    return array_namespace(values).take(values, groups.group, axis=0)


def first_of_group(groups: Groups, values: Array) -> Array:
    """Give every particle the value of its group's first member, shape [particle, ...]."""
    xp = array_namespace(values)
    first = xp.take(groups.members, groups.first_seat, axis=0)
    return spread(groups, xp.take(values, first, axis=0))


def group_sum(groups: Groups, values: Array) -> Array:
    """Sum [particle, ...] over each group: shape [group, ...]."""
    xp = array_namespace(values)
    seated = to_groups(groups, values)
    present = xp.reshape(groups.present, groups.present.shape + (1,) * (values.ndim - 1))
    return xp.sum(xp.where(present, seated, 0.0), axis=1)
