"""Run the command by ``python -m slic``, ``accelerate launch -m slic`` or ``torchrun -m slic``."""

from slic.cli import main

if __name__ == "__main__":
    main()
