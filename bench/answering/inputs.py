"""A model that answers in the grammar, for the speed of answering: a few steps on questions teach the form, not facts.

Such a model's citations are near to uniform, which is the most work for an exact search over the identifiers.
"""

from __future__ import annotations

import torch

from bench.device import autocast, start
from bench.inputs import read_shape
from bench.settings import Measured, Settings, contend
from bench.training.mixture import make_training
from data.pipeline.stream import Stream
from model.attention import training_mask
from model.hf import save_model
from model.loss import token_nll
from model.transformer import Transformer
from train.optim.optimizer import build_optimizer

ANSWERING = "answering"
QUESTIONS = 0.9  # of the tokens
LR = 2e-3


def make(settings: Settings) -> Measured:
    """Train for the settings' steps, write the model into its folder, and tell the last loss."""
    device = start(settings)
    training = make_training(settings, QUESTIONS, LR)
    model = Transformer(read_shape(settings)).to(device)
    optimizer = build_optimizer(model, training.optimizer)
    loss = torch.zeros(())
    for micro in Stream(training.first, training.second, training.plan, training.tokenizer.pad):
        batch = micro.to(device).batch
        with autocast(settings):
            mask = training_mask(batch.doc, batch.span, batch.note)
            nll = token_nll(model, batch.tokens, batch.positions, batch.targets, mask)
        loss = nll.sum() / micro.step_weight
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.optimizer.clip)
        optimizer.step()
        optimizer.zero_grad()
    save_model(model, settings.path / ANSWERING, longest=settings.row, end=training.tokenizer.end)
    return {"loss": float(loss.detach())}


if __name__ == "__main__":
    contend(make)
