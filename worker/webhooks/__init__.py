"""Calls to other systems: decided on by a schedule, signed, repeated until they are answered."""
