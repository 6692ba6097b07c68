"""`python -m streamer` is the command `streamer`."""

from streamer.interrupts import ending_silently


def main() -> None:
    """The command line."""
    with ending_silently():
        from streamer.cli import main as run_command
    run_command()


if __name__ == "__main__":
    main()
