"""Figures about the work, read from the rows of every slice; nothing here writes."""
