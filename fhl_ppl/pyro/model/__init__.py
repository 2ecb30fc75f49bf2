"""Read a Pyro model: its sites, where to start, and the functions of one particle."""
