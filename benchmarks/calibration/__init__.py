"""Simulation-based calibration: whether posteriors are right, whatever the truth."""
