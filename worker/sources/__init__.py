"""Ways in. A source yields rows with their place; it knows nothing of the book.

To add one: write a file with a class like those here, and add it to ``KINDS`` in ``table.py``.
"""
