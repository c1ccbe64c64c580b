"""`python -m jpegrescue` is the same as the console script."""

from jpegrescue.cli.app import main

if __name__ == "__main__":
    main()
