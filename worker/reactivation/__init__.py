"""Reactivation: who falls silent, what is at stake and why, from orders alone."""
