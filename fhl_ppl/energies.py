"""Energies that were learnt, as potentials of either backend: networks over batches, and algebra.

A network gives energies [batch] of a batch of images, a potential takes one particle's sites.
`energy` makes one of the other; sums are products of densities, multiples are inverse
temperatures, and differences take a concept out. Arrays may be NumPy's, JAX's or PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, log
from numbers import Real
from typing import Any

from fhl_ppl.core.arrays import array_namespace

Array = Any
Sites = Mapping[str, Array]
Network = Callable[..., Array]


class Energy:
    """The energy of one particle, to be given as `potential_fn` to either `FHL`.

    ``a + b`` and ``sum([a, b])`` are the product of the densities, ``t * a`` the density to the
    power t, ``a - b`` the quotient. A quotient has to be a density, which nobody can check but you:
    take less than all of b, ``a - 0.5 * b``, or add an energy that grows.

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
        _check_energy(other)
        return Energy(lambda sites: self(sites) + other(sites))

    def __radd__(self, other: Any) -> Energy:
        """Return this energy where `sum` begins, at 0."""
        if isinstance(other, int) and other == 0:
            return self
        return self + other

    def __mul__(self, inverse_temperature: float) -> Energy:
        """Return the energy of a power of the density."""
        if not _is_finite(inverse_temperature):
            raise TypeError(
                "an energy can be multiplied by a finite number of Python's or NumPy's, got "
                f"{inverse_temperature!r}; take float() of an array."
            )
        # A number of NumPy's would have a type of its own, which the energies then take.
        factor = float(inverse_temperature)
        return Energy(lambda sites: factor * self(sites))

    __rmul__ = __mul__

    def __neg__(self) -> Energy:
        """Return the energy of one over the density."""
        return -1 * self

    def __sub__(self, other: Energy) -> Energy:
        """Return the energy of the quotient of both densities."""
        _check_energy(other)
        return self + -other


def energy(network: Network, *sites: str) -> Energy:
    """Make a potential of a network over batches.

    Parameters
    ----------
    network : callable
        A ``torch.nn.Module`` in evaluation mode, or a JAX function with its parameters bound. Maps
        a batch of each site, ``[batch, *shape of the site]``, to energies [batch] or [batch, 1].
        An image's energy must be its own, whatever else is in the batch: that is of one here.
    *sites : str
        Names of the sites, in the order of its arguments. Their shapes are any; those of
        `init_params` (NumPyro), `initial_params` (Pyro) hold.

    Raises
    ------
    TypeError
        If no site is named, or the network is no function; when called, if it returns no array.
    ValueError
        When called, if the network has no energy for each of a batch, or one of half precision, if
        the state lacks a site, or if a part of a module such as dropout is in training mode.

    Examples
    --------
    >>> import numpy as np
    >>> potential_fn = energy(lambda images: (images**2).sum((1, 2)) / 2, "image")
    >>> float(potential_fn({"image": np.ones((8, 8))}))
    32.0

    The same line is all that either backend needs: ``FHL(potential_fn=energy(net, "image"))``.
    """
    _check_network(network)
    _check_names(sites)

    def potential(site_values: Sites) -> Array:
        values = _energies_of(network, *(_of(site_values, name)[None] for name in sites))
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
    TypeError
        If something else than an energy is mixed.
    ValueError
        If there are no energies, or not as many positive weights.

    Examples
    --------
    >>> import numpy as np
    >>> flat = Energy(lambda z: np.zeros(()))
    >>> round(float(mixture([flat, flat], [1.0, 3.0])({})), 4)
    -1.3863
    """
    if callable(energies):
        raise TypeError("energies must be in a list, as in mixture([a, b], [0.3, 0.7]).")
    energies = list(energies)
    for one in energies:
        _check_energy(one, "mixed")
    try:
        each = [1.0] * len(energies) if weights is None else [float(weight) for weight in weights]
    except (TypeError, ValueError):
        raise TypeError(f"weights must be numbers, one for each energy, got {weights!r}.") from None
    fits = len(energies) == len(each) > 0
    if not fits or not all(weight > 0 and isfinite(weight) for weight in each):
        raise ValueError(
            f"mixture needs one energy or more and a weight above 0 for each, got {len(energies)} "
            f"energies and weights {each}."
        )
    logs = [log(weight) for weight in each]

    def potential(sites: Sites) -> Array:
        values = [one(sites) - shift for one, shift in zip(energies, logs, strict=True)]
        return -_log_sum_exp(array_namespace(values[0]).stack([-value for value in values]))

    return Energy(potential)


class Labelled(Energy):
    """The energy of an image together with a code of its label; `labelled` makes it."""

    def __init__(self, network: Network, site: str, code: str, width: float) -> None:
        _check_network(network)
        _check_names((site, code))
        if site == code:
            raise ValueError(f"image and code must be two sites, got {site!r} for both.")
        if not _is_finite(width) or width <= 0:
            raise ValueError(f"width must be a number above 0, got {width!r}.")

        def potential(sites: Sites) -> Array:
            image, z = _of(sites, site), _of(sites, code)
            if z.ndim != 1:
                raise ValueError(
                    f"the code {code!r} must have one number for each label, shape (labels,) of a "
                    f"particle, got {tuple(z.shape)}."
                )
            return -_log_sum_exp(self._terms(image, z))

        super().__init__(potential)
        self._network, self._width = network, float(width)

    def _terms(self, image: Array, code: Array) -> Array:
        """Minus the energy for each label, [..., label], of one image or of many."""
        axes, labels = tuple(code.shape[:-1]), code.shape[-1]
        if tuple(image.shape[: len(axes)]) != axes:
            raise ValueError(
                f"there must be an image for each code, of shape {(*axes, '...')}, got "
                f"{tuple(image.shape)}."
            )
        batch = image.reshape((-1, *image.shape[len(axes) :]))
        energies = _energies_of(self._network, batch)
        expected = len(batch), labels
        if tuple(energies.shape) != expected:
            raise ValueError(
                f"the network must return an energy for each label, {expected} as images and codes "
                f"are shaped, got {tuple(energies.shape)}."
            )
        energies = energies.reshape(tuple(code.shape))
        # |z - e_y|^2 = |z|^2 - 2 z_y + 1.
        square = (code**2).sum(-1)[..., None] - 2 * code + 1
        return -energies - square / (2 * self._width**2)

    def label_probabilities(self, images: Array, codes: Array) -> Array:
        """Return the probability of each label given image and code, [..., label].

        A label drawn by it belongs to a draw from the joint density of image and label. There may
        be any axes in front, of draws or of chains and draws, the same of images and codes.
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
        minus its logits, and what grows far out, as ``(x**2).sum() / 2`` of an image: logits alone
        need not leave a density.
    site, code : str
        Names of the image's site and of the code's, whose shape is [label].
    width : float, default 0.5
        Of the codes, which are the square root of 2 apart: with .5 they touch, so that a chain
        goes from one to the next. Wider ones tell less of the label.

    Raises
    ------
    TypeError
        If the network is no function, or a site is not named.
    ValueError
        If `width` is not above 0, or there is one name for both sites; when called, if there is not
        an energy for each label, and as `energy`.

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
    _check_network(network)
    _check_names((site,))

    def gradient(sites: Sites) -> dict[str, Array]:
        image = _of(sites, site)
        others = {name: 0 * value for name, value in sites.items() if name != site}
        return others | {site: -_array(network(image[None]))[0]}

    return gradient


