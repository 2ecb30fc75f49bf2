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
    seats
        0, 1, 2, ..., shape [seat].
    """

    members: Array
    present: Array
    size: Array
    group: Array
    seat: Array
    seats: Array


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
        seats=place(list(range(width))),
    )


def are_equal(groups: Groups) -> bool:
    """Whether all groups have one size.

    Then they are rows of an array, and all within a group stays within its row: where particles are
    spread over devices, on its device.
    """
    return tuple(groups.members.shape) == tuple(groups.group.shape)


def to_groups(groups: Groups, values: Array) -> Array:
    """Rearrange [particle, ...] into [group, seat, ...]."""
    xp = array_namespace(values)
    # `custom_vmap` traces the groups of one particle with the values of all before it batches.
    if not (are_equal(groups) and values.shape[0] == groups.group.shape[0]):
        values = xp.take(values, groups.members, axis=0)
    return xp.reshape(values, (*groups.present.shape, *values.shape[1:]))


def to_particles(groups: Groups, values: Array) -> Array:
    """Undo `to_groups`: [group, seat, ...] back to [particle, ...]."""
    xp = array_namespace(values)
    seated = xp.reshape(values, (groups.members.shape[0], *values.shape[2:]))
    return seated if are_equal(groups) else xp.take(seated, groups.seat, axis=0)


def spread(groups: Groups, values: Array) -> Array:
    """Give every particle its group's value: [group, ...] to [particle, ...]."""
    xp = array_namespace(values)
    shape = (*groups.present.shape, *values.shape[1:])
    return to_particles(groups, xp.broadcast_to(values[:, None, ...], shape))


def first_of_group(groups: Groups, values: Array) -> Array:
    """Give every particle the value of its group's first member, shape [particle, ...]."""
    return spread(groups, to_groups(groups, values)[:, 0, ...])


def lowest_seat(groups: Groups, values: Array) -> Array:
    """Mark the lowest of [group, seat] in each group, the first among equals: shape [group, seat].

    An empty seat repeats the first, and so is never marked.
    """
    return groups.seats == array_namespace(values).argmin(values, axis=1)[:, None]


def value_there(marked: Array, values: Array) -> Array:
    """Value of the seat that is `marked` [group, seat], of [group, seat, ...]: shape [group, ...].

    0 where none is.
    """
    xp = array_namespace(values)
    marked = xp.reshape(marked, tuple(marked.shape) + (1,) * (values.ndim - 2))
    return xp.sum(xp.where(marked, values, xp.zeros_like(values)), axis=1)


def group_sum(groups: Groups, values: Array) -> Array:
    """Sum [particle, ...] over each group: shape [group, ...]."""
    xp = array_namespace(values)
    seated = to_groups(groups, values)
    present = xp.reshape(groups.present, groups.present.shape + (1,) * (values.ndim - 1))
    return xp.sum(xp.where(present, seated, 0.0), axis=1)
