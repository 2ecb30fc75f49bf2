"""Size and speed of the compiled NumPyro iteration: `python -m benchmarks.program OLD [NEW]`."""
