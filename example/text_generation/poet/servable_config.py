"""The servable `poet`: continues a sentence, calling its model once for every new word."""

from pathlib import Path

import numpy as np

from mindspore_serving.server import register

from .tokenizer import END_TOKEN, PADDING, Tokenizer, padding

LENGTH = 16  # tokens that the model sees, as exported
NEVER_WRITTEN = 3  # the first special tokens: padding, unknown, start

model = register.declare_model(model_file="poet.mindir", model_format="MindIR", with_batch_dim=True)
tokenizer = Tokenizer.of_file(Path(__file__).parent / "vocabulary.txt")


def calc_new_token(probabilities):
    """The most probable word."""
    return NEVER_WRITTEN + int(np.argmax(probabilities[NEVER_WRITTEN:]))


def model_inputs(token_ids):
    """One instance for the model: the tokens, and a mask that is 1 where there is one."""
    input_ids = padding(token_ids, LENGTH)
    return input_ids, (input_ids != PADDING).astype(np.float32)


def start_of(input_sentence):
    """The tokens to go on from, int32; what it raises becomes the error of this instance."""
    token_ids = tokenizer.encode(input_sentence)
    if len(token_ids) > LENGTH:
        raise ValueError(f"the sentence has {len(token_ids) - 1} words, more than {LENGTH - 1}")
    return np.array(token_ids, np.int32)


def generate_sentence(input_sentence):
    """One sentence: the loop runs until the model writes its end or has no more room."""
    token_ids = list(start_of(input_sentence))
    while len(token_ids) < LENGTH:
        input_ids, mask = model_inputs(token_ids)
        probabilities = model.call(input_ids, mask)  # of the next word, at each place
        new_token = calc_new_token(probabilities[len(token_ids) - 1])
        if new_token == END_TOKEN:
            break
        token_ids.append(new_token)
    return tokenizer.decode(token_ids)


def generate_sentences(instances):
    """Several sentences side by side: each call of the model takes all that are not finished."""
    sentences = [list(token_ids) for (token_ids,) in instances]
    unfinished = [token_ids for token_ids in sentences if len(token_ids) < LENGTH]
    while unfinished:
        results = model.call([model_inputs(token_ids) for token_ids in unfinished])
        going_on = []
        for token_ids, (probabilities,) in zip(unfinished, results, strict=True):
            new_token = calc_new_token(probabilities[len(token_ids) - 1])
            if new_token != END_TOKEN:
                token_ids.append(new_token)
                going_on.append(token_ids)
        unfinished = [token_ids for token_ids in going_on if len(token_ids) < LENGTH]
    return [tokenizer.decode(token_ids) for token_ids in sentences]


@register.register_method(output_names=["output_sentence"])
def predict(input_sentence):
    """The sentence with its continuation."""
    output_sentence = register.add_stage(generate_sentence, input_sentence, outputs_count=1)
    return output_sentence


@register.register_method(output_names=["output_sentence"])
def predict_batch(input_sentence):
    """The same, for up to eight instances at once."""
    # A stage of its own, so that a sentence that is too long is no error of its neighbours.
    token_ids = register.add_stage(start_of, input_sentence, outputs_count=1)
    output_sentence = register.add_stage(generate_sentences, token_ids, outputs_count=1, batch_size=8)
    return output_sentence
