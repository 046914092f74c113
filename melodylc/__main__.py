"""``python -m melodylc`` is the console script ``melodylc``."""

from melodylc.cli.main import main

if __name__ == "__main__":
    main()
