"""Clock, dates, keys and errors: what every room may use. Standard library only."""
