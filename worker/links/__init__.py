"""Signed links: one purpose, one subject, an end, keys that rotate."""
