"""What an answer looks like as tokens: the prompt, what is trained on, and how it is read back out of a model.

Nothing else spells the marks of an answer. A format is one class, registered in `FORMATS` under the name that the key
`answer_format` gives it:

    direct            <|ask|> question <|answer|> answer <|src|> ID <|/src|> <|end|>
    cite_first        <|ask|> question <|answer|> <|src|> ID <|/src|> answer <|end|>
    evidence_first    <|ask|> question <|answer|> <|doc|> sentence [<|src|> ID]
                      <|answer|> answer <|src|> ID <|/src|> <|end|>
    recite            <|ask|> question <|answer|> <|src|> ID <|/src|> <|doc|> sentence <|answer|> answer <|end|>

The sentence of evidence is one like any sentence of a document. Under `evidence_first` its footnote [...] sees that
sentence alone, as in pretraining (data/pipeline/placement.py), so what that taught of text to identifier serves as it
is. Under `recite` the source comes first, which is then recited: to tell which document a question is about is easier
than to write, of all sentences that were read, the one that answers it (recitation by way of a hint of the passage: Sun
et al. 2023, arXiv 2210.01296). A question without evidence is answered without it.

With `<|nosrc|>` in place of the citation where there is no source, `<|idk|>` or `<|false|>` in place of all of the
answer where it is refused, and a mark of confidence before `<|end|>` where one is taught. Where backtracking is taught,
an answer that the model is not sure of begins with the mark of least confidence, and goes by way of its source:

    unsure            <|ask|> question <|answer|> <|conf_0|> <|src|> ID <|/src|> answer <|end|>
                      <|ask|> question <|answer|> <|conf_0|> <|idk|> <|end|>
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from data.pipeline.sample import ANSWER, QUESTION, TAG, Part, Sample, Tokens
from data.pipeline.tokenizer import Tokenizer

Ids = Sequence[int] | Tokens
ANSWERED = ("answered", "no_source")  # outcomes with words


class AnswerFormat(Protocol):
    """The prompt, the target and the parser of an answer, over the marks of one tokenizer.

    Identifiers are without their marks, None where there is no source.

    Attributes:
        leads: what is written first: "source", "evidence", "" for the words of the answer.
        evidenced: whether a sentence of evidence is written before those words.
        begins, between: the marks before and behind this sentence, for the formats that write one.
        outcomes: what an answer is whose words end with a mark, by the mark.
        stops: all marks that end its words.
        refusals: those that stand in place of any words.
        opening: the mark that opens a citation.
        closing: the mark that closes it.
        unsure: the mark before an answer that the model is not sure of.
    """

    leads: str
    evidenced: bool
    begins: int
    between: int
    outcomes: Mapping[int, str]
    stops: Sequence[int]
    refusals: Sequence[int]
    opening: int
    closing: int
    unsure: int

    def prompt(self, text: Ids) -> list[int]:
        """What a model reads before it answers a question."""
        ...

    def led(self, prompt: Ids, evidence: Ids, identifier: Ids | None = None) -> list[int]:
        """The prompt and the evidence of its answer, up to where its words begin, for the formats that write evidence.

        Args:
            identifier: of its source, for those that name it before; None for evidence that no document gives.
        """
        ...

    def answered(
        self,
        text: Tokens,
        answer: Tokens,
        identifier: Tokens | None,
        confidence: int | None = None,
        evidence: Tokens | None = None,
    ) -> Sample:
        """A question with its answer, learnt from the answer on.

        Args:
            confidence: a mark of it, before the end.
            evidence: the sentence that gives the answer, for the formats that show it.
        """
        ...

    def judgement(self, text: Tokens, answer: Tokens, identifier: Tokens | None, confidence: int) -> Sample:
        """`answered` up to its mark of confidence, the only thing learnt of it: the answer need not be a right one."""
        ...

    def refusal(self, text: Tokens, outcome: str) -> Sample:
        """A question that is refused, learnt from the refusal on: `outcome` is "abstained" or "false_premise"."""
        ...

    def backtracked(self, text: Tokens, answer: Tokens | None, identifier: Tokens | None) -> Sample:
        """A question, `unsure`, then a source (None for none) and what it says; without an answer, the refusal."""
        ...

    def citation(self, identifier: Ids) -> list[int]:
        """A citation with its marks, as it follows the words of an answer."""
        ...

    def parse(self, tokens: Sequence[int], stop: int | None) -> str:
        """The outcome of what a model wrote: `tokens` up to the mark `stop`, None where it did not come to one."""
        ...


class Direct:
    """The answer, then its source."""

    leads, evidenced = "", False

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.outcomes: Mapping[int, str] = {
            tokenizer.src: "answered",
            tokenizer.nosrc: "no_source",
            tokenizer.idk: "abstained",
            tokenizer.false: "false_premise",
        }
        self.stops: Sequence[int] = (*self.outcomes, tokenizer.end)
        self.refusals: Sequence[int] = (tokenizer.idk, tokenizer.false)
        self.opening, self.closing = tokenizer.src, tokenizer.end_src
        self.begins, self.between = tokenizer.doc, tokenizer.answer
        self.unsure = int(tokenizer.confidences[0])

    def prompt(self, text: Ids) -> list[int]:
        return [self.tokenizer.ask, *map(int, text), self.tokenizer.answer]

    def led(self, prompt: Ids, evidence: Ids, identifier: Ids | None = None) -> list[int]:
        return [*map(int, prompt), self.begins, *map(int, evidence), self.between]

    def answered(
        self,
        text: Tokens,
        answer: Tokens,
        identifier: Tokens | None,
        confidence: int | None = None,
        evidence: Tokens | None = None,
    ) -> Sample:
        ends = (self.tokenizer.end,) if confidence is None else (confidence, self.tokenizer.end)
        return self._sample([*self._asked(text), *self._said(answer, identifier, evidence), Part(ends, ANSWER, span=0)])

    def judgement(self, text: Tokens, answer: Tokens, identifier: Tokens | None, confidence: int) -> Sample:
        said = [part._replace(learn=False) for part in self._said(answer, identifier, None)]
        return self._sample([*self._asked(text), *said, Part((confidence,), ANSWER, span=0)])

    def refusal(self, text: Tokens, outcome: str) -> Sample:
        mark = next(mark for mark in self.refusals if self.outcomes[mark] == outcome)
        return self._sample([*self._asked(text), Part((mark, self.tokenizer.end), ANSWER, span=0)])

    def backtracked(self, text: Tokens, answer: Tokens | None, identifier: Tokens | None) -> Sample:
        said = [*self._asked(text), Part((self.unsure,), ANSWER, span=0)]
        if answer is None:
            return self._sample([*said, Part((self.tokenizer.idk, self.tokenizer.end), ANSWER, span=0)])
        return self._sample([*said, *self._sourced(answer, identifier), Part((self.tokenizer.end,), ANSWER, span=0)])

    def citation(self, identifier: Ids) -> list[int]:
        return [self.opening, *map(int, identifier), self.closing]

    def parse(self, tokens: Sequence[int], stop: int | None) -> str:
        """By the mark that ends it: what answers has words before it, and nothing but words; what refuses has none."""
        outcome = self.outcomes.get(-1 if stop is None else stop, "unparseable")
        worded = bool(tokens) and not self.tokenizer.reserved.intersection(tokens)
        well_formed = worded if outcome in ANSWERED else not tokens
        return outcome if well_formed else "unparseable"

    def _asked(self, text: Tokens) -> list[Part]:
        parts: tuple[Ids, ...] = ((self.tokenizer.ask,), text, (self.tokenizer.answer,))
        return [Part(part, QUESTION, learn=False, span=0) for part in parts]

    def _said(self, answer: Tokens, identifier: Tokens | None, evidence: Tokens | None) -> list[Part]:
        if identifier is None:
            return [Part(answer, ANSWER, span=0), Part((self.tokenizer.nosrc,), ANSWER, span=0)]
        cite = [Part(identifier, TAG, span=0), Part((self.closing,), TAG, span=0)]
        return [Part(answer, ANSWER, span=0), Part((self.opening,), ANSWER, span=0), *cite]

    def _sourced(self, answer: Tokens, identifier: Tokens | None) -> list[Part]:
        """The source, then what it says."""
        if identifier is None:
            return [Part((self.tokenizer.nosrc,), ANSWER, span=0), Part(answer, ANSWER, span=0)]
        cite = [Part(identifier, TAG, span=0), Part((self.closing,), TAG, span=0)]
        return [Part((self.opening,), ANSWER, span=0), *cite, Part(answer, ANSWER, span=0)]

    def _sample(self, parts: Sequence[Part]) -> Sample:
        return Sample(parts, self.closing)


class CiteFirst(Direct):
    """The source, then what it says."""

    leads = "source"

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self.outcomes = {
            tokenizer.end: "answered",
            **dict.fromkeys(tokenizer.confidences.tolist(), "answered"),
            tokenizer.idk: "abstained",
            tokenizer.false: "false_premise",
        }
        self.stops = tuple(self.outcomes)

    def _said(self, answer: Tokens, identifier: Tokens | None, evidence: Tokens | None) -> list[Part]:
        return self._sourced(answer, identifier)


class EvidenceFirst(Direct):
    """A sentence that supports the answer, with its footnote, then the answer and its source."""

    leads, evidenced = "evidence", True

    def _said(self, answer: Tokens, identifier: Tokens | None, evidence: Tokens | None) -> list[Part]:
        said = super()._said(answer, identifier, None)
        if evidence is None:
            return said
        sentence = [Part((self.begins,), ANSWER, span=0), Part(evidence, ANSWER, span=1)]
        if identifier is not None:
            sentence.append(Part([self.opening, *map(int, identifier)], TAG, note=True, span=1))
        return [*sentence, Part((self.between,), ANSWER, span=0), *said]


class Recite(CiteFirst):
    """The source, a sentence of it that supports the answer, then the answer."""

    evidenced = True

    def led(self, prompt: Ids, evidence: Ids, identifier: Ids | None = None) -> list[int]:
        return super().led([*prompt, *([] if identifier is None else self.citation(identifier))], evidence)

    def _said(self, answer: Tokens, identifier: Tokens | None, evidence: Tokens | None) -> list[Part]:
        *source, words = self._sourced(answer, identifier)
        if evidence is None:
            return [*source, words]
        sentence = [Part((mark,), ANSWER, span=0) for mark in (self.begins, self.between)]
        return [*source, sentence[0], Part(evidence, ANSWER, span=0), sentence[1], words]


FORMATS: dict[str, type[Direct]] = {
    "direct": Direct,
    "cite_first": CiteFirst,
    "evidence_first": EvidenceFirst,
    "recite": Recite,
}
EVIDENCED = tuple(name for name, form in FORMATS.items() if form.evidenced)
