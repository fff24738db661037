"""`python -m resablate`."""

from resablate.cli import main

main()
