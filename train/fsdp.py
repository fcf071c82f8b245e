"""FSDP2 under Lightning: parameters, gradients and optimiser state spread over the devices, checkpoints as ever.

Lightning's own ModelParallelStrategy shards; what is replaced here is how it saves and loads, since that pickles and
writes in place. A checkpoint holds whole tensors, gathered on the first rank and written by the CheckpointIO plugin.
"""

from __future__ import annotations

from typing import Any, cast

from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.optim import Optimizer

from model.transformer import Transformer

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
SPREAD = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


class FSDP2(ModelParallelStrategy):
    """Data-parallel over all devices, sharded by `shard`, with checkpoints through the CheckpointIO plugin."""

    def __init__(self) -> None:
        super().__init__(data_parallel_size="auto", tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes  # "auto" would be the nodes only
        super().setup_environment()

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        assert self.model is not None
        return get_optimizer_state_dict(self.model, getattr(optimizer, "_optimizer", optimizer), options=WHOLE)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        Strategy.save_checkpoint(self, checkpoint, filepath, storage_options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        checkpoint = self.checkpoint_io.load_checkpoint(checkpoint_path)
        assert self.model is not None
        set_model_state_dict(self.model, checkpoint["state_dict"], options=SPREAD)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            set_optimizer_state_dict(self.model, optimizer, optim_state_dict=state, options=SPREAD)
        return checkpoint


def shard(model: Transformer, mesh: DeviceMesh) -> None:
    """Spread the model over the mesh's data-parallel dimension, block by block; the rest stays whole within a step.

    The rest is the embedding, the last norm and the output layer, which may be one matrix and is used after `hidden`.
    """
    for block in model.layers:
        fully_shard(block, mesh=mesh["data_parallel"])
    fully_shard(model, mesh=mesh["data_parallel"], reshard_after_forward=False)
    register_fsdp_forward_method(model, "hidden")


def shard_whole(module: nn.Module, mesh: DeviceMesh) -> None:
    """Spread a small module as one."""
    fully_shard(module, mesh=mesh["data_parallel"])


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """All weights on the CPU, on the first rank; every rank has to call."""
    return cast(dict[str, Tensor], get_model_state_dict(model, options=WHOLE))
