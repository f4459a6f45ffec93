"""``python -m blinkspot`` is the command ``blinkspot``."""

from blinkspot.cli import main

if __name__ == "__main__":
    main()
