"""``python -m slic`` is the command, also under ``accelerate launch -m slic`` and ``torchrun``."""

from slic.cli import main

if __name__ == "__main__":
    main()
