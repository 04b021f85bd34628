"""Perennial: watches expiry dates, sends each client the right reminder, and can say why."""

__version__ = "0.1.0"
