"""Reference: the body of a RESTful request, decoded by Python's json and made an array of.

Usage: json_loop.py FILE
"""

import json
import sys
from pathlib import Path

import numpy as np
from timed_loop import serve

if __name__ == "__main__":
    body = Path(sys.argv[1]).read_bytes()
    serve(lambda: np.array(json.loads(body)["instances"][0]["x"], np.float32))
