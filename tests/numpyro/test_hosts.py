"""Two processes under `jax.distributed`: together the draws of one that has the devices of both."""

import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import importorskip
from tests.pages import ROOT

jax = importorskip("jax")
importorskip("numpyro")
importorskip("arviz")
importorskip("zarr")

from jax.sharding import Mesh

from tests.numpyro import two_hosts

PATIENCE = 300
"""Seconds."""


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What either has."""
    folder, port = tmp_path_factory.mktemp("hosts"), str(free_port())
    flags = re.sub(r"--xla_force_host_platform_device_count=\d+", "", os.environ["XLA_FLAGS"])
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.numpyro.two_hosts"),
                *(folder / f"{index}.npz", str(index), "2", port),
            ],
            cwd=ROOT,
            env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    try:
        said = [each.communicate(timeout=PATIENCE)[0] for each in started]
    finally:
        for each in started:
            each.kill()
    assert [each.returncode for each in started] == [0, 0], "\n".join(said)
    return [dict(np.load(folder / f"{index}.npz")) for index in range(2)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one process has that has both devices."""
    with jax.enable_x64(True):
        mesh = Mesh(np.array(jax.devices()[:2]), ("chains",))
        return two_hosts.found(mesh, tmp_path_factory.mktemp("one") / "run.store")


@pytest.mark.parametrize("name", ["draws", "twice", "last"])
def test_each_process_has_the_draws_of_its_own_particles(processes, one, name):
    together = np.concatenate([each[name] for each in processes])
    np.testing.assert_allclose(together, one[name], rtol=0, atol=1e-10)


def test_moments_and_what_is_asked_of_the_draws_are_those_of_all_particles(processes, one):
    for each in processes:
        np.testing.assert_allclose(each["table"], one["table"], rtol=1e-8)
        np.testing.assert_allclose(each["least_ess"], one["least_ess"], rtol=1e-8)
        assert each["draws_in_all"] == 100


def test_moments_are_right_after_a_warm_up_of_all(one):
    mean, sd, mcse = one["table"][:, :3].T
    # Two means of unit prior variance, of whose sum there are ten observations.
    variance = np.linalg.inv(np.eye(2) + 10 * np.ones((2, 2)))
    exact = variance @ np.full(2, two_hosts.DATA.sum())
    # Of 8 groups an error has 7 degrees of freedom: 7 of them are exceeded once in 5,000.
    assert (np.abs(mean[:2] - exact) < 7 * mcse[:2]).all()
    np.testing.assert_allclose(sd[:2], np.diag(variance) ** 0.5, rtol=0.25)


def test_draws_of_a_process_are_stored_and_summarised(processes):
    for each in processes:
        np.testing.assert_array_equal(each["stored"], each["draws"])
        np.testing.assert_array_equal(each["summarised"], each["draws"])
