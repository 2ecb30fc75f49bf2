"""The potential energy and its gradient, for all particles at once."""

from typing import Any

from torch import Tensor

from fhl_ppl.pyro.batching.ladder import Ladder
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.minibatch import Minibatch, controlled
from fhl_ppl.pyro.model.one_particle import (
    POTENTIAL,
    GradientFn,
    PotentialFn,
    energy,
    energy_and_gradient,
    substitute_gradient,
)


class BatchedPotential:
    """Potential energies and gradients of N particles from a potential of one.

    How N are evaluated together is found out at the first call (see the ladder) and can be read
    from `rung` and `reason`.

    Parameters
    ----------
    potential_fn
        Maps the dict of one particle's unconstrained sites to a scalar tensor, the negative log
        density up to a constant. It must be deterministic.
    layout
    gradient_fn, noisy_gradient, jit_compile, jit_options
        As in `fhl_ppl.pyro.FHL`; with a `gradient_fn` `potential_fn` is never differentiated.
    origin
        What messages call it.
    minibatch
        Of a potential from a model under `with_all_rows`: `draw` then evaluates batches.

    Raises
    ------
    ValueError
        If `noisy_gradient` or `jit_options` is given without what it belongs to; at the first
        call, if the potential is random.

    Examples
    --------
    >>> import torch
    >>> layout = SiteLayout({"x": torch.tensor(0.0)})
    >>> potential = BatchedPotential(lambda sites: sites["x"] ** 2, layout)
    >>> energies, gradients = potential.energy_and_gradient(torch.tensor([[1.0], [3.0]]))
    >>> energies.tolist(), gradients.tolist(), potential.rung
    ([1.0, 9.0], [[2.0], [6.0]], 'fx')
    """

    def __init__(
        self,
        potential_fn: PotentialFn,
        layout: SiteLayout,
        *,
        origin: str = POTENTIAL,
        gradient_fn: GradientFn | None = None,
        noisy_gradient: bool = False,
        minibatch: Minibatch | None = None,
        jit_compile: bool = False,
        jit_options: dict[str, Any] | None = None,
    ) -> None:
        if noisy_gradient and gradient_fn is None:
            raise ValueError("noisy_gradient=True needs a gradient_fn that draws the noise")
        if jit_options and not jit_compile:
            raise ValueError(
                f"jit_options={jit_options!r} has no effect without jit_compile=True; "
                "pass both or neither"
            )
        self.layout = layout
        self.noisy_gradient = noisy_gradient
        self.is_random = noisy_gradient or minibatch is not None
        options: dict[str, Any] = {
            "jit_compile": jit_compile,
            "jit_options": jit_options,
            "warned": set(),
        }
        self._energy = Ladder(energy(potential_fn, layout, origin), **options)
        self._both: Ladder | None = None
        self._substitute: Ladder | None = None
        self._batch: Ladder | None = None
        if minibatch is not None:
            quantity = controlled(potential_fn, layout, minibatch)
            self._batch = Ladder(quantity, noisy=True, **options)
        elif gradient_fn is None:
            self._both = Ladder(energy_and_gradient(potential_fn, layout, origin), **options)
        else:
            quantity = substitute_gradient(gradient_fn, layout)
            self._substitute = Ladder(quantity, noisy=noisy_gradient, **options)

    def energy(self, position: Tensor) -> Tensor:
        """Return the potential energies alone, [N]; +inf where one is not finite."""
        return self._energy(self._checked(position))[0]

    def gradient(self, position: Tensor) -> Tensor:
        """Return the gradients [N, D], or what `gradient_fn` gives in their place.

        Zero for a particle whose gradient is not finite; of what `gradient_fn` gives, only those
        entries.
        """
        if self._substitute is None:
            return self.energy_and_gradient(position)[1]
        return self._substitute(self._checked(position))[0]

    def energy_and_gradient(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return potential energies [N] and gradients [N, D]; from one evaluation, if it can be.

        Where the energy is not finite it is +inf, and the gradient zero where either is not.

        Raises
        ------
        ValueError
            If `position` [N, D] has another shape, dtype or device than the layout.
        """
        position = self._checked(position)
        if self._both is not None:
            value, gradient = self._both(position)
            return value, gradient
        return self.energy(position), self.gradient(position)

    def draw(self, position: Tensor, energy: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Draw energies [N] and gradients [N, D] of which one is random (see `is_random`).

        The energies are those of the batches; with a noisy `gradient_fn` the true ones, which are
        taken from `energy` if they are known.
        """
        if self._batch is not None:
            value, gradient = self._batch(self._checked(position))
            return value, gradient
        value = self.energy(position) if energy is None else energy
        return value, self.gradient(position)

    @property
    def rung(self) -> str | None:
        """How particles are evaluated: "loop", "vmap", "fx" or "compile"; None before a call.

        With a `gradient_fn` or a minibatch, energy and gradient separately, as in ``"fx, loop"``.
        """
        rungs = [ladder.rung for ladder in self._main() if ladder.rung]
        return ", ".join(rungs) or None

    @property
    def reason(self) -> str:
        """Why it is not done in a faster way; empty if there is nothing to say."""
        return "; ".join(ladder.reason for ladder in self._main() if ladder.reason)

    def _main(self) -> list[Ladder]:
        if self._both is not None:
            return [self._both]
        ladders = (self._energy, self._substitute, self._batch)
        return [ladder for ladder in ladders if ladder is not None]

    def _checked(self, position: Tensor) -> Tensor:
        layout = self.layout
        fits = position.dim() == 2 and position.shape[1] == layout.size and len(position) > 0
        if not fits or position.dtype != layout.dtype or position.device != layout.device:
            raise ValueError(
                f"position must have shape [N, {layout.size}], dtype {layout.dtype} and device "
                f"{layout.device}, got {tuple(position.shape)}, {position.dtype}, {position.device}"
            )
        return position
