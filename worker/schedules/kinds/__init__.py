"""The kinds of steps, as they stand in a file: the keys of each, and what is wrong with them.

What a step does when its moment has come stands in ``cadence/kinds``, under the same name.
"""
