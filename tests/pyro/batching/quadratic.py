"""A quadratic potential and others that build on it, and points of one site."""

import torch

from fhl_ppl.pyro.model.layout import SiteLayout

LAYOUT = SiteLayout({"x": torch.zeros(2, dtype=torch.float64)})
POINTS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]], dtype=torch.float64)


def quadratic(sites):
    return (sites["x"] ** 2).sum() / 2


def halved(sites):
    return {"x": sites["x"] / 2}


def cholesky(sites):
    a = sites["x"][0]
    matrix = torch.stack([torch.stack([a, a * 0 + 0.2]), torch.stack([a * 0 + 0.2, a])])
    return torch.linalg.cholesky(matrix).diagonal().log().sum() + quadratic(sites)
