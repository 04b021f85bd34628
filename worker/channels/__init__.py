"""Ways out. A channel takes one mail for one address and says surely what became of it.

To add one: write a file with a class like ``folder.FolderChannel`` and add it to ``KINDS`` in
``table.py``; the conformance tests pick it up from there.
"""
