"""Mails as text: what a template may see, what it may do, and what becomes of it.

``context`` is what a template sees, ``formats`` how values read in a language, ``grammar`` and
``sandbox`` what a template may do, ``render`` makes the three parts, ``mime`` the message,
``check`` finds what is wrong before a client does.
"""
