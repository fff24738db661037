"""`python -m resablate`."""

from resablate.commands.cli import main

main()
