"""Delighted's own API, so that programs made for it go on with another address."""
