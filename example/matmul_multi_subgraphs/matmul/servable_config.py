"""The servable `matmul`: one model of two graphs, which a Python function calls one after the other."""

from mindspore_serving.server import register

# The files are the subgraphs 0 and 1 of one model.
model = register.declare_model(
    model_file=["matmul_0.mindir", "matmul_1.mindir"], model_format="MindIR", with_batch_dim=False
)


def both_products(x):
    """One instance: what subgraph 0 gives goes into subgraph 1."""
    y = model.call(x)  # subgraph=0 is the default
    z = model.call(y, subgraph=1)
    return y, z


def both_products_of_all(instances):
    """All instances at hand: each call takes a list of instances, each a list of the graph's inputs."""
    hidden = model.call([[x] for (x,) in instances], subgraph=0)
    return [z for (z,) in model.call(hidden, subgraph=1)]


@register.register_method(output_names=["y", "z"])
def predict(x):
    """x @ w0, and (x @ w0) @ w1 + 1"""
    y, z = register.add_stage(both_products, x, outputs_count=2)
    return y, z


@register.register_method(output_names=["z"])
def predict_batch(x):
    """(x @ w0) @ w1 + 1, with up to eight instances in each call of the function"""
    z = register.add_stage(both_products_of_all, x, outputs_count=1, batch_size=8)
    return z
