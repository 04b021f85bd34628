"""Real processes on real servers against a provider that misbehaves, killed again and again."""
