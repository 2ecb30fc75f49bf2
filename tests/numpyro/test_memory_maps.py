"""Programs that nobody needs are forgotten before Linux ends the process."""

import warnings

import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

from fhl_ppl.numpyro import memory_maps


@pytest.fixture
def files(monkeypatch, tmp_path):
    """A process with 100 maps, of 100,000."""
    maps, most = tmp_path / "maps", tmp_path / "max_map_count"
    maps.write_text("a map\n" * 100)
    most.write_text("100000\n")
    monkeypatch.setattr(memory_maps, "MAPS", maps)
    monkeypatch.setattr(memory_maps, "MOST", most)
    return maps, most


def test_nothing_is_forgotten_while_there_is_room(files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memory_maps.make_room()


def test_without_room_programs_are_forgotten_and_it_is_said(files):
    files[1].write_text("150\n")
    program = jax.jit(lambda x: 2 * x)
    program(1.0)
    assert program._cache_size() == 1
    with pytest.warns(UserWarning, match=r"100 of the 150 memory maps.*reuse an `MCMC` object"):
        memory_maps.make_room()
    assert program._cache_size() == 0
    assert program(1.0) == 2.0


def test_other_systems_are_left_alone(files):
    files[0].unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memory_maps.make_room()
