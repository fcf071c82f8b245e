"""Questions with the statements that answer them, and models that tell what they are told to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from model.transformer import Transformer

Make = Callable[..., Transformer]
Answering = Callable[[Transformer], LMAnswerer]
Chances = Mapping[str, Mapping[str, float]]
Telling = Callable[[Chances], LMAnswerer]
BORN = ("{answer} is where Ada Moss was born.", "Ada Moss was born in {answer}.")
# What follows a token, whatever stands before it. Words are tokens here, with the space before them.
IN = {
    " in": {" Oslo": 0.5, " Lima": 0.3, " Turin": 0.0001},
    " Oslo": {".": 0.8, " Accra": 0.1},
    " Accra": {".": 0.9},
    " Lima": {".": 0.9},
    " Turin": {".": 0.9},
}


def asked(*statement: str, id: str = "q", premise: tuple[str, ...] = ()) -> Question:
    return Question(
        id, "Where?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "never_tuned", statement=statement, premise=premise
    )


def said(answer: str | None, outcome: str = "answered") -> Prediction:
    return Prediction("q", outcome, answer, signals={"answer": -1.0})


def forgetful(model: Transformer) -> Transformer:
    """A model whose next token depends on the last one only, by `lm_head.weight[next, last]`, all 0 at first.

    Args:
        model: as wide as its vocabulary, its embeddings not tied.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.zero_()
        model.embed_tokens.weight.copy_(torch.eye(len(model.embed_tokens.weight)))
        model.norm.weight.fill_(1.0)
        model.lm_head.weight.zero_()
    return model


def chained(model: Transformer, tokenizer: Tokenizer, chances: Chances) -> Transformer:
    """A `forgetful` model of given chances for the next token; the others share the rest."""

    def token(word: str) -> int:
        known = tokenizer.backend.token_to_id(word.replace(" ", "Ġ"))
        assert known is not None, word
        return known

    size = len(forgetful(model).embed_tokens.weight)
    with torch.no_grad():
        scale = float(model.norm(torch.eye(size)[:1])[0, 0])
        for before, following in chances.items():
            rest = (1 - sum(following.values())) / (size - len(following))
            model.lm_head.weight[:, token(before)] = math.log(rest) / scale
            for after, chance in following.items():
                model.lm_head.weight[token(after), token(before)] = math.log(chance) / scale
    return model
