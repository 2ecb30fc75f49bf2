"""A run of `fhl_ppl.pyro.MCMC` that was interrupted goes on as if it had not been."""

import io

import numpy as np
import pyro
import pyro.infer
import pytest
import torch

from fhl_ppl.pyro import FHL
from fhl_ppl.pyro.run.engine import Engine
from tests.pyro.many_chains import CHAINS, DATA, assert_same, draws, made, ran
from tests.pyro.small import gaussian, model, noisy

KERNELS = {
    "default": {},
    "joint": {"coupling": "joint"},
    "pulled": {"pulling_strength": 0.5},
    "diagonal": {"dense_mass": False, "num_steps": 3},
    "low rank": {"dense_mass": "low_rank"},
    "noisy": {"gradient_fn": noisy, "noisy_gradient": True},
}


class TestResume:
    """A run that is saved, and continued by another object, is the run without interruption."""

    def run(self, settings, num_samples, state=None, hook=None, runs=None):
        starts = {"x": torch.linspace(-1.0, 1.0, 2 * CHAINS).reshape(CHAINS, 2)}
        kernel = FHL(potential_fn=gaussian, **settings)
        mcmc = made(kernel, num_samples, 40, initial_params=starts, hook_fn=hook)
        if state is not None:
            mcmc.load_state_dict(state)
        if runs is not None:
            runs.append(mcmc)
        mcmc.run()
        return mcmc

    def saved(self, state):
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)

    def halves(self, settings, at):
        """The draws of a whole run, and of one interrupted after so many iterations."""
        states, runs = [], []

        def hook(kernel, sites, stage, i):
            if i + 1 + (40 if stage == "Sample" else 0) == at:
                states.append(self.saved(runs[0].state_dict()))

        pyro.set_rng_seed(3)
        whole = self.run(settings, 20, hook=hook, runs=runs)
        # Another seed: all randomness has to come out of the state.
        pyro.set_rng_seed(99)
        left = min(20, 60 - at)
        resumed = self.run(settings, left, states[0])
        return draws(whole)["x"][:, 20 - left :], draws(resumed)["x"], whole, resumed

    @pytest.mark.parametrize("at", [7, 40, 52])
    @pytest.mark.parametrize("name", KERNELS)
    def test_bit_for_bit(self, name, at):
        expected, found, whole, resumed = self.halves(KERNELS[name], at)
        np.testing.assert_array_equal(found, expected)
        one, other = whole.state_dict(), resumed.state_dict()
        assert one["iteration"] == other["iteration"] == 60
        np.testing.assert_array_equal(one["generator"], other["generator"])

    @pytest.mark.parametrize("lost", ["generator", "learnt", "particles"])
    def test_an_incomplete_state_would_be_seen(self, monkeypatch, lost):
        complete = Engine.load_state_dict

        def forgetful(self, state_dict):
            own = self.state_dict()
            complete(self, {**state_dict, lost: own[lost]})

        monkeypatch.setattr(Engine, "load_state_dict", forgetful)
        expected, found, *_ = self.halves({}, 30)
        with pytest.raises(AssertionError):
            np.testing.assert_array_equal(found, expected)

    def test_the_same_object_goes_on(self):
        pyro.set_rng_seed(0)
        whole = made(num_samples=24)
        whole.run(DATA)
        pyro.set_rng_seed(0)
        parts = made(num_samples=12)
        parts.run(DATA)
        first = draws(parts)
        parts.load_state_dict(parts.state_dict())
        parts.run(DATA)
        both = {name: torch.cat([first[name], draws(parts)[name]], 1) for name in first}
        assert_same(both, draws(whole))
        # It holds for one run only; the next one starts anew.
        parts.run(DATA)
        assert parts._chains.engine.iteration == 15 + 12

    def test_a_state_of_another_run_is_refused(self):
        state = ran(num_samples=2).state_dict()
        dense = ran(num_samples=2, kernel=FHL(model, charts=False)).state_dict()
        for settings, message in (
            ({"num_chains": 4}, "num_particles=6, this one has 4"),
            ({"warmup_steps": 14}, "warmup_steps=15, this one has 14"),
            ({"kernel": FHL(model, coupling="joint")}, "coupling='alternate', this .* 'joint'"),
            ({"kernel": FHL(model, group_size=2)}, "group_size=4, this one has 2"),
            ({"kernel": FHL(potential_fn=gaussian)}, "sites="),
            (
                {"kernel": FHL(model, dense_mass=False, charts=False)},
                r"shape \(3, 3\), and this run's \(3,\)",
            ),
        ):
            other = made(**settings)
            if other.kernel.model is None:
                other._initial_params = {"x": torch.zeros(CHAINS, 2)}
            other.load_state_dict(dense if "shape" in message else state)
            with pytest.raises(ValueError, match=message):
                other.run(*([DATA] if other.kernel.model else []))

    @pytest.mark.parametrize(
        ("state", "error", "message"),
        [
            (None, TypeError, "state_dict must be what .* returned, got None"),
            ("run.pt", TypeError, "state_dict must be what .* returned, got 'run.pt'"),
            ({}, ValueError, "state_dict has version None, and only 1 can be read"),
            ({"version": 2}, ValueError, "state_dict has version 2, and only 1 can be read"),
        ],
    )
    def test_what_is_no_state_is_refused_at_once(self, state, error, message):
        with pytest.raises(error, match=message):
            made().load_state_dict(state)

    def test_half_a_state_is_refused(self):
        state = ran(num_samples=2).state_dict()
        del state["learnt"], state["generator"]
        other = made()
        other.load_state_dict(state)
        with pytest.raises(ValueError, match=r"lacks \['generator', 'learnt'\]"):
            other.run(DATA)


def test_an_interrupted_run_can_be_saved():
    def hook(kernel, sites, stage, i):
        if (stage, i) == ("Sample", 2):
            raise KeyboardInterrupt

    mcmc = made(hook_fn=hook)
    pyro.set_rng_seed(0)
    with pytest.raises(KeyboardInterrupt):
        mcmc.run(DATA)
    assert mcmc.state_dict()["iteration"] == 15 + 3
    resumed = made(num_samples=9)
    resumed.load_state_dict(mcmc.state_dict())
    resumed.run(DATA)
    whole = draws(ran())
    assert_same(draws(resumed), {k: v[:, 3:] for k, v in whole.items()})
    # The draws so far are there, with statistics that fit.
    assert_same(draws(mcmc), {k: v[:, :3] for k, v in whole.items()})
    assert mcmc.diagnostics()["energy"].shape == (CHAINS, 3)
