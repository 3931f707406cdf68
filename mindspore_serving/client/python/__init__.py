"""Where the original kept its Python client; programs import `mindspore_serving.client.python.client`."""
