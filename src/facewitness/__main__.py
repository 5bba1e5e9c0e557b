"""``python -m facewitness``: the command, where it is not installed as one."""

from facewitness.cli import main

if __name__ == "__main__":
    main()
