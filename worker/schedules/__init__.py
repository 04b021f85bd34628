"""Schedules: TOML in, a checked model out, a pinned version that runs; and calendars."""
