"""Follow Hamiltonian Leader: gradient- and energy-guided MCMC kernels for NumPyro and Pyro."""

__version__ = "0.1.0"
