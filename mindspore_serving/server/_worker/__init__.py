"""One worker process: loads a servable, runs its stages, and answers over shared memory. Started by the master."""
