"""What the running system tells its keepers: logs and figures."""
