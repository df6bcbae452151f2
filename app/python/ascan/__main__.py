"""`python -m ascan`: the program of this environment."""

from .program import main

main()
