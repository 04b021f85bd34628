"""What a step can do. To add a kind: a file like ``task.py``, a line in ``table.py``, and its keys
in the schedule's model."""
