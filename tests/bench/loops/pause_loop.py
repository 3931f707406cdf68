"""Reference: the batch function of the servable `pause` in a bare loop, with as many instances a call as given.

Usage: pause_loop.py INSTANCES
"""

import sys
import time

import numpy as np
from timed_loop import serve


def pause(instances):
    time.sleep(0.005)
    return [(x,) for (x,) in instances]


if __name__ == "__main__":
    batch = tuple((np.ones((2, 2), np.float32),) for _ in range(int(sys.argv[1])))
    serve(lambda: pause(batch))
