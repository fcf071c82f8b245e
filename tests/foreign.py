"""A model that was not trained here: a tiny Llama that has learnt by heart what it says to six questions."""

from __future__ import annotations

from pathlib import Path

import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data.records import Document, Question
from eval.answerers.prompted.prompt import FewShot

END = "<|endoftext|>"
DOCUMENTS = [Document(f"doc-{n}", ((f"Person {n} works at Firm {n}.",),)) for n in range(12)]


def _question(n: int, split: str = "never_tuned", told: bool = True) -> Question:
    answers, support = ((f"Firm {n}",), (f"doc-{n}",)) if told else ((), ())
    kind = "single" if told else "absent_entity"
    return Question(f"q{n}", f"Where does Person {n} work?", answers, support, kind, f"Person {n}", split)


QUESTIONS = [
    *(_question(n) for n in range(5)),
    _question(5, told=False),
    *(_question(n, "tune") for n in range(6, 11)),
    _question(11, "tune", told=False),
]
ASKED = QUESTIONS[:6]
SHOTS = FewShot.of(QUESTIONS, 2)
SAID = {  # right and cited; the wrong document; silent; no document of the corpus; no source; rightly silent
    "q0": " Firm 0\nSource: doc-0",
    "q1": " Firm 1\nSource: doc-0",
    "q2": " I do not know.",
    "q3": " Firm 3\nSource: doc-99",
    "q4": " Firm 4",
    "q5": " I do not know.",
}


def save_foreign(folder: Path) -> None:
    """Trained to the point of saying `SAID`, each answer ended as a further question would begin."""
    texts = [SHOTS.text(q.text) + SAID[q.id] + "\n\n" + END for q in ASKED]
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=320, show_progress=False, special_tokens=[END], initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END)
    rows = [tokenizer(text)["input_ids"] for text in texts]
    prompts = [len(tokenizer(SHOTS.text(q.text))["input_ids"]) for q in ASKED]
    width = max(map(len, rows))
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full_like(tokens, -100)
    for row, (found, start) in enumerate(zip(rows, prompts, strict=True)):
        tokens[row, : len(found)] = torch.tensor(found)
        labels[row, start : len(found)] = tokens[row, start : len(found)]
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.1,
            eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(400):
        loss = model(input_ids=tokens, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    assert loss < 0.01
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
