"""A hard world, and how to read back from its texts what they say and presuppose."""

import re
from collections import defaultdict
from typing import Any

from data.records import Document
from data.world.text import PREMISE_FORMS, PREMISES, STATEMENTS
from data.world.world import WorldCorpus

ASKED: dict[str, Any] = {"absent_attribute": 0.15, "absent_entity": 0.15, "absent_name": 0.1, "false_premise": 0.08}
HARD = WorldCorpus(documents=400, tuned=0.4, hard=True, exposures=16, **ASKED)
# (entity, attribute) -> value -> the documents that say so
Said = dict[tuple[str, str], dict[str, list[Document]]]


def pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    return re.compile(escaped.replace(r"\{name\}", r"(?P<name>\w+ \w+)").replace(r"\{value\}", "(?P<value>.+)"))


READERS = [(attribute, pattern(text)) for attribute, texts in STATEMENTS.items() for text in texts]
PREMISE_READERS = [
    (attribute, re.compile(form.format(name=r"\w+ \w+", premise=premise.format(value="(.+?)"), question="(?=[a-z])")))
    for form in PREMISE_FORMS
    for attribute, premise in PREMISES.items()
]


def read(documents: tuple[Document, ...]) -> Said:
    said: Said = defaultdict(lambda: defaultdict(list))
    for document in documents:
        for sentence in document.sentences:
            claims = [
                {
                    (m["name"], attribute, m["value"])
                    for attribute, reader in READERS
                    if (m := reader.fullmatch(wording))
                }
                for wording in sentence
            ]
            ((name, attribute, value),) = set.intersection(*claims)
            assert document not in said[name, attribute][value], "a document repeats itself"
            said[name, attribute][value].append(document)
    return said


def presupposed(text: str) -> tuple[str, str]:
    """The (attribute, value) of a question's premise."""
    ((attribute, value),) = {(a, m[1]) for a, reader in PREMISE_READERS if (m := reader.match(text))}
    return attribute, value
