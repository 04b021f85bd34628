"""Signed links: what clients hold instead of a login."""
