"""Runs in blocks: stopped when they are good, watched, kept on disk. Knows no backend."""
