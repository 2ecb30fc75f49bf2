"""Replicas at higher temperatures, which exchange places with the draws (section 13)."""
