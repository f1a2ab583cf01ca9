"""Run the command: ``slic``, ``python -m slic``, ``accelerate launch -m slic``, ``torchrun``."""

from slic.signals import end_at_signals


def run() -> None:
    """Run the command, and end with one line at a signal also while modules load."""
    end_at_signals()
    from slic.cli import main  # only now: it takes a while

    main()


if __name__ == "__main__":
    run()
