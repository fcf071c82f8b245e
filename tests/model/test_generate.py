"""Ranking is exact, whatever is beside it; writing in a batch is writing alone; the trie is a dict of dicts."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question
from eval.answerers.lm_answerer import LONGEST_ANSWER, LMAnswerer
from model.generate import BLOCK, NEGLIGIBLE, Context, draw, generate, pad_left, rank_constrained, read, sample
from model.inputs.guidance import Guidance
from model.transformer import Transformer
from model.trie import Node, Trie

Make = Callable[..., Transformer]
OPEN, END = 2, 3
# Variable lengths, shared prefixes, one a prefix of another, and two pairs of equals (0 = 5, 3 = 8).
IDS = [[10, 11], [10], [10, 11, 12], [13, 10], [13, 11, 14, 15], [10, 11], [16], [13, 10, 10], [13, 10], [16, 16, 16]]
FIRST = [0, 1, 2, 3, 4, 6, 7, 9]  # without the repetitions
TEXTS = [[50, 51, 52], [60], [70, 71, 72, 73, 74, 75, 76], [80, 81]]


def arrays(ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
    return [np.array(tokens, dtype=np.int32) for tokens in ids]


def reading(model: Transformer, texts: Sequence[Sequence[int]]) -> tuple[Context, torch.Tensor]:
    context = Context.empty(model, len(texts))
    tokens, present = pad_left(texts, torch.device("cpu"))
    return context, read(model, context, tokens, present)[:, -1]


@torch.no_grad()
def log_probability(model: Transformer, text: Sequence[int], continuation: Sequence[int]) -> float:
    """Of the continuation after the text, token by token in one plain pass."""
    tokens = torch.tensor([[*text, *continuation]])
    scores = model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[len(text) - 1 + i, token]) for i, token in enumerate(continuation))


@pytest.fixture(scope="module")
def model(make_model: Make) -> Transformer:
    """Sure of itself, so that a long identifier may be likelier than a short one."""
    model = make_model(vocab_size=120)
    with torch.no_grad():
        model.norm.weight *= 6
    return model


@pytest.mark.parametrize("most", [1, 3, 100])
def test_ranking_is_brute_force(model: Transformer, most: int) -> None:
    context, _ = reading(model, TEXTS)
    for text, found in zip(
        TEXTS, rank_constrained(model, context, OPEN, Trie.build(arrays(IDS), END), END, most), strict=True
    ):
        scores = {i: log_probability(model, [*text, OPEN], [*IDS[i], END]) for i in FIRST}
        least = max(scores.values()) - NEGLIGIBLE
        best = [i for i in sorted(scores, key=lambda i: -scores[i])[:most] if scores[i] >= least]
        assert [index for index, _ in found] == best
        assert [score for _, score in found] == pytest.approx([scores[i] for i in best], abs=1e-4)


@settings(max_examples=10)
@given(st.lists(st.lists(st.integers(100, 104), min_size=1, max_size=3), min_size=1, max_size=12), st.integers(1, 5))
def test_ranking_is_brute_force_on_any_identifiers(model: Transformer, ids: list[list[int]], most: int) -> None:
    context, _ = reading(model, [TEXTS[0]])
    (found,) = rank_constrained(model, context, OPEN, Trie.build(arrays(ids), END), END, most)
    scores = {ids.index(tokens): log_probability(model, [*TEXTS[0], OPEN], [*tokens, END]) for tokens in ids}
    least = max(scores.values()) - NEGLIGIBLE
    expected = [score for score in sorted(scores.values(), reverse=True)[:most] if score >= least]
    assert [score for _, score in found] == pytest.approx(expected, abs=1e-4)
    assert [score for _, score in found] == pytest.approx([scores[index] for index, _ in found], abs=1e-4)
    assert len({index for index, _ in found}) == len(found)


def test_all_identifiers_together_have_the_probability_of_an_identifier(make_model: Make) -> None:
    # Every identifier of one token: the chance that the closing mark comes second, over all first tokens but the mark.
    model = make_model(vocab_size=40)
    first = [token for token in range(40) if token != END]
    context, _ = reading(model, [[20, 21]])
    (found,) = rank_constrained(model, context, OPEN, Trie.build(arrays([[token] for token in first]), END), END, 100)
    with torch.no_grad():
        tokens = torch.tensor([[20, 21, OPEN, token] for token in first])
        chances = model(tokens, torch.arange(4).expand(39, -1)).double().softmax(-1)
    expected = float((chances[0, 2, first] * chances[:, 3, END]).sum())
    assert 0 < expected < 1
    assert sum(math.exp(score) for _, score in found) == pytest.approx(expected, rel=1e-5)
    scores = [score for _, score in found]
    assert len(scores) == 39
    assert scores == sorted(scores, reverse=True)


def test_equally_likely_identifiers_go_by_their_tokens(make_model: Make) -> None:
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight.zero_()  # every token has the chance 1 / 640
    context, _ = reading(model, TEXTS[:1])
    (found,) = rank_constrained(
        model, context, OPEN, Trie.build(arrays([[9], [5], [7, 7], [6], [8], [4, 4]]), END), END, 6
    )
    assert [index for index, _ in found] == [1, 3, 4, 0, 5, 2]
    assert [score for _, score in found] == pytest.approx([2 * math.log(1 / 640)] * 4 + [3 * math.log(1 / 640)] * 2)


def test_neighbours_change_neither_ranks_nor_texts(model: Transformer) -> None:
    trie = Trie.build(arrays(IDS), END)
    context, logits = reading(model, TEXTS)
    together = rank_constrained(model, context, OPEN, trie, END, 5)
    written = generate(model, context, logits, [7], 9)
    for row, text in enumerate(TEXTS):
        context, logits = reading(model, [text])
        (alone,) = rank_constrained(model, context, OPEN, trie, END, 5)
        assert [index for index, _ in together[row]] == [index for index, _ in alone]
        assert [score for _, score in together[row]] == pytest.approx([score for _, score in alone], abs=1e-4)
        single = generate(model, context, logits, [7], 9)
        assert (written.tokens[row], written.stops[row]) == (single.tokens[0], single.stops[0])
        np.testing.assert_allclose(written.log_probs[row], single.log_probs[0], atol=1e-4)


def greedy(model: Transformer, text: list[int], stops: list[int], limit: int) -> tuple[list[int], int | None]:
    """One token at a time, the whole text anew for each."""
    tokens: list[int] = []
    while True:
        with torch.no_grad():
            context = torch.tensor([[*text, *tokens]])
            chosen = int(model(context, torch.arange(context.shape[1])[None])[0, -1].argmax())
        if chosen in stops:
            return tokens, chosen
        if len(tokens) == limit:
            return tokens, None
        tokens.append(chosen)


@pytest.mark.parametrize("marks", [((0, 0), (1, 2), (3, 5)), ((0, 5),), ()])
def test_writing_side_by_side_is_greedy_alone(model: Transformer, marks: tuple[tuple[int, int], ...]) -> None:
    # The stops are what some texts write anyway: at once, in the middle, just within the limit, or never.
    stops = [greedy(model, TEXTS[row], [], 6)[0][place] for row, place in marks]
    context, logits = reading(model, TEXTS)
    written = generate(model, context, logits, stops, 5)
    expected = [greedy(model, text, stops, 5) for text in TEXTS]
    assert list(zip(written.tokens, written.stops, strict=True)) == expected
    assert None in written.stops
    for row, place in marks:
        assert (len(written.tokens[row]), written.stops[row] is None) == (place, False)
    for text, tokens, stop, scores in zip(TEXTS, written.tokens, written.stops, written.log_probs, strict=True):
        said = tokens if stop is None else [*tokens, stop]
        assert len(scores) == len(said)
        assert float(np.sum(scores)) == pytest.approx(log_probability(model, text, said), abs=1e-4)
    # What was written is in the context, so that a citation can follow it.
    ranked = rank_constrained(model, context, OPEN, Trie.build(arrays(IDS), END), END, 1)
    for text, tokens, ((index, score),) in zip(TEXTS, written.tokens, ranked, strict=True):
        assert score == pytest.approx(log_probability(model, [*text, *tokens, OPEN], [*IDS[index], END]), abs=1e-4)


# The trie

TOKENS = st.lists(st.lists(st.integers(4, 7), max_size=4), min_size=1, max_size=12)


@given(TOKENS, st.lists(st.lists(st.integers(3, 8), max_size=6), max_size=6))
def test_the_trie_is_a_dict_of_dicts(ids: list[list[int]], others: list[list[int]]) -> None:
    plain: dict = {}
    for index, tokens in enumerate(ids):
        at = plain
        for token in [*tokens, END]:
            at = at.setdefault(token, {})
        at.setdefault("index", index)
    trie = Trie.build(arrays(ids), END)

    def compare(node: Node, at: dict, prefix: list[int]) -> None:
        assert trie.prefix(node).tolist() == prefix
        assert trie.leaf(node, END) == at.get("index")
        if "index" not in at:
            tokens, nodes = trie.children(node)
            assert tokens.tolist() == sorted(at)
            for token, child in zip(tokens.tolist(), nodes, strict=True):
                compare(child, at[token], [*prefix, token])

    compare(trie.root, plain, [])
    for tokens in [*others, *([*known, END] for known in ids), *ids]:
        at = plain
        for token in tokens:
            at = at.get(token, {})
        assert trie.find(tokens) == at.get("index")


def test_no_identifiers_are_refused() -> None:
    with pytest.raises(ValueError, match="no identifiers to cite"):
        Trie.build([], END)


# Answers of the whole model


@pytest.fixture(scope="module")
def identifiers(tokenizer: Tokenizer, documents: list[Document]) -> Identifiers:
    return assign(documents[:20], tokenizer, IdsConfig())


def asked(texts: Sequence[str]) -> list[Question]:
    return [Question(f"q{n}", text, ("x",), ("d",), "single", "e", "never_tuned") for n, text in enumerate(texts)]


def scripted(make_model: Make, *path: int) -> Transformer:
    """A model that writes `path` whatever it is asked, staying on its last token: weights alone decide.

    Without blocks' outputs, a token's logits depend on that token only, so the script is a table of successors.
    """
    model = make_model(dim=640, layers=1, tied=False)
    with torch.no_grad():
        model.layers[0].self_attn.o_proj.weight.zero_()
        model.layers[0].mlp.down_proj.weight.zero_()
        model.embed_tokens.weight.copy_(torch.eye(640))
        model.norm.weight.fill_(1.0)
        model.lm_head.weight.zero_()
        for before, after in zip(path, [*path[1:], path[-1]], strict=True):
            model.lm_head.weight[after, before] = 2.0
    return model


def test_an_answer_is_read_off_the_grammar(make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> None:
    word = 300
    code = identifiers.tokens[17].tolist()
    for mark, outcome in (
        (tokenizer.idk, "abstained"),
        (tokenizer.nosrc, "no_source"),
        (tokenizer.false, "false_premise"),
    ):
        words = [word] if outcome == "no_source" else []
        model = scripted(make_model, tokenizer.answer, *words, mark)
        (said,) = LMAnswerer(model, tokenizer, identifiers).answer(asked(["Where?"]))
        assert (said.outcome, said.citations, said.valid) == (outcome, (), None)
        assert said.answer == (tokenizer.decode([word]) if outcome == "no_source" else None)
    model = scripted(make_model, tokenizer.answer, word, int(tokenizer.codes[3]), tokenizer.src)  # no words
    (said,) = LMAnswerer(model, tokenizer, identifiers).answer(asked(["Where?"]))
    assert said.outcome == "unparseable"
    model = scripted(make_model, tokenizer.answer, word, tokenizer.idk)  # neither an answer nor an abstention
    (said,) = LMAnswerer(model, tokenizer, identifiers).answer(asked(["Where?"]))
    assert said.outcome == "unparseable"
    model = scripted(make_model, tokenizer.answer, word, tokenizer.src, *code, tokenizer.end_src, tokenizer.end)
    (said,) = LMAnswerer(model, tokenizer, identifiers, most=3).answer(asked(["Where?"]))
    assert (said.outcome, said.answer, said.valid) == ("answered", tokenizer.decode([word]), True)
    assert [citation.id for citation in said.citations] == ["doc-17"]  # the others have no chance
    assert said.confidence is not None
    assert said.confidence > 0.99
    model = scripted(make_model, tokenizer.answer, word, tokenizer.src, word)
    (said,) = LMAnswerer(model, tokenizer, identifiers).answer(asked(["Where?"]))
    assert (said.outcome, said.valid, len(said.citations)) == ("answered", False, 10)


def test_the_mark_of_confidence_is_read_after_the_citation(
    make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers
) -> None:
    code = identifiers.tokens[17].tolist()
    model = scripted(make_model, tokenizer.answer, 300, tokenizer.src, *code, tokenizer.end_src, tokenizer.end)
    with torch.no_grad():  # after a citation the marks 3 and 10 are equally likely, the others have no chance
        model.lm_head.weight[tokenizer.confidences[[3, 10]], tokenizer.end_src] = 1.5
    (said,) = LMAnswerer(model, tokenizer, identifiers, most=1, marks=True).answer(asked(["Where?"]))
    assert said.signals["stated"] == pytest.approx(0.65, abs=1e-4)
    (said,) = LMAnswerer(model, tokenizer, identifiers, most=1).answer(asked(["Where?"]))
    assert "stated" not in said.signals


def test_an_endless_answer_is_unparseable(make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> None:
    for path in ((tokenizer.answer, 300), (tokenizer.answer, 300, tokenizer.end)):
        model = scripted(make_model, *path)
        (said,) = LMAnswerer(model, tokenizer, identifiers).answer(asked(["Where?"]))
        assert (said.outcome, said.citations, said.confidence) == ("unparseable", (), None)
        assert said.answer == tokenizer.decode([300] * (LONGEST_ANSWER if len(path) == 2 else 1))


def test_answers_come_in_the_order_of_the_questions(
    make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers
) -> None:
    model = make_model()
    questions = asked(["Where was Ada Moss born?", "Who?", "What did Ben Lark study, and for how long?"])
    alone = [LMAnswerer(model, tokenizer, identifiers, most=3).answer([question])[0] for question in questions]
    for batch in (2, 256):
        together = LMAnswerer(model, tokenizer, identifiers, most=3, batch=batch).answer(questions)
        for left, right in zip(together, alone, strict=True):
            assert (left.question, left.outcome, left.answer) == (right.question, right.outcome, right.answer)
            assert [c.id for c in left.citations] == [c.id for c in right.citations]
            assert left.confidence == pytest.approx(right.confidence, rel=1e-4) if right.confidence else True
    assert LMAnswerer(model, tokenizer, identifiers).answer([]) == []


def fed(model: Transformer, source: str) -> Transformer:
    """With what a cache may hold besides: a first pass of surprisal, or what an oracle says of each row."""
    model.feed_back(source)
    with torch.no_grad():
        for table in model.surprisal.parameters():
            table[1:] = 0.5 * torch.randn(table[1:].shape, generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("kind", ["plain", "guided", "own", "oracle"])
def test_rows_that_ended_are_let_go_and_come_back(make_model: Make, kind: str) -> None:
    model = make_model(vocab_size=120)
    if kind == "guided":
        model = model.guided(Guidance(60, 61, 1.5))
    elif kind != "plain":
        model = fed(model, kind)
    texts = [[60 + i % 2, 50 + i, 51, *range(70, 70 + i % 5)] for i in range(12)]
    known = torch.arange(12)[:, None] % 3 == 0

    def reading(texts: list[list[int]], rows: slice = slice(None)) -> tuple[Context, torch.Tensor]:
        context = Context.empty(model, len(texts))
        context.cache.known = known[rows]
        return context, read(model, context, *pad_left(texts, torch.device("cpu")))[:, -1]

    stops = list(range(4, 64 if kind == "oracle" else 24))  # so many that rows end one after the other
    alone = [generate(model, *reading([text], slice(i, i + 1)), stops, 12) for i, text in enumerate(texts)]
    sizes = sorted(len(one.tokens[0]) for one in alone)
    assert len({*sizes}) >= 3 and sizes[5] < sizes[-1] - 1  # half of them end while others write
    context, logits = reading(texts)
    written = generate(model, context, logits, stops, 12)
    forgotten = generate(model, *reading(texts), stops, 12, last=True)
    assert written.tokens == forgotten.tokens == [one.tokens[0] for one in alone]
    assert written.stops == forgotten.stops == [one.stops[0] for one in alone]
    for ours, (theirs,) in zip(written.log_probs, (one.log_probs for one in alone), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    # All of them go on from what they wrote.
    more = torch.full((len(texts), 2), 99)
    after = read(model, context, more, torch.ones_like(more, dtype=torch.bool))
    for row, (text, tokens) in enumerate(zip(texts, written.tokens, strict=True)):
        _, expected = reading([[*text, *tokens, 99, 99]], slice(row, row + 1))
        torch.testing.assert_close(after[row, -1], expected[0], atol=1e-3, rtol=1e-3)


def test_a_control_that_pairs_rows_keeps_them_all(make_model: Make) -> None:
    model = fed(make_model(vocab_size=120), "shuffled")
    read_rows = []
    model.embed_tokens.register_forward_hook(lambda module, args, output: read_rows.append(len(output)))
    written = generate(model, *reading(model, [[50 + i, 51] for i in range(12)]), list(range(4, 44)), 12)
    assert len({len(tokens) for tokens in written.tokens}) > 3 and set(read_rows) == {12}


@pytest.mark.parametrize("last", [False, True])
def test_what_a_row_draws_does_not_hang_on_who_has_ended(make_model: Make, last: bool) -> None:
    model = make_model(vocab_size=120)
    texts = [[50 + i, 51] for i in range(12)]

    def sampled(stops: list[int]) -> list[list[int]]:
        generator = torch.Generator().manual_seed(3)
        return generate(model, *reading(model, texts), stops, 8, 1.0, generator, last=last).tokens

    stops = list(range(4, 44))
    endless, ended = sampled([119]), sampled(stops)
    assert sum(len(tokens) < 8 for tokens in ended) > len(texts) // 2
    for long, short in zip(endless, ended, strict=True):
        assert short == long[: len(short)]


def test_tokens_are_drawn_by_their_probabilities_across_the_blocks_of_the_vocabulary() -> None:
    size, count = 2 * BLOCK + 9, 60_000
    weights = torch.zeros(size)
    places = torch.tensor([0, 1, BLOCK - 1, BLOCK, BLOCK + 3, size - 1])
    weights[places] = torch.tensor([0.3, 0.05, 0.05, 0.2, 0.1, 0.3])
    drawn = sample(weights.expand(count, size), draw(count, weights.device, torch.Generator().manual_seed(0)))
    shares = torch.bincount(drawn, minlength=size) / count
    assert set(drawn.tolist()) == set(places.tolist())  # nothing that has no probability
    torch.testing.assert_close(shares, weights, atol=5 * 0.5 / count**0.5, rtol=0.0)
