import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")
from benchmarks import estimators, evidence, evidence_peers
from benchmarks.estimators.interface import Found


def test_a_row_has_what_was_found_and_what_it_took(monkeypatch):
    target = evidence.TARGETS["double well"]
    truth = target.log_evidence

    def build(target):
        return lambda seed: Found(truth + 0.1 * (-1) ** seed, 0.1, seed == 0, 3000)

    monkeypatch.setattr(estimators, "load", lambda name: build)
    found, seconds = evidence_peers.measure("fhl", target, 2)
    assert len(seconds) == 2
    told = evidence_peers.row(found, [9.0, 1.0], truth).split(" | ")
    assert told[0] == "2"
    assert told[3:] == ["0.1000", "0.00", "1.41", "0.1000", "50%", "0", "3", "1.0"]


# Neither library is among what the tests install.
def test_nested_sampling_of_a_target_is_right_to_within_its_error():
    pytest.importorskip("jaxns")
    from benchmarks.estimators import nested

    target = evidence.TARGETS["double well"]
    with jax.enable_x64(True):
        found = nested.build(target)(0)
    assert abs(found.value - target.log_evidence) < 4 * found.error
    assert found.evaluations > 1000
    assert not found.is_warned


def test_the_harmonic_mean_of_draws_of_a_gaussian_is_its_evidence(rng):
    pytest.importorskip("harmonic")
    from benchmarks.estimators import harmonic_mean

    position = rng.normal(size=(16, 500, 2))
    density = -(position**2).sum(-1) / 2
    value, error, passes = harmonic_mean.estimate(position, density, seed=0)
    assert abs(value - np.log(2 * np.pi)) < 5 * error < 0.2
    assert passes
