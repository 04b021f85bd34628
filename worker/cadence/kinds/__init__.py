"""What a step does. To add a kind: a file like ``task.py`` here, its keys in a file of the same
name in ``schedules/kinds``, and a line in the table there."""
