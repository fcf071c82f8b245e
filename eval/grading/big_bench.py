"""Tasks of multiple choice in BIG-bench's JSON form: one file a task, read and written.

    {"name": ..., "description": ..., "keywords": [...], "metrics": ["multiple_choice_grade"],
     "preferred_score": "multiple_choice_grade",
     "examples": [{"input": ..., "target_scores": {choice: 1 or 0, ...}}, ...]}

(Srivastava et al. 2022, arXiv 2206.04615.) A model reads `task_prefix`, `example_input_prefix` (where a file has none,
"\\nQ: "), the input, the choices, each behind `choice_prefix` ("\\n  choice: "), unless `append_choices_to_input` is
false, and `example_output_prefix` ("\\nA: "); then comes a choice. BIG-bench shows the choices in an order drawn at
random, here they stand as in the file. What is written here has no prefix and shows no choices. Scores are 0 or 1:
graded ones have no right choice. An example may have a key `about`, whom intervals resample.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from data import fields
from data.atomic import write_json
from data.fields import RecordError

GRADE = "multiple_choice_grade"
BARE: dict[str, Any] = {"example_input_prefix": "", "example_output_prefix": "", "append_choices_to_input": False}


@dataclass(frozen=True)
class Example:
    """A text and the choices of what follows it.

    Attributes:
        choices: each with whether it is right.
        about: what it is about, such as an entity: intervals resample these. "" for nothing but itself.
    """

    input: str
    choices: Mapping[str, bool]
    about: str = ""

    def __post_init__(self) -> None:
        if len(self.choices) < 2 or not any(self.choices.values()):
            raise RecordError('"target_scores" needs two choices or more, one of them right')

    @property
    def continuations(self) -> list[str]:
        """The choices as they follow the input."""
        spaced = self.input[-1:].isspace()
        return [choice if spaced or choice[:1].isspace() else f" {choice}" for choice in self.choices]

    @classmethod
    def from_json(cls, value: Any, form: Mapping[str, Any] = BARE) -> Self:
        """Raises RecordError.

        Args:
            form: the task's keys that say what stands around the input.
        """
        if not isinstance(value, dict):
            raise RecordError(f"an example must be an object, not {fields.shown(value)}")
        scores = value.get("target_scores")
        if not isinstance(scores, dict) or not all(score in (0, 1) for score in scores.values()):
            raise RecordError(f'"target_scores" must give each choice 0 or 1, not {fields.shown(scores)}')
        chosen = {choice: bool(score) for choice, score in scores.items()}
        before = fields.text(form, "task_prefix", "") + fields.text(form, "example_input_prefix", "\nQ: ")
        choice, behind = (
            fields.text(form, "choice_prefix", "\n  choice: "),
            fields.text(form, "example_output_prefix", "\nA: "),
        )
        listed = "".join(choice + each for each in chosen) if form.get("append_choices_to_input", True) else ""
        return cls(f"{before}{fields.text(value, 'input')}{listed}{behind}", chosen, fields.text(value, "about", ""))

    def to_json(self) -> dict[str, Any]:
        about = {"about": self.about} if self.about else {}
        return {"input": self.input, "target_scores": {c: int(right) for c, right in self.choices.items()}} | about


@dataclass(frozen=True)
class Task:
    """A named set of examples."""

    name: str
    description: str
    examples: Sequence[Example]
    keywords: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Raises RecordError, naming the example."""
        if not isinstance(value, dict):
            raise RecordError(f"a task must be an object, not {fields.shown(value)}")
        examples = []
        for number, item in enumerate(fields.items(value, "examples")):
            try:
                examples.append(Example.from_json(item, value))
            except RecordError as error:
                raise RecordError(f"examples[{number}]: {error}") from None
        if not examples:
            raise RecordError('"examples" has none')
        named = fields.text(value, "name"), fields.text(value, "description", "")
        return cls(*named, tuple(examples), fields.texts(value, "keywords", ()))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "keywords": list(self.keywords),
            "metrics": [GRADE],
            "preferred_score": GRADE,
            **BARE,
            "examples": [example.to_json() for example in self.examples],
        }


def read_task(path: str | os.PathLike[str]) -> Task:
    """Raises RecordError, naming the file and the key, for what is no such task."""
    try:
        return Task.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON ({error})") from None


def write_task(path: str | os.PathLike[str], task: Task) -> None:
    """Inverse of `read_task`, whole or not at all."""
    write_json(Path(path), task.to_json())
