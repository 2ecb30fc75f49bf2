"""Energies that were learnt, as potentials of either backend: networks over batches, and algebra.

A network gives energies [batch] of a batch of images, a potential takes one particle's sites.
`energy` makes one of the other; sums are products of densities, multiples are inverse
temperatures, and differences take a concept out. Arrays may be NumPy's, JAX's or PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, log
from typing import Any

from fhl_ppl.core.arrays import array_namespace

Array = Any
Sites = Mapping[str, Array]
Network = Callable[..., Array]


class Energy:
    """The energy of one particle, to be given as `potential_fn` to either `FHL`.

    ``a + b`` is the product of the densities, ``t * a`` the density to the power t, ``a - b`` the
    quotient. A quotient has to be a density, which nobody can check but you: take less than all of
    b, ``a - 0.5 * b``, or add an energy that grows.

    Parameters
    ----------
    potential : callable
        Maps the dict of one particle's sites to its energy, an array of one number.

    Raises
    ------
    TypeError
        If `potential` is no function, or something else than an energy is added, or something
        else than a finite number multiplied.

    Examples
    --------
    >>> import numpy as np
    >>> near, wide = Energy(lambda z: z["x"] ** 2), Energy(lambda z: abs(z["x"]))
    >>> float((near + wide)({"x": np.array(3.0)})), float((near - 0.5 * wide)({"x": np.array(3.0)}))
    (12.0, 7.5)
    """

    def __init__(self, potential: Callable[[Sites], Array]) -> None:
        if not callable(potential):
            raise TypeError(f"potential must be a function of one particle's sites: {potential!r}.")
        self._potential = potential

    def __call__(self, sites: Sites) -> Array:
        """Evaluate for one particle."""
        return self._potential(sites)

    def __add__(self, other: Energy) -> Energy:
        """Return the energy of the product of both densities."""
        if not isinstance(other, Energy):
            raise TypeError(
                f"only energies can be added to an energy, got {other!r}; "
                "make one of a function of the sites with Energy(function)."
            )
        return Energy(lambda sites: self(sites) + other(sites))

    def __mul__(self, inverse_temperature: float) -> Energy:
        """Return the energy of a power of the density."""
        if not isinstance(inverse_temperature, int | float) or not isfinite(inverse_temperature):
            raise TypeError(
                f"an energy can be multiplied by a finite number, got {inverse_temperature!r}."
            )
        return Energy(lambda sites: inverse_temperature * self(sites))

    __rmul__ = __mul__

    def __neg__(self) -> Energy:
        """Return the energy of one over the density."""
        return -1 * self

    def __sub__(self, other: Energy) -> Energy:
        """Return the energy of the quotient of both densities."""
        return self + -other


def energy(network: Network, *sites: str) -> Energy:
    """Make a potential of a network over batches.

    Parameters
    ----------
    network : callable
        A ``torch.nn.Module`` in evaluation mode, or a JAX function with its parameters bound. Maps
        a batch of each site, ``[batch, *shape of the site]``, to energies [batch] or [batch, 1].
    *sites : str
        Names of the sites, in the order of its arguments. Their shapes are any; those of
        `init_params` (NumPyro), `initial_params` (Pyro) hold.

    Raises
    ------
    TypeError
        If no site is named.
    ValueError
        When called, if the network has no energy for each of a batch.

    Examples
    --------
    >>> import numpy as np
    >>> potential_fn = energy(lambda images: (images**2).sum((1, 2)) / 2, "image")
    >>> float(potential_fn({"image": np.ones((8, 8))}))
    32.0

    The same line is all that either backend needs: ``FHL(potential_fn=energy(net, "image"))``.
    """
    _check_names(sites)

    def potential(site_values: Sites) -> Array:
        values = network(*(site_values[name][None] for name in sites))
        shape = tuple(values.shape)
        if shape not in ((1,), (1, 1)):
            raise ValueError(
                f"of a batch of one the network must return energies of shape (1,) or (1, 1), got "
                f"{shape}; sum over all axes but the first, or use `labelled` for one per label."
            )
        return values.reshape(())

    return Energy(potential)


def mixture(energies: Sequence[Energy], weights: Sequence[float] | None = None) -> Energy:
    """Return the energy of a mixture of densities: of this or that.

    Parameters
    ----------
    energies : sequence of Energy
    weights : sequence of float, optional
        How much each *exp(-energy)* counts, above 0. They are shares of the components only if
        the energies are those of normalised densities, which those of networks are not. Default:
        all 1.

    Raises
    ------
    ValueError
        If there are no energies, or not as many positive weights.

    Examples
    --------
    >>> import numpy as np
    >>> flat = Energy(lambda z: np.zeros(()))
    >>> round(float(mixture([flat, flat], [1.0, 3.0])({})), 4)
    -1.3863
    """
    weights = [1.0] * len(energies) if weights is None else list(weights)
    fits = len(energies) == len(weights) > 0
    if not fits or not all(weight > 0 and isfinite(weight) for weight in weights):
        raise ValueError(
            f"mixture needs one energy or more and a weight above 0 for each, got {len(energies)} "
            f"energies and weights {weights}."
        )
    logs = [log(weight) for weight in weights]

    def potential(sites: Sites) -> Array:
        values = [one(sites) - shift for one, shift in zip(energies, logs, strict=True)]
        return -_log_sum_exp(array_namespace(values[0]).stack([-value for value in values]))

    return Energy(potential)


class Labelled(Energy):
    """The energy of an image together with a code of its label; `labelled` makes it."""

    def __init__(self, network: Network, site: str, code: str, width: float) -> None:
        _check_names((site, code))
        if not isfinite(width) or width <= 0:
            raise ValueError(f"width must be above 0, got {width!r}.")
        super().__init__(lambda sites: -_log_sum_exp(self._terms(sites[site], sites[code])))
        self._network, self._width = network, width

    def _terms(self, image: Array, code: Array) -> Array:
        """Minus the energy for each label, [..., label], of one image or a batch."""
        one = code.ndim == 1
        energies = self._network(image[None])[0] if one else self._network(image)
        if energies.shape != code.shape:
            raise ValueError(
                f"the network must return an energy for each label, {tuple(code.shape)} as the "
                f"code is shaped, got {tuple(energies.shape)}."
            )
        # |z - e_y|^2 = |z|^2 - 2 z_y + 1.
        square = (code**2).sum(-1)[..., None] - 2 * code + 1
        return -energies - square / (2 * self._width**2)

    def label_probabilities(self, images: Array, codes: Array) -> Array:
        """Return the probability of each label given image and code, [batch, label].

        A label drawn by it belongs to a draw from the joint density of image and label.
        """
        terms = self._terms(images, codes)
        shifted = array_namespace(terms).exp(terms - _log_sum_exp(terms)[..., None])
        return shifted / shifted.sum(-1)[..., None]


def labelled(network: Network, site: str, code: str, width: float = 0.5) -> Labelled:
    """Return the energy of image and label in one state: text and picture, class and digit.

    A label y cannot be moved along a gradient, so it has a code z in R^labels, N(e_y, width^2 I)
    given y, and is summed out:

        U(x, z) = -log sum_y exp(-E_y(x) - norm(z - e_y)^2 / (2 width^2)).

    The marginal of x, and of y by `Labelled.label_probabilities`, is that of exp(-E_y(x)) exactly.

    Parameters
    ----------
    network : callable
        Maps a batch ``[batch, *shape of the site]`` to energies [batch, label]; of a classifier,
        minus its logits.
    site, code : str
        Names of the image's site and of the code's, whose shape is [label].
    width : float, default 0.5
        Of the codes, which are the square root of 2 apart: with .5 they touch, so that a chain
        goes from one to the next. Wider ones tell less of the label.

    Raises
    ------
    ValueError
        If `width` is not above 0; when called, if there is not an energy for each label.

    Examples
    --------
    >>> import numpy as np
    >>> joint = labelled(lambda x: x * np.array([1.0, -1.0]), "x", "z")
    >>> joint.label_probabilities(np.zeros((1, 1)), np.array([[1.0, 0.0]])).round(3)
    array([[0.982, 0.018]])
    """
    return Labelled(network, site, code, width)


def score(network: Network, site: str) -> Callable[[Sites], dict[str, Array]]:
    """Make a `gradient_fn` of a score network, which gives the gradient of log p.

    The Metropolis test still needs an energy, `potential_fn`, of its own: a score that is learnt
    for itself is the gradient of none. What they disagree in costs acceptance and nothing else.

    Parameters
    ----------
    network : callable
        Maps ``[batch, *shape of the site]`` to scores shaped alike. One that predicts the noise
        eps of standard deviation s is to be wrapped: ``lambda x: -net(x) / s``.
    site : str
        The site. Others of the state, if there are any, get no force: give a function of your own.

    Examples
    --------
    >>> import numpy as np
    >>> gradient_fn = score(lambda images: -images, "image")
    >>> gradient_fn({"image": np.array([1.0, 2.0])})
    {'image': array([1., 2.])}
    """
    _check_names((site,))

    def gradient(sites: Sites) -> dict[str, Array]:
        others = {name: 0 * value for name, value in sites.items() if name != site}
        return others | {site: -network(sites[site][None])[0]}

    return gradient


def _check_names(sites: Sequence[str]) -> None:
    if not sites or not all(isinstance(name, str) for name in sites):
        raise TypeError(
            f'name the sites that the network takes, as in energy(network, "image"), got {sites!r}.'
        )


def _log_sum_exp(values: Array) -> Array:
    """Log of the sum of exponentials over the last axis, without overflow."""
    xp = array_namespace(values)
    # Floored it has no gradient. That of a maximum compares values with it, and where a compiler
    # works them out twice, not to the same bit, none is the largest: 0 / 0.
    largest = xp.floor(xp.max(values, axis=-1))
    # Where all are -inf there is nothing to shift by.
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    return xp.log(xp.sum(xp.exp(values - largest[..., None]), axis=-1)) + largest
