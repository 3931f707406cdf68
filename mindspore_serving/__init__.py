"""MindSpore Serving: `mindspore_serving.server` serves models, `mindspore_serving.client` calls them.

Importing this package imports neither of them, starts nothing and reads no command line.
"""
