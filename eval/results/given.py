"""What is given more than a user has: the corpus's own statement form of each question (`Question.statement`).

Such a system shows what a model holds, not what one gets by asking it. It is marked so wherever it stands and is never
a headline.
"""

from __future__ import annotations

from typing import Any

MARK = "given the statement form"
SYSTEMS = ("declarative", "cloze", "selected", "bidirectional", "bidirectional_sum")  # of attribution and of abstention
SIGNALS = ("lp_statement_given_id", "lp_id_given_statement", "lp_statement")


def marked(name: Any) -> str:
    """The name of a system or a signal; with `MARK` where it is given the statement form."""
    return f"{name}, {MARK}" if name in SYSTEMS or name in SIGNALS else str(name)
