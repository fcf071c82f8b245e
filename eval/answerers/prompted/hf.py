"""Any causal language model of transformers, from a folder with safetensors: it continues prompts and ranks documents.

Decoding is greedy, whatever the folder's generation_config.json asks for. No code of a folder is ever run.

Shape letters: B prompts, T tokens, N prefixes, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eval.answerers.prompted.answerer import Written
from eval.answerers.prompted.prompt import LONGEST, STOPS, FewShot
from eval.grading.attribution import RANKS
from model.generate import Opened, best_first
from model.trie import Node, Trie

SOURCE = "Source:"


class HFModel:
    """A model with its tokenizer, in the precision that its folder has.

    Raises:
        ValueError: transformers isn't installed, or the folder holds no model that can be read without running code.
    """

    def __init__(self, folder: str, device: str = "") -> None:
        try:
            import transformers
            from safetensors import SafetensorError  # of a damaged file; transformers lets it through
        except ImportError:
            raise ValueError("a Hugging Face folder needs transformers: pip install transformers") from None
        if not (Path(folder) / "config.json").is_file():
            raise ValueError(f"{folder} is no folder of a Hugging Face model (no config.json)")
        self.device = _device(device)
        known: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        try:
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left", **known)
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype="auto", **known
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"{folder} can't be read: {str(error).strip().splitlines()[0]}") from None
        if not self.tokenizer(SOURCE)["input_ids"]:  # transformers makes an empty one where the folder has none
            raise ValueError(f"{folder} has no tokenizer that reads text: put the model's tokenizer.json into it")
        self.model: Any = model.to(self.device).eval()
        ends = model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token_id = (ends[0] if isinstance(ends, list) else ends) or 0
        # In place of the folder's own: sampling, penalties and minimal lengths would not be greedy
        model.generation_config = transformers.GenerationConfig(
            max_new_tokens=LONGEST, do_sample=False, eos_token_id=ends, pad_token_id=self.tokenizer.pad_token_id
        )

    @torch.inference_mode()
    def write(self, shots: FewShot, questions: Sequence[str]) -> list[Written]:
        """Continue the prompts side by side, each up to where its answer ends.

        Raises ValueError for a prompt longer than the model reads.
        """
        read = self.tokenizer([shots.text(question) for question in questions], return_tensors="pt", padding=True)
        prompt = read["input_ids"].to(self.device)
        self.check_length(prompt.shape[1] + LONGEST)
        found = self.model.generate(
            input_ids=prompt,
            attention_mask=read["attention_mask"].to(self.device),
            stopping_criteria=[partial(self._stopped, prompt.shape[1])],
            output_logits=True,
            return_dict_in_generate=True,
        )
        written = found.sequences[:, prompt.shape[1] :]  # (B, T)
        # step by step: all logits (T, B, V) in float32 at once would be large
        steps = [logits.float().log_softmax(-1) for logits in found.logits]
        scores = torch.stack([s.gather(1, t[:, None])[:, 0] for s, t in zip(steps, written.T, strict=True)], 1)
        return [self._written(*row) for row in zip(written.tolist(), scores.tolist(), strict=True)]

    def _stopped(self, start: int, tokens: torch.Tensor, _: Any) -> torch.Tensor:
        texts = [self._decode(row) for row in tokens[:, start:].tolist()]
        return torch.tensor([any(stop in text for stop in STOPS) for text in texts], device=tokens.device)

    def _written(self, tokens: Sequence[int], scores: Sequence[float]) -> Written:
        """Up to where its answer ends: what follows in a batch is padding."""
        ends: list[int] = []
        text = ""
        for place, token in enumerate(tokens):
            text = self._decode(tokens[: place + 1])  # a token alone may be half a letter
            ends.append(len(text))
            if token in self._ends or any(stop in text for stop in STOPS):
                break
        cut = min((place for stop in STOPS if (place := text.find(stop)) >= 0), default=len(text))
        return Written(text[:cut], tuple(ends), tuple(scores[: len(ends)]))

    @property
    def _ends(self) -> list[int]:
        ends = self.model.generation_config.eos_token_id
        return ends if isinstance(ends, list) else [ends]

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def check_length(self, size: int) -> None:
        longest = getattr(self.model.config, "max_position_embeddings", None)
        if longest and size > longest:
            raise ValueError(
                f"a prompt with its answer takes {size} tokens, and the model reads {longest}: give fewer shots"
            )


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={name} can't be used: {str(error).splitlines()[0]}") from None
    return device


class HFRanker:
    """Ranks all documents behind an answer, exactly: see `best_first`. An identifier ends with its line.

    Raises ValueError where the tokenizer does not tell identifiers apart from what stands around them.
    """

    def __init__(self, model: HFModel, ids: Sequence[str], most: int = RANKS) -> None:
        self.model, self.ids, self.most = model, list(ids), most
        head = self._encode(SOURCE)
        spelled = [self._encode(f"{SOURCE} {id}") for id in self.ids]
        self.end = self._encode("\n")[-1]
        if any(tokens[: len(head)] != head or self.end in tokens for tokens in spelled):
            raise ValueError("this tokenizer joins identifiers with what stands around them: give citations=free")
        self.trie = Trie.build([np.array(tokens[len(head) :], dtype=np.int32) for tokens in spelled], self.end)
        if len(self.trie.table) < len(self.ids):
            raise ValueError("this tokenizer writes two identifiers alike: give citations=free")

    @torch.inference_mode()
    def cite(self, shots: FewShot, question: str, answer: str) -> tuple[tuple[str, float], ...]:
        """The likeliest documents, each with the log-probability of its identifier; see `Ranker`."""
        prompt = self.model.tokenizer(f"{shots.text(question)} {answer}\n{SOURCE}", return_tensors="pt")["input_ids"]
        self.model.check_length(prompt.shape[1] + self.trie.table.shape[1])
        read = self.model.model(input_ids=prompt.to(self.model.device), use_cache=True)
        cache = getattr(read, "past_key_values", None)
        if not hasattr(cache, "batch_repeat_interleave"):
            raise ValueError("this model keeps no attention cache that can be read on from: give citations=free")
        first = read.logits[:, -1].double().log_softmax(-1).cpu().numpy()
        (found,) = best_first(first, partial(self._expand, cache), self.trie, self.end, self.most)
        return tuple((self.ids[index], score) for index, score in found)

    def _expand(self, cache: Any, nodes: Opened) -> list[tuple[int, Node, float, np.ndarray]]:
        opened = nodes.get(0, [])  # one question at a time: its context needs no padding
        if not opened:
            return []
        prefixes = [self.trie.prefix(node) for _, node in opened]
        tokens = np.zeros((len(prefixes), max(map(len, prefixes))), dtype=np.int64)  # (N, T)
        for row, prefix in enumerate(prefixes):
            tokens[row, : len(prefix)] = prefix  # what fills it up comes after, so that nothing sees it
        branch = copy.deepcopy(cache)
        branch.batch_repeat_interleave(len(prefixes))
        laid = torch.from_numpy(tokens).to(self.model.device)
        logits = self.model.model(input_ids=laid, past_key_values=branch, use_cache=True).logits
        last = logits[range(len(prefixes)), [len(prefix) - 1 for prefix in prefixes]]
        log_probs = last.double().log_softmax(-1).cpu().numpy()
        return [(0, node, cost, scores) for (cost, node), scores in zip(opened, log_probs, strict=True)]

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self.model.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens
