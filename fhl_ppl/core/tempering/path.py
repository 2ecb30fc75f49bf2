"""From a reference to the target, by inverse temperature (section 13)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any


class Parts(NamedTuple):
    """What U_beta is made of, at some places, leaves [...] and [..., dim].

    Attributes
    ----------
    energy, gradient
        U and the force field in use.
    reference_energy, reference_gradient
        U_ref and its gradient.
    """

    energy: Array
    gradient: Array
    reference_energy: Array
    reference_gradient: Array

    @property
    def tension(self) -> Array:
        """V = U - U_ref, by which replicas are swapped: of a model minus the log likelihood."""
        return self.energy - self.reference_energy

    def at(self, beta: Array) -> tuple[Array, Array]:
        """U_beta = U_ref + beta (U - U_ref) and its force; `beta` is shaped as U, or a scalar."""
        return (
            _between(self.reference_energy, self.energy, beta),
            _between(self.reference_gradient, self.gradient, beta[..., None]),
        )


class Path(NamedTuple):
    """A target and a reference.

    Attributes
    ----------
    target, reference
        `target.Plain`: the force of the target may be any, that of the reference is its gradient.
        exp(-U_ref) has to have a finite integral.
    """

    target: Any
    reference: Any

    def parts(self, position: Array) -> Parts:
        """Evaluate both, at positions [particle, dim]."""
        return Parts(
            *self.target.potential_and_gradient(position),
            *self.reference.potential_and_gradient(position),
        )


class Tempered(NamedTuple):
    """A `Target`: U_beta of a path.

    Attributes
    ----------
    path
        The path.
    beta
        The inverse temperature, a scalar: 1 is the target and 0 the reference.
    """

    path: Path
    beta: Array

    @property
    def is_random(self) -> bool:
        """No path leads to a random force."""
        return False

    def evaluate(
        self, position: Array, number: Array | int, known: Array, is_start: Array | bool
    ) -> tuple[Array, Array]:
        """Give U_beta and its force."""
        return self.path.parts(position).at(self.beta)

    def energy(self, position: Array, energy: Array) -> Array:
        """It has been evaluated already."""
        return energy


def _between(reference: Array, target: Array, beta: Array) -> Array:
    """(1 - beta) reference + beta target; the ends exactly, though the other be infinite there."""
    xp = array_namespace(target)
    mixed = (1 - beta) * reference + beta * target
    return xp.where(beta == 1, target, xp.where(beta == 0, reference, mixed))
