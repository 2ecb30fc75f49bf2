"""All the randomness of a run, from one generator of its own."""

from typing import Any

import torch
from torch import Tensor

from fhl_ppl.core.moves import UNIFORMS
from fhl_ppl.core.search.bounds import places_of
from fhl_ppl.core.search.ends import DRAWS
from fhl_ppl.core.state import Draws
from fhl_ppl.pyro.run.arrays import TensorArrays

_LONGEST_BLOCK = 256
_MOST_NUMBERS = 2**17


class Randomness:
    """Draws what each iteration needs, for a block of iterations at a time.

    Parameters
    ----------
    like
        Positions [N, D]; the draws get their shape, dtype and device.
    arrays
        What to hand out.
    more
        Uniform numbers of each particle beyond those that moves ask for; the last of `Draws.extra`.

    Attributes
    ----------
    generator
        Seeded from Torch's global one, which ``pyro.set_rng_seed`` seeds: so the same seed gives
        the same draws, and a run repeated without a seed gives others.
    block
        Draws of the present block, each a tensor with a leading axis of iterations.
    used
        How many iterations of the block have been handed out.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> Randomness(torch.zeros(4, 2), TensorArrays())().noise.shape
    torch.Size([4, 2])
    """

    def __init__(self, like: Tensor, arrays: TensorArrays, more: int = 0) -> None:
        seed = torch.randint(2**63 - 1, (), device="cpu")
        self.generator = torch.Generator(like.device).manual_seed(int(seed))
        self._like = like
        self._arrays = arrays
        self._uniforms = 3 + UNIFORMS + more
        self._refill()

    def __call__(self) -> Draws:
        """Return the draws of the next iteration."""
        if self.used == len(self._rows):
            self._refill()
        self.used += 1
        return self._rows[self.used - 1]

    def state_dict(self) -> dict[str, Any]:
        """Return what the draws to come depend on."""
        return {"generator": self._before_block, "draws_used": self.used}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.generator.set_state(state_dict["generator"])
        self._refill()
        self.used = state_dict["draws_used"]

    def _refill(self) -> None:
        self._before_block = self.generator.get_state()
        self.block = self._new_block()
        arrays = (self._arrays.array(tensor) for tensor in self.block if tensor is not None)
        self._rows = [Draws(*row) for row in zip(*arrays, strict=True)]
        self.used = 0

    def _new_block(self) -> Draws:
        like = self._like
        options = {"dtype": like.dtype, "device": like.device, "generator": self.generator}
        rows = self._uniforms
        length = min(_LONGEST_BLOCK, max(1, _MOST_NUMBERS // (like.numel() + rows * len(like))))
        noise = torch.randn((length, *like.shape), **options)
        uniform = torch.rand((rows, length, len(like)), **options)
        role, accept, strength = uniform[:3].unbind()
        return Draws(noise, role, accept, strength, uniform[3:].permute(1, 2, 0))


def draw_of_search(position: Tensor, turns: int) -> tuple[Tensor, Tensor]:
    """Noise and uniform numbers of a search for better starts than `position` [N, D]."""
    places, dim = turns * places_of(len(position)), position.shape[1]
    options: dict[str, Any] = {"dtype": position.dtype, "device": position.device}
    noise = torch.randn((DRAWS, places, dim), **options)
    uniform = torch.rand((places, dim + DRAWS), **options)
    return noise, uniform.clamp(min=torch.finfo(position.dtype).tiny)
