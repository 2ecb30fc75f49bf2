"""Whether two commits draw the same, bit for bit: `python -m benchmarks.same_draws OLD [NEW]`."""
