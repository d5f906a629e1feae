"""Start the command line: ``python -m cli``."""

from cli.main import cli

if __name__ == "__main__":
    cli(prog_name="python -m cli")
