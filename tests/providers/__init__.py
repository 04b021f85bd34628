"""Providers that misbehave on purpose, and one that does not: what channels are tried against."""
