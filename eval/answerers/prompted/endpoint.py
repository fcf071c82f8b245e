"""A model behind an OpenAI-compatible endpoint: `/v1/completions` for text, `/v1/chat/completions` for turns.

Each question is a request of its own; some are under way at once. Busy or failing servers (429, 5xx, lost connections,
replies that can't be read) are asked again after a pause that doubles, or as long as `Retry-After` says.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Any

from eval.answerers.prompted.answerer import Written
from eval.answerers.prompted.prompt import LONGEST, STOPS, FewShot

KEY = "OPENAI_API_KEY"
LONGEST_PAUSE = 60.0  # seconds


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the key is for the server that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stays)


@dataclass(frozen=True)
class Endpoint:
    """A model by its name, at a url that ends in /completions or /chat/completions.

    Attributes:
        parallel: requests under way at once.
        timeout: seconds that a reply may take.
        tries: times that a question is asked before giving up.
        pause: seconds before the second time.
    """

    url: str
    model: str
    parallel: int = 8
    timeout: float = 120.0
    tries: int = 6
    pause: float = 1.0

    def __post_init__(self) -> None:
        if not (self.url.startswith(("http://", "https://")) and self.url.endswith("/completions")):
            raise ValueError(
                f"endpoint={self.url} must be a url that ends in /completions (text) or /chat/completions (turns)"
            )

    def write(self, shots: FewShot, questions: Sequence[str]) -> list[Written]:
        """Ask them all.

        Raises OSError where a server keeps failing or refuses: with its status and the beginning of what it says.
        """
        with ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(partial(self._ask, shots), questions))

    def _ask(self, shots: FewShot, question: str) -> Written:
        chats = self.url.endswith("/chat/completions")
        body: dict[str, Any] = {"model": self.model, "max_tokens": LONGEST, "temperature": 0}
        if chats:
            body |= {"messages": shots.turns(question), "logprobs": True}
        else:
            body |= {"prompt": shots.text(question), "logprobs": 1, "stop": list(STOPS)}
        read = _read_chat if chats else _read_text
        for attempt in itertools.count(1):
            wait = self.pause * 2 ** (attempt - 1)
            try:
                return read(self._post(body))
            except urllib.error.HTTPError as error:
                fault = f"{error.code} {error.reason}: {error.read(300).decode(errors='replace')}"
                if error.code != 429 and error.code < 500:
                    raise OSError(f"{self.url} refuses: {' '.join(fault.split())}") from None
                after = error.headers.get("Retry-After", "")
                wait = float(after) if after.isdigit() else wait
            except (OSError, HTTPException, ValueError) as error:  # no connection, too slow, cut off, or no such JSON
                fault = f"{type(error).__name__}: {error}"
            if attempt == self.tries:
                raise OSError(f"{self.url} failed {attempt} times, at last with {' '.join(fault.split())}")
            time.sleep(min(wait, LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def _post(self, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        with _OPENER.open(request, timeout=self.timeout) as reply:
            return json.loads(reply.read())


def _read_text(reply: Any) -> Written:
    try:
        choice = reply["choices"][0]
        shown = choice.get("logprobs") or {}
        return _written(choice["text"], shown.get("tokens") or [], shown.get("token_logprobs") or [])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"not a reply of /completions ({type(error).__name__}: {error})") from None


def _read_chat(reply: Any) -> Written:
    try:
        choice = reply["choices"][0]
        shown = (choice.get("logprobs") or {}).get("content") or []
        return _written(choice["message"]["content"], [t["token"] for t in shown], [t["logprob"] for t in shown])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"not a reply of /chat/completions ({type(error).__name__}: {error})") from None


def _written(text: Any, tokens: Sequence[str], scores: Sequence[float]) -> Written:
    """Raises TypeError where the text is none; without scores for all tokens there are none."""
    if not isinstance(text, str):
        raise TypeError(f"its text is {json.dumps(text)[:40]}")
    if len(tokens) != len(scores) or not all(isinstance(score, float | int) for score in scores):
        return Written(text)
    return Written(text, tuple(itertools.accumulate(map(len, tokens))), tuple(map(float, scores)))
