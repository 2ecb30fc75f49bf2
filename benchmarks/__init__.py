"""Measurements of speed and correctness; see docs/benchmarks.md."""
