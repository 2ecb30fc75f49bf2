import pytest
import torch


@pytest.fixture(scope="module")
def float64():
    """Double precision, where nothing says otherwise."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
