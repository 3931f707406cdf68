"""Words to numbers and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

PADDING, UNKNOWN_TOKEN, START_TOKEN, END_TOKEN = range(4)
_SPECIAL = ("[padding]", "[unknown]", "[start]", "[end]")


class Tokenizer:
    """Knows the words of a vocabulary; a word's number is its place in it, after the four special tokens."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = [*_SPECIAL, *words]
        self._ids = {word: number for number, word in enumerate(self.words)}

    @classmethod
    def of_text(cls, text: str) -> Tokenizer:
        """The vocabulary is all words of the text."""
        return cls(sorted(set(text.lower().split())))

    @classmethod
    def of_file(cls, file: Path) -> Tokenizer:
        """The vocabulary is what `save` wrote."""
        return cls(file.read_text().splitlines())

    def save(self, file: Path) -> None:
        """Writes the vocabulary, one word to a line."""
        file.write_text("\n".join(self.words[len(_SPECIAL) :]) + "\n")

    def encode(self, sentence: str) -> list[int]:
        """The start token and the words' numbers."""
        return [START_TOKEN, *(self._ids.get(word, UNKNOWN_TOKEN) for word in sentence.lower().split())]

    def decode(self, token_ids: Iterable[int]) -> str:
        """The words without start, end and padding."""
        return " ".join(self.words[i] for i in token_ids if i not in (PADDING, START_TOKEN, END_TOKEN))


def padding(token_ids: Sequence[int], length: int) -> np.ndarray:
    """int32 of shape (length): the tokens, then zeros."""
    padded = np.full(length, PADDING, np.int32)
    padded[: len(token_ids)] = token_ids
    return padded
