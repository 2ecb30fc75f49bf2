"""The flat layout of a model's sites: dict of site tensors <-> one vector per particle."""

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from fhl_ppl.arguments import shown


def as_real(name: str, value: Any) -> Tensor:
    """Return what `name` was given as a tensor of real numbers, if it is that.

    Raises
    ------
    TypeError
        If it is not.

    Examples
    --------
    >>> as_real("initial_params['x']", [1, 2])
    tensor([1, 2])
    """
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        tensor = None
    if tensor is None or tensor.is_complex():
        raise TypeError(f"{name} must be a tensor of real numbers, got {shown(value)}")
    return tensor


class NothingToSample(ValueError):
    """All sites of a model are observed, enumerated or deterministic."""


class SiteLayout:
    """Where each unconstrained site lies in a flat position vector.

    Both directions are plain, functional Torch operations: they work under ``torch.func.vmap`` and
    ``torch.func.grad``, for one particle (``[D]``) as well as for many (``[N, D]``).

    Parameters
    ----------
    prototype
        One particle's unconstrained sites: their names, order, shapes, dtypes and device.

    Attributes
    ----------
    shapes
        The shape of every site, in the order of the flat vector.
    size
        D, the length of the flat vector.
    dtype, device
        Of the flat vector. Sites of several floating dtypes share their promoted dtype; each gets
        its own back in `unflatten`.

    Raises
    ------
    NothingToSample
        If there is no site.
    ValueError
        If a site is no floating-point tensor, or sites lie on several devices.

    Examples
    --------
    >>> import torch
    >>> layout = SiteLayout({"mu": torch.tensor(0.0), "theta": torch.zeros(3)})
    >>> layout.size, layout.slices()["theta"]
    (4, slice(1, 4, None))
    >>> sites = layout.unflatten(torch.arange(8.0).reshape(2, 4))
    >>> sites["mu"].shape, sites["theta"].shape
    (torch.Size([2]), torch.Size([2, 3]))
    >>> layout.flatten(sites).tolist()
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    """

    def __init__(self, prototype: Mapping[str, Tensor]) -> None:
        if not prototype:
            raise NothingToSample(
                "there is nothing to sample: the model has no continuous latent site "
                "(every site is observed, enumerated or deterministic)"
            )
        for name, value in prototype.items():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            if kind not in (torch.float32, torch.float64):
                raise ValueError(
                    f"site {name!r} must be a tensor of float32 or float64, got {kind}; convert "
                    "the parameters of its distribution, say by .float()"
                )
        if not any(value.numel() for value in prototype.values()):
            shapes = {name: tuple(value.shape) for name, value in prototype.items()}
            raise ValueError(
                f"there is nothing to sample: all continuous latent sites are empty, {shapes}; "
                "check the sizes that the model takes from its data"
            )
        devices = {name: value.device for name, value in prototype.items()}
        if len(set(devices.values())) > 1:
            raise ValueError(
                f"all sites must lie on one device, got {devices}; move the model's data and "
                "parameters to the same device"
            )
        self.shapes = {name: value.shape for name, value in prototype.items()}
        self.device = next(iter(devices.values()))
        self._dtypes = {name: value.dtype for name, value in prototype.items()}
        self._sizes = [prod(shape) for shape in self.shapes.values()]
        self.size = sum(self._sizes)
        self.dtype = next(iter(self._dtypes.values()))
        for dtype in self._dtypes.values():
            self.dtype = torch.promote_types(self.dtype, dtype)

    def slices(self) -> dict[str, slice]:
        """Return where each site lies in the last axis of a flat position."""
        result, start = {}, 0
        for name, size in zip(self.shapes, self._sizes, strict=True):
            result[name] = slice(start, start + size)
            start += size
        return result

    def unflatten(self, position: Tensor) -> dict[str, Tensor]:
        """Split flat positions ``[..., D]`` into sites of shapes ``[..., *site shape]``."""
        batch = position.shape[:-1]
        # One split and not one slice a site: its gradient is one concatenation, whereas each slice
        # would write a full vector of zeros.
        parts = torch.split(position, self._sizes, dim=-1)
        return {
            name: part.reshape(batch + self.shapes[name]).to(self._dtypes[name])
            for name, part in zip(self.shapes, parts, strict=True)
        }

    def flatten(self, sites: Mapping[str, Tensor], origin: str = "sites") -> Tensor:
        """Join sites of shapes ``[..., *site shape]`` into flat positions ``[..., D]``.

        Raises
        ------
        ValueError
            If a site is missing, unknown, or of the wrong shape; the message calls them `origin`.
        """
        if not isinstance(sites, Mapping) or set(sites) != set(self.shapes):
            got = sorted(sites) if isinstance(sites, Mapping) else type(sites).__name__
            raise ValueError(f"{origin} must be a dict with sites {list(self.shapes)}, got {got}")
        parts = []
        for name, shape in self.shapes.items():
            value = as_real(f"{origin}[{name!r}]", sites[name]).to(self.device)
            batch = value.shape[: value.dim() - len(shape)]
            if value.shape != batch + shape:
                raise ValueError(
                    f"{origin}[{name!r}] must have a shape that ends in {tuple(shape)}, "
                    f"got {tuple(value.shape)}"
                )
            parts.append(value.to(self.dtype).reshape((*batch, prod(shape))))
        if len({part.shape[:-1] for part in parts}) > 1:
            shapes = {name: tuple(sites[name].shape) for name in self.shapes}
            raise ValueError(
                f"{origin} must have the same leading axes (particles) at every site, got {shapes}"
            )
        return torch.cat(parts, dim=-1)
