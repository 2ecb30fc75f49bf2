"""Read a NumPyro model: where to start, its potential, and the force that moves particles."""
