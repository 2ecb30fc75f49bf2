"""Moments of what the particles have seen, and what they are worth (section 7)."""
