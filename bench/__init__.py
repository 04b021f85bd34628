"""What is measured, with its floors in the same run: ``python -m bench [name …] [--quick]``."""
