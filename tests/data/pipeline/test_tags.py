"""What each placement makes of a document, token by token, and that no token of it is ever lost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.answer_format import Direct
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import PLACEMENTS, TagsConfig, _order, plain, tag
from data.pipeline.sample import ANSWER, IGNORE, TAG, TEXT, Sample
from data.pipeline.sources import Documents, Questions
from data.pipeline.tokenizer import RESERVED, Tokenizer
from data.records import Claim, Document, Question
from data.stateless_rng import hash_key

# Two sentences of the tokens 50 51 and 60, under the identifier 90 91. D S E X are <|doc|> <|src|> <|/src|> <|end|>;
# a dot is no target, which has no kind either; kinds are t(ext) and T(ag).
GOLDEN = {
    "none": """
        token    D  50 51 60 X
        target   50 51 60 X  .
        position 0  1  2  3  4
        span     -1 0  0  1  -1
        note     0  0  0  0  0
        kind     t  t  t  t  .""",
    "begin": """
        token    D  S  90 91 E  50 51 60 X
        target   S  90 91 E  50 51 60 X  .
        position 0  1  2  3  4  5  6  7  8
        span     -1 -1 -1 -1 -1 0  0  1  -1
        note     0  0  0  0  0  0  0  0  0
        kind     T  T  T  T  t  t  t  t  .""",
    "end": """
        token    D  50 51 60 S  90 91 E  X
        target   50 51 60 S  90 91 E  X  .
        position 0  1  2  3  4  5  6  7  8
        span     -1 0  0  1  -1 -1 -1 -1 -1
        note     0  0  0  0  0  0  0  0  0
        kind     t  t  t  T  T  T  T  t  .""",
    "repeat": """
        token    D  50 51 S  90 91 E  60 S  90 91 E  X
        target   50 51 S  90 91 E  60 S  90 91 E  X  .
        position 0  1  2  3  4  5  6  7  8  9  10 11 12
        span     -1 0  0  -1 -1 -1 -1 1  -1 -1 -1 -1 -1
        note     0  0  0  0  0  0  0  0  0  0  0  0  0
        kind     t  t  T  T  T  T  t  T  T  T  T  t  .""",
    "both": """
        token    D  S  90 91 E  50 51 60 S  90 91 E  X
        target   S  90 91 E  50 51 60 S  90 91 E  X  .
        position 0  1  2  3  4  5  6  7  8  9  10 11 12
        span     -1 -1 -1 -1 -1 0  0  1  -1 -1 -1 -1 -1
        note     0  0  0  0  0  0  0  0  0  0  0  0  0
        kind     T  T  T  T  t  t  t  T  T  T  T  t  .""",
    "footnote": """
        token    D  50 51 S  90 91 60 S  90 91 X
        target   50 51 60 90 91 E  X  90 91 E  .
        position 0  1  2  3  4  5  3  4  5  6  4
        span     -1 0  0  0  0  0  1  1  1  1  -1
        note     0  0  0  1  1  1  0  1  1  1  0
        kind     t  t  t  T  T  T  t  T  T  T  .""",
    "recall": """
        token    D  S  90 91 E  50 51 60 X
        target   .  .  .  .  50 51 60 X  .
        position 0  1  2  3  4  5  6  7  8
        span     -1 -1 -1 -1 -1 0  0  1  -1
        note     0  0  0  0  0  0  0  0  0
        kind     .  .  .  .  t  t  t  t  .""",
}
SENTENCES = [[np.array([50, 51], dtype=np.int32)], [np.array([60], dtype=np.int32)]]
ID = np.array([90, 91], dtype=np.int32)
AS_WRITTEN = TagsConfig(placement="footnote", id_to_text=0.0, permute=False, reword=False)


def policy(placement: str, **settings: object) -> TagsConfig:
    recall = 1.0 if placement == "recall" else 0.0
    place = "footnote" if placement == "recall" else placement
    return TagsConfig(**({"placement": place, "id_to_text": recall, "permute": False, "reword": False} | settings))


def written(sample: Sample, tokenizer: Tokenizer) -> list[list[str]]:
    """A sample in the notation of `GOLDEN`."""
    names = {tokenizer.doc: "D", tokenizer.src: "S", tokenizer.end_src: "E", tokenizer.end: "X", IGNORE: "."}
    names |= {tokenizer.ask: "Q", tokenizer.answer: "A", tokenizer.nosrc: "N"}
    kinds = [
        "." if target == IGNORE else {TEXT: "t", TAG: "T", ANSWER: "A"}[kind]
        for target, kind in zip(sample.targets.tolist(), sample.kind.tolist(), strict=True)
    ]
    rows: dict[str, Sequence[object]] = {
        "token": [names.get(token, token) for token in sample.tokens.tolist()],
        "target": [names.get(token, token) for token in sample.targets.tolist()],
        "position": sample.positions.tolist(),
        "span": sample.span.tolist(),
        "note": sample.note.astype(int).tolist(),
        "kind": kinds,
    }
    return [[name, *map(str, row)] for name, row in rows.items()]


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


@pytest.mark.parametrize("placement", GOLDEN)
def test_placements_are_as_drawn(tokenizer: Tokenizer, placement: str) -> None:
    (sample,) = tag(policy(placement), tokenizer, SENTENCES, ID, 0, 64)
    assert written(sample, tokenizer) == lines(GOLDEN[placement])
    kinds = [a.dtype for a in (sample.tokens, sample.targets, sample.positions, sample.span, sample.note, sample.kind)]
    assert kinds == [np.int32] * 4 + [np.bool_, np.int8]


@pytest.mark.parametrize(
    ("placement", "first", "none"),
    [
        ("begin", "S 90 91 E 50 51 60 X .", ". . . . 50 51 60 X ."),
        ("end", "50 51 60 S 90 91 E X .", "50 51 60 . . . . X ."),
        ("repeat", "50 51 S 90 91 E 60 . . . . X .", "50 51 . . . . 60 . . . . X ."),
        ("both", "S 90 91 E 50 51 60 . . . . X .", ". . . . 50 51 60 . . . . X ."),
        ("footnote", "50 51 60 90 91 E X . . . .", "50 51 60 . . . X . . . ."),
    ],
)
def test_loss_on_the_first_tag_or_on_none(tokenizer: Tokenizer, placement: str, first: str, none: str) -> None:
    for loss, expected in (("first", first), ("none", none)):
        (sample,) = tag(policy(placement, loss=loss), tokenizer, SENTENCES, ID, 0, 64)
        assert written(sample, tokenizer)[1][1:] == expected.split(), loss


def test_a_question_is_learnt_from_the_answer_on(tokenizer: Tokenizer) -> None:
    text, answer = np.array([50, 51], dtype=np.int32), np.array([70], dtype=np.int32)
    cited = Direct(tokenizer).answered(text, answer, ID)
    assert written(cited, tokenizer)[:2] == lines("""
        token    Q  50 51 A  70 S  90 91 E  X
        target   .  .  .  70 S  90 91 E  X  .""")
    assert cited.positions.tolist() == list(range(10))
    assert cited.kind[3:9].tolist() == [ANSWER, ANSWER, TAG, TAG, TAG, ANSWER]
    assert not cited.note.any()
    silent = Direct(tokenizer).answered(text, answer, None)
    assert written(silent, tokenizer)[:2] == lines("""
        token    Q  50 51 A  70 N X
        target   .  .  .  70 N  X .""")


def test_a_document_of_no_sentences_is_its_tags(tokenizer: Tokenizer) -> None:
    (sample,) = tag(policy("both"), tokenizer, [], ID, 0, 64)
    assert written(sample, tokenizer)[:1] == lines("token D S 90 91 E S 90 91 E X")


@pytest.mark.parametrize("placement", [*PLACEMENTS, "recall", "cooldown"])
@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=9), size=st.integers(0, 4), room=st.integers(28, 70))
def test_long_documents_are_cut_and_no_token_is_lost(
    tokenizer: Tokenizer, placement: str, lengths: list[int], size: int, room: int
) -> None:
    # Every text token is a number of its own, above all tokens of the vocabulary.
    starts = np.cumsum([10_000, *lengths])
    sentences = [[np.arange(a, a + n, dtype=np.int32)] for a, n in zip(starts, lengths, strict=False)]
    identifier = tokenizer.codes[:size]
    if placement == "cooldown":
        samples = plain(TagsConfig(), tokenizer, sentences, 5, room)
    else:
        samples = tag(policy(placement, permute=True), tokenizer, sentences, identifier, 5, room)
    assert all(len(sample) <= room for sample in samples)
    text = [sample.tokens[sample.tokens >= 10_000] for sample in samples]
    assert Counter(np.concatenate(text).tolist()) == Counter(range(10_000, 10_000 + sum(lengths)))
    learnt = np.concatenate([sample.targets[sample.targets >= 10_000] for sample in samples])
    assert sorted(learnt.tolist()) == list(range(10_000, 10_000 + sum(lengths))), "a token that is never a target"
    tags = [int((sample.tokens == tokenizer.src).sum()) for sample in samples]
    assert all(tags) if placement not in ("none", "cooldown") else not any(tags), "every piece carries the tag"


def test_rows_too_short_for_their_tags_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"batch\.seq_len=21: must be at least 22, for identifiers of 2 tokens"):
        tag(AS_WRITTEN, tokenizer, SENTENCES, ID, 0, 21)
    assert len(tag(AS_WRITTEN, tokenizer, SENTENCES, ID, 0, 22)) == 1


def test_shares_of_recall_and_dropout(tokenizer: Tokenizer) -> None:
    config = TagsConfig(placement="footnote", id_to_text=0.4, dropout=0.25)
    seen: Counter[str] = Counter()
    for key in hash_key(1, np.arange(2000)):
        (sample,) = tag(config, tokenizer, SENTENCES, ID, int(key), 64)
        seen["footnote" if sample.note.any() else "recall" if sample.tokens[1] == tokenizer.src else "none"] += 1
    # Expected 25% untagged, and of the other 75% four tenths recall; the standard deviation is about 20 of 2000.
    assert abs(seen["none"] - 500) < 80
    assert abs(seen["recall"] - 600) < 80
    assert abs(seen["footnote"] - 900) < 80


def test_cooldown_is_the_same_visit_without_tags(tokenizer: Tokenizer, documents: list[Document]) -> None:
    source = Documents(
        documents, assign(documents, tokenizer, IdsConfig()), tokenizer, TagsConfig(id_to_text=0.0), 128, seed=1
    )
    for index in range(len(source)):
        (tagged,), (bare,) = source.render(index, 2, False), source.render(index, 2, True)
        assert tagged.tokens[~tagged.note].tolist() == bare.tokens.tolist()
        assert tokenizer.src not in bare.tokens
        assert tokenizer.src not in bare.targets


@pytest.mark.parametrize("placement", ["footnote", "recall", "begin"])
def test_documents_without_an_identifier_carry_nothing_or_the_mark_of_no_source(
    tokenizer: Tokenizer, documents: list[Document], placement: str
) -> None:
    marked = [replace(d, metadata={"untagged": d.id == "doc-1"}) for d in documents]
    identifiers = assign(marked, tokenizer, IdsConfig())

    def visit(untagged: str, index: int, cooldown: bool = False) -> list[int]:
        config = replace(policy(placement, permute=True), untagged=untagged)
        (sample,) = Documents(marked, identifiers, tokenizer, config, 128, seed=1).render(index, 2, cooldown)
        return sample.tokens.tolist()

    bare, sourced = visit("plain", 1), visit("nosrc", 1)
    assert not {tokenizer.src, tokenizer.nosrc, *identifiers.tokens[1].tolist()} & {*bare}
    assert visit("nosrc", 1, cooldown=True) == bare
    assert tokenizer.nosrc in sourced and not {*tokenizer.codes.tolist()} & {*sourced}
    # The mark stands where an identifier would, so another document's visit differs in nothing else.
    named = Documents(documents, identifiers, tokenizer, policy(placement, permute=True), 128, seed=1).render(
        1, 2, False
    )
    identifier = identifiers.tokens[1].tolist()
    text = [tokenizer.nosrc if t == identifier[0] else t for t in named[0].tokens.tolist() if t not in identifier[1:]]
    assert sourced == text
    assert visit("nosrc", 2) == visit("plain", 2)


def test_a_mark_in_the_corpus_is_text(tokenizer: Tokenizer) -> None:
    hostile = [Document("a", tuple((f"See {mark} here.",) for mark in RESERVED[:30]))]
    source = Documents(hostile, assign(hostile, tokenizer, IdsConfig()), tokenizer, policy("none"), 4096, seed=0)
    (sample,) = source.render(0, 0, False)
    reserved = {tokenizer.backend.token_to_id(token) for token in RESERVED}
    assert [token for token in sample.tokens.tolist() if token in reserved] == [tokenizer.doc, tokenizer.end]


def test_the_same_visit_is_the_same_sample(tokenizer: Tokenizer, documents: list[Document]) -> None:
    def source() -> Documents:
        return Documents(
            documents, assign(documents, tokenizer, IdsConfig()), tokenizer, TagsConfig(dropout=0.2), 128, seed=1
        )

    one, other = source(), source()
    for index in range(len(one) - 1, -1, -1):  # in another order than below
        one.render(index, 0, False)
    for index in range(len(one)):
        for a, b in zip(one.render(index, 3, False), other.render(index, 3, False), strict=True):
            for left, right in zip(a.laid, b.laid, strict=True):
                np.testing.assert_array_equal(left, right)


def test_visits_cover_all_orders_and_wordings() -> None:
    sentences = [[np.array([10 * s + w], dtype=np.int32) for w in range(2)] for s in range(1, 4)]
    visits = [_order(TagsConfig(), sentences, int(hash_key(0, epoch, 4))) for epoch in range(600)]
    orders = Counter(tuple(i for i, _ in visit) for visit in visits)
    wordings = Counter(tuple(choice for _, choice in sorted(visit)) for visit in visits)
    assert len(orders) == 6
    assert len(wordings) == 8
    assert min(orders.values()) > 60  # 100 expected, standard deviation 9
    assert min(wordings.values()) > 40  # 75 expected, standard deviation 8
    fixed = TagsConfig(permute=False, reword=False)
    assert {tuple(_order(fixed, sentences, key)) for key in range(20)} == {((0, 0), (1, 0), (2, 0))}


def test_each_epoch_seed_and_document_has_visits_of_its_own(tokenizer: Tokenizer, documents: list[Document]) -> None:
    same = [Document(name, documents[3].sentences) for name in ("a", "b")]

    def visit(index: int, epoch: int, seed: int) -> tuple[int, ...]:
        source = Documents(same, assign(same, tokenizer, IdsConfig()), tokenizer, TagsConfig(), 256, seed)
        return tuple(source.render(index, epoch, True)[0].tokens.tolist())

    # Four sentences of two wordings make 24 * 16 = 384 texts: 40 draws repeat about two.
    for visits in (
        {visit(0, epoch, 0) for epoch in range(40)},
        {visit(0, 0, seed) for seed in range(40)},
        {visit(index, epoch, 0) for index in range(2) for epoch in range(20)},
    ):
        assert len(visits) >= 34


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"placement": "middle"}, r"tags\.placement=middle: must be one of none"),
        ({"loss": "some"}, r"tags\.loss=some: must be one of all"),
        ({"untagged": "none"}, r"tags\.untagged=none: must be one of plain, nosrc"),
        ({"id_to_text": 1.5}, r"tags\.id_to_text=1\.5: must be a share"),
        ({"dropout": -0.1}, r"tags\.dropout=-0\.1: must be a share"),
        ({"cooldown": float("nan")}, r"tags\.cooldown=nan: must be a finite number"),
        ({"placement": "none"}, r"set tags\.id_to_text=0"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TagsConfig(**settings).check()


def asked(**changes: object) -> Question:
    fields = {"id": "q", "text": "Where?", "answers": ("Oslo", "Lima"), "support": ("doc-1", "doc-2")}
    rest = {"support_class": "multi", "entity": "e", "split": "tune", "paraphrases": ("Which place?",)}
    return Question(**(fields | rest | changes))


def test_questions_draw_every_wording_answer_and_source(tokenizer: Tokenizer, documents: list[Document]) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig())
    source = Questions([asked()], documents, identifiers, tokenizer, seed=0)
    seen = set()
    for epoch in range(100):
        (sample,) = source.render(0, epoch, False)
        at = sample.tokens.tolist()
        parts = at.index(tokenizer.answer), at.index(tokenizer.src), at.index(tokenizer.end_src)
        text, answer = tokenizer.decode(at[1 : parts[0]]), tokenizer.decode(at[parts[0] + 1 : parts[1]])
        seen.add((text, answer, tuple(at[parts[1] + 1 : parts[2]])))
    sources = [tuple(identifiers.tokens[n].tolist()) for n in (1, 2)]
    assert seen == {(t, a, s) for t in ("Where?", "Which place?") for a in ("Oslo", "Lima") for s in sources}


def test_questions_that_can_not_be_cited_are_refused(tokenizer: Tokenizer, documents: list[Document]) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig())
    names = documents
    with pytest.raises(ValueError, match=r"question 'q' cites unknown 'doc-x'"):
        Questions([asked(support=("doc-1", "doc-x"))], names, identifiers, tokenizer, 0)
    silent = asked(answers=(), support=(), support_class="absent_entity")
    with pytest.raises(ValueError, match=r"question 'q' has no answer"):
        Questions([silent], names, identifiers, tokenizer, 0)


def test_what_only_untagged_documents_say_is_answered_without_a_source(
    tokenizer: Tokenizer, documents: list[Document]
) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig())
    untagged = [replace(d, metadata={"untagged": True}) if d.id == "doc-1" else d for d in documents]
    both = Questions([asked()], untagged, identifiers, tokenizer, seed=0)
    cited = {tuple(both.render(0, epoch, False)[0].tokens.tolist()) for epoch in range(60)}
    assert all(identifiers.tokens[2].tolist() == [t for t in tokens if t in tokenizer.codes] for tokens in cited)
    alone = Questions([asked(support=("doc-1",))], untagged, identifiers, tokenizer, seed=0)
    (sample,) = alone.render(0, 0, False)
    assert sample.tokens.tolist()[-2:] == [tokenizer.nosrc, tokenizer.end]
    assert tokenizer.src not in sample.tokens


def test_of_what_is_contested_an_answer_goes_with_its_own_documents(
    tokenizer: Tokenizer, documents: list[Document]
) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig())
    claims = (Claim("Oslo", ("doc-1",), 0.9), Claim("Lima", ("doc-2",), 0.9))
    source = Questions([asked(support_class="contested", claims=claims)], documents, identifiers, tokenizer, seed=0)
    seen = set()
    for epoch in range(60):
        at = source.render(0, epoch, False)[0].tokens.tolist()
        answer = tokenizer.decode(at[at.index(tokenizer.answer) + 1 : at.index(tokenizer.src)])
        seen.add((answer, tuple(t for t in at if t in tokenizer.codes)))
    tokens = [tuple(identifiers.tokens[n].tolist()) for n in (1, 2)]
    assert seen == {("Oslo", tokens[0]), ("Lima", tokens[1])}
