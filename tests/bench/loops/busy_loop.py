"""Reference: the function of the servable `busy` in a bare loop.

Usage: busy_loop.py TURNS
"""

import sys

from timed_loop import serve


def count_down(turns):
    left = turns
    while left:
        left -= 1


if __name__ == "__main__":
    turns = int(sys.argv[1])
    serve(lambda: count_down(turns))
