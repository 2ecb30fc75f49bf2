"""How long each replication runs, in either library."""

CHAINS, WARMUP, DRAWS = 8, 400, 400
KEPT = 13
"""Draws of each chain that are ranked: far enough apart to be nearly independent."""
