import numpy as np
import pytest
import torch

from fhl_ppl.pyro.model.layout import SiteLayout

PROTOTYPE = {"b": torch.zeros(2, 3), "a": torch.tensor(0.0), "c": torch.zeros(1)}


@pytest.mark.parametrize("batch", [(), (5,), (2, 5)])
def test_there_and_back(batch):
    layout = SiteLayout(PROTOTYPE)
    position = torch.randn(*batch, 8)
    sites = layout.unflatten(position)
    assert list(sites) == ["b", "a", "c"]
    assert sites["b"].shape == (*batch, 2, 3)
    np.testing.assert_array_equal(layout.flatten(sites), position)
    for name, where in layout.slices().items():
        np.testing.assert_array_equal(sites[name].reshape(*batch, -1), position[..., where])


def test_works_under_vmap_and_grad():
    layout = SiteLayout(PROTOTYPE)

    def norm(q):
        return sum((value**2).sum() for value in layout.unflatten(q).values())

    position = torch.randn(4, 8)
    np.testing.assert_allclose(torch.func.vmap(torch.func.grad(norm))(position), 2 * position)
    back = torch.func.vmap(lambda q: layout.flatten(layout.unflatten(q)))(position)
    np.testing.assert_array_equal(back, position)


def test_every_site_keeps_its_dtype():
    layout = SiteLayout({"x": torch.zeros(2), "y": torch.zeros(1, dtype=torch.float64)})
    assert layout.dtype == torch.float64
    sites = layout.unflatten(torch.zeros(3, 3, dtype=torch.float64))
    assert (sites["x"].dtype, sites["y"].dtype) == (torch.float32, torch.float64)
    assert layout.flatten(sites).dtype == torch.float64


@pytest.mark.parametrize(
    ("prototype", "message"),
    [
        ({}, "nothing to sample"),
        (
            {"k": torch.tensor(1)},
            "site 'k' must be a tensor of float32 or float64, got torch.int64",
        ),
        ({"k": 1.0}, "site 'k' must be a tensor of float32 or float64, got float"),
        ({"x": torch.zeros(1), "m": torch.zeros(1, device="meta")}, "on one device"),
    ],
)
def test_bad_prototypes_are_named(prototype, message):
    with pytest.raises(ValueError, match=message):
        SiteLayout(prototype)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ({"x": torch.zeros(2)}, r"start must be a dict with sites \['x', 'y'\], got \['x'\]"),
        ({"x": torch.zeros(2), "y": torch.zeros(3)}, "same leading axes"),
        ({"x": torch.zeros(3), "y": torch.tensor(0.0)}, r"start\['x'\] must have a shape"),
    ],
)
def test_bad_sites_are_named(sites, message):
    layout = SiteLayout({"x": torch.zeros(2), "y": torch.tensor(0.0)})
    with pytest.raises(ValueError, match=message):
        layout.flatten(sites, "start")
