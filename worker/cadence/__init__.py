"""The engine: walks, the pure plan, and what can be seen ahead of time."""
