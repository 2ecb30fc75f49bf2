"""Where the chains of `fhl_ppl.pyro.MCMC` start."""

import pytest
import torch

from fhl_ppl.pyro import FHL
from tests.pyro.many_chains import CHAINS, assert_same, draws, made, ran
from tests.pyro.small import gaussian


class TestInitialParams:
    def first(self, **options):
        """Where the chains stand before the first iteration."""
        mcmc = ran(num_samples=0, warmup_steps=0, **options)
        return mcmc._chains.problem.layout.unflatten(mcmc._chains.position)

    def test_one_for_each_chain(self):
        start = {"mu": torch.arange(float(CHAINS)), "scale": torch.zeros(CHAINS, 2)}
        assert_same(self.first(initial_params=start), start)

    def test_one_for_all_chains(self):
        start = {"mu": torch.tensor(2.0), "scale": torch.tensor([0.5, -0.5])}
        found = self.first(initial_params=start)
        assert_same(found, {k: v.expand(CHAINS, *v.shape) for k, v in start.items()})

    def test_one_for_one_chain(self):
        start = {"mu": torch.tensor(2.0), "scale": torch.zeros(2)}
        found = self.first(initial_params=start, num_chains=1)
        assert_same(found, {k: v[None] for k, v in start.items()})

    def test_of_a_potential_for_one_chain(self):
        start = {"x": torch.ones(2)}
        mcmc = made(FHL(potential_fn=gaussian), 3, 3, 1, initial_params=start)
        mcmc.run()
        assert draws(mcmc)["x"].shape == (1, 3, 2)

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            ({"mu": torch.zeros(CHAINS)}, r"a dict with sites \['mu', 'scale'\], got \['mu'\]"),
            ({"mu": torch.zeros(4), "scale": torch.zeros(4, 2)}, "or of 6 with that number"),
            ({"mu": torch.zeros(6), "scale": torch.zeros(6, 3)}, r"must have a shape that ends"),
            (
                {"mu": torch.tensor([0, 0, 0, torch.nan, 0, 0]), "scale": torch.zeros(6, 2)},
                "particle 3 must have finite potential and gradient: latent site 'mu'",
            ),
        ],
    )
    def test_bad_ones_are_named(self, start, message):
        with pytest.raises(ValueError, match=message):
            ran(initial_params=start)

    def test_a_potential_needs_them(self):
        with pytest.raises(ValueError, match="initial_params must be given with potential_fn"):
            made(FHL(potential_fn=gaussian)).run()
        short = {"x": torch.zeros(CHAINS - 1, 2)}
        with pytest.raises(ValueError, match=r"initial_params\['x'\] must have 6 particles"):
            made(FHL(potential_fn=gaussian), initial_params=short).run()