def _check_names(sites: Sequence[str]) -> None:
    if not sites or not all(isinstance(name, str) for name in sites):
        raise TypeError(
            f'name the sites that the network takes, as in energy(network, "image"), got {sites!r}.'
        )


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and isfinite(value)


def _check_energy(value: Any, done: str = "added to an energy") -> None:
    if not isinstance(value, Energy):
        raise TypeError(
            f"only energies can be {done}, got {value!r}; make one of a function of the sites with "
            'Energy(function), of a network over batches with energy(network, "image").'
        )


def _check_network(network: Any) -> None:
    if not callable(network):
        raise TypeError(
            f"network must be a function of a batch or a torch.nn.Module, got {network!r}; names "
            "of sites come after it."
        )


def _of(sites: Sites, name: str) -> Array:
    """The value of a site that a network takes."""
    if name not in sites:
        raise ValueError(
            f"a network takes the site {name!r}, and the state has {sorted(sites)}: name the sites "
            "as in init_params (NumPyro), initial_params (Pyro)."
        )
    return sites[name]


def _energies_of(network: Network, *batches: Array) -> Array:
    """What a network returns, if it is to be trusted with the test."""
    for part in _parts_in_training(network):
        # Batch norm goes through where nothing is random, and learns from batches of one.
        raise ValueError(
            f"{part} is in training mode, in which an energy is random or not an image's own: call "
            "network.eval() before sampling."
        )
    values = _array(network(*batches))
    if "float16" in str(values.dtype):
        # 8 or 11 binary digits: of an energy of 400 the last one is 2, or .25.
        raise ValueError(
            f"network returns {values.dtype}, in which differences of energies are lost; let its "
            "last layers, where they are summed, be of single precision."
        )
    return values


def _array(values: Any) -> Array:
    if not hasattr(values, "shape") or not hasattr(values, "dtype"):
        raise TypeError(
            f"network must return an array, got {type(values).__name__}; of several values take "
            "the one that is meant, as in lambda x: network(x)[0]."
        )
    return values


def _parts_in_training(network: Any) -> list[str]:
    """Kinds of layers of a Torch module that do something else in training, and are in it."""
    modules = getattr(network, "modules", None)
    if not callable(modules) or not hasattr(network, "training"):
        return []
    kinds = [type(part).__name__ for part in modules() if part.training]
    return [kind for kind in kinds if "Dropout" in kind or "BatchNorm" in kind]


def _log_sum_exp(values: Array) -> Array:
    """Log of the sum of exponentials over the last axis, without overflow."""
    xp = array_namespace(values)
    # Floored it has no gradient. That of a maximum compares values with it, and where a compiler
    # works them out twice, not to the same bit, none is the largest: 0 / 0.
    largest = xp.floor(xp.max(values, axis=-1))
    # Where all are -inf there is nothing to shift by.
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    return xp.log(xp.sum(xp.exp(values - largest[..., None]), axis=-1)) + largest
