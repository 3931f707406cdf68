"""The master: it lives in the user's process, starts and watches the workers, and owns both public end points.

Imported with the first server call and never by a worker.
"""
