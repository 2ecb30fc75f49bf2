"""All the randomness of a run, from one generator of its own."""

import torch
from torch import Tensor

from fhl_ppl.core.state import Draws


class Randomness:
    """Draws what each iteration needs.

    Parameters
    ----------
    like : Tensor [N, D]
        Positions; the draws get their shape, dtype and device.

    Attributes
    ----------
    generator : torch.Generator
        Seeded from Torch's global one, which ``pyro.set_rng_seed`` seeds: so the same seed gives
        the same draws, and a run repeated without a seed gives others.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> Randomness(torch.zeros(4, 2))().noise.shape
    torch.Size([4, 2])
    """

    def __init__(self, like: Tensor) -> None:
        seed = torch.randint(2**63 - 1, (), device="cpu")
        self.generator = torch.Generator(like.device).manual_seed(int(seed))
        self._like = like

    def __call__(self) -> Draws:
        """Return the draws of the next iteration, as tensors."""
        like, count = self._like, len(self._like)
        options = {"dtype": like.dtype, "device": like.device, "generator": self.generator}
        noise = torch.randn(like.shape, **options)
        role, accept, strength = torch.rand((3, count), **options).unbind()
        return Draws(noise, role, accept, strength)
