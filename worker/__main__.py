"""``python -m worker`` is the command ``perennial``."""

from worker.cli.main import main

if __name__ == "__main__":
    main()
