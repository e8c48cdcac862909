"""Run the command line as ``python -m switchmaster``."""

from switchmaster.cli import main

if __name__ == "__main__":
    main()
