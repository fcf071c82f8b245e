"""Models go to Hugging Face's own implementation and come back, and say the same on either side."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
import torch
from safetensors import safe_open
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from data.pipeline.tokenizer import RESERVED, Tokenizer, TokenizerConfig, build_tokenizer
from model.hf import WEIGHTS, load_model, save_model
from model.hf_config import CONFIG
from model.transformer import Transformer

Make = Callable[..., Transformer]
SHAPES = [
    {"tied": True},
    {"tied": False, "kv_heads": 1, "theta": 1e6},
    {"tied": False, "kv_heads": 4, "head_dim": 6, "norm_eps": 1e-3, "layers": 3},
]
TOKENS = torch.randint(0, 640, (2, 24), generator=torch.Generator().manual_seed(1))
POSITIONS = torch.arange(24).expand(2, -1)


@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_computes_the_same_logits_and_greedy_text(make_model: Make, tmp_path: Path, shape: dict) -> None:
    ours = make_model(**shape)
    save_model(ours, tmp_path, longest=128, end=6)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(theirs) is Qwen3ForCausalLM
    assert theirs.dtype == torch.float32
    with torch.no_grad():
        assert (theirs(TOKENS).logits - ours(TOKENS, POSITIONS)).abs().max() <= 1e-5
        text = TOKENS
        for _ in range(12):
            after = ours(text, torch.arange(text.shape[1]).expand(2, -1))[:, -1].argmax(-1, keepdim=True)
            text = torch.cat((text, after), 1)
        said = theirs.generate(TOKENS, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert torch.equal(said, text)


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_of_transformers_is_read(tmp_path: Path, tied: bool) -> None:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=640, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=tied, initializer_range=0.3,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
    )  # fmt: skip
    theirs = Qwen3ForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path).eval()
    assert (ours.config.theta, ours.config.tied, ours.config.kv_heads) == (5000.0, tied, 2)
    with torch.no_grad():
        assert (theirs(TOKENS).logits - ours(TOKENS, POSITIONS)).abs().max() <= 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back_is_the_same_model(make_model: Make, tmp_path: Path, shape: dict) -> None:
    model = make_model(**shape)
    save_model(model, tmp_path / "deep" / "folder", longest=128, end=6)
    again = load_model(tmp_path / "deep" / "folder")
    assert again.config == model.config
    assert (again.lm_head.weight is again.embed_tokens.weight) == shape["tied"]
    for (name, left), (other, right) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(left, right)


def test_reading_draws_what_a_new_model_draws(make_model: Make, tmp_path: Path) -> None:
    """Training goes on with the random numbers after it, so that a check must not take any."""
    model = make_model()
    save_model(model, tmp_path, longest=128, end=6)
    after = []
    for make in (lambda: load_model(tmp_path), lambda: Transformer(model.config)):
        torch.manual_seed(3)
        make()
        after.append(torch.get_rng_state())
    assert torch.equal(*after)


def test_names_of_the_weights_are_frozen(make_model: Make, tmp_path: Path) -> None:
    block = (
        "input_layernorm mlp.down_proj mlp.gate_proj mlp.up_proj post_attention_layernorm self_attn.k_norm "
        "self_attn.k_proj self_attn.o_proj self_attn.q_norm self_attn.q_proj self_attn.v_proj"
    )
    names = {f"model.layers.0.{name}.weight" for name in block.split()}
    names |= {"model.embed_tokens.weight", "model.norm.weight"}
    for tied in (True, False):
        save_model(make_model(layers=1, tied=tied), tmp_path, longest=128, end=6)
        with safe_open(tmp_path / WEIGHTS, "pt") as file:
            assert set(file.keys()) == (names if tied else names | {"lm_head.weight"})
            assert file.metadata() == {"format": "pt"}
            assert {file.get_tensor(name).dtype for name in names} == {torch.float32}


def test_half_precision_is_kept_in_float32(make_model: Make, tmp_path: Path) -> None:
    model = make_model().bfloat16()
    save_model(model, tmp_path, longest=128, end=6)
    again = load_model(tmp_path)
    assert torch.equal(again.norm.weight, model.norm.weight.float())


def change(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text()) | values
        (folder / CONFIG).write_text(json.dumps({k: v for k, v in config.items() if v != "gone"}))

    return damage


def cut(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (lambda folder: (folder / CONFIG).unlink(), CONFIG),
        (lambda folder: (folder / CONFIG).write_text("{"), CONFIG),
        (lambda folder: (folder / CONFIG).write_bytes(b"\xff"), CONFIG),
        (lambda folder: (folder / CONFIG).write_text("[]"), CONFIG),
        (change(hidden_size="gone"), CONFIG),
        (change(hidden_size="32"), CONFIG),
        (change(head_dim=7), CONFIG),
        (change(rope_theta="gone"), CONFIG),
        (change(model_type="llama"), WEIGHTS),  # which has no norms of queries and keys
        (change(model_type="gone"), CONFIG),
        (change(hidden_act="gelu"), CONFIG),
        (change(use_sliding_window=True), CONFIG),
        (change(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}), CONFIG),
        (change(rope_scaling={"rope_type": "linear"}), CONFIG),
        (change(rope_scaling={"type": "dynamic", "factor": 2.0}), CONFIG),
        (change(rope_theta="x"), CONFIG),
        (change(rope_theta=0), CONFIG),
        (change(rope_theta=float("nan")), CONFIG),
        (change(rms_norm_eps=None), CONFIG),
        (change(rms_norm_eps=-1), CONFIG),
        (change(tie_word_embeddings="no"), CONFIG),
        (change(num_hidden_layers=2.0), CONFIG),
        (change(num_attention_heads=True), CONFIG),
        (change(hidden_size=10**12), WEIGHTS),  # no memory is taken for it
        (change(intermediate_size=10**12, hidden_size=10**12), WEIGHTS),
        (change(num_hidden_layers=10**9), WEIGHTS),
        (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), WEIGHTS),
        (cut, WEIGHTS),
        (change(hidden_size=64), WEIGHTS),
        (change(num_hidden_layers=1), WEIGHTS),
        (change(num_hidden_layers=3), WEIGHTS),
        (change(tie_word_embeddings=False), WEIGHTS),
    ],
)
def test_a_broken_folder_is_refused_by_name(
    make_model: Make, tmp_path: Path, damage: Callable[[Path], None], file: str
) -> None:
    save_model(make_model(), tmp_path, longest=128, end=6)
    load_model(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=f"{tmp_path / file} does not"):
        load_model(tmp_path)


def test_a_full_disk_leaves_the_model_that_is_there(make_model: Make, tmp_path: Path) -> None:
    """/dev/full takes nothing: what writes to it is told that no space is left."""
    save_model(make_model(seed=1), tmp_path / "model", longest=128, end=6)
    before = (tmp_path / "model" / WEIGHTS).read_bytes()
    made = Path.mkdir

    def full(self: Path, *args: object, **options: object) -> None:
        made(self, *args, **options)  # type: ignore[arg-type]
        (self / CONFIG).symlink_to("/dev/full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        with pytest.raises(OSError, match=f"{tmp_path / 'model'} can't be written.*No space left"):
            save_model(make_model(seed=2), tmp_path / "model", longest=128, end=6)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / WEIGHTS).read_bytes() == before


def test_weights_may_come_from_elsewhere(make_model: Make, tmp_path: Path) -> None:
    """As those of a model that is spread over devices do, gathered."""
    one, two = make_model(seed=1), make_model(seed=2)
    save_model(one, tmp_path, longest=128, end=6, state=two.state_dict())
    assert torch.equal(load_model(tmp_path).norm.weight, two.norm.weight)


def borrowed(path: Path) -> TokenizerConfig:
    """A tokenizer.json as others have them: it puts a mark before each text, and cuts it."""
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer, theirs.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    theirs.train_from_iterator(
        [" Ada Moss was born in Oslo."] * 9, trainers.BpeTrainer(special_tokens=["<s>"], initial_alphabet=alphabet)
    )
    theirs.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    theirs.enable_truncation(3)
    theirs.save(str(path))
    return TokenizerConfig(base=str(path))


@pytest.mark.parametrize("own", [True, False])
def test_text_goes_in_and_out_in_transformers_alone(
    make_model: Make, tokenizer: Tokenizer, tmp_path: Path, own: bool
) -> None:
    ours = tokenizer if own else build_tokenizer(borrowed(tmp_path / "base.json"), [])
    folder = tmp_path / "model"
    save_model(make_model(vocab_size=640), folder, longest=128, end=ours.end, beside=ours.exported(128))
    theirs = AutoTokenizer.from_pretrained(folder)
    assert (len(theirs), theirs.pad_token_id, theirs.eos_token_id) == (len(ours), ours.pad, ours.end)
    assert set(theirs.all_special_tokens) == set(RESERVED)
    assert theirs.convert_tokens_to_ids(list(RESERVED)) == [ours.backend.token_to_id(token) for token in RESERVED]
    for text in ("Ada Moss was born in Oslo.", "Zoë  Ķuill ,\n don't", "🙂 中", "<|unknown|> <s"):
        ids = ours.encode([text])[0].tolist()
        assert theirs(" " + text)["input_ids"] == ids
        assert theirs.decode(ids) == " " + text == " " + ours.decode(ids)
    asked, said = ours.encode(["Where was Ada Moss born?", "Oslo."])
    marked = [ours.ask, *asked, ours.answer, *said, ours.src, ours.codes[255], ours.end_src, ours.idk, ours.end]
    text = "<|ask|> Where was Ada Moss born?<|answer|> Oslo.<|src|><|id_255|><|/src|><|idk|><|end|>"
    assert theirs(text)["input_ids"] == marked
    assert theirs.decode(marked) == text
    assert theirs.decode(marked, skip_special_tokens=True) == " Where was Ada Moss born? Oslo."
    assert (
        theirs("<|end|>", split_special_tokens=True)["input_ids"]
        == ours.backend.encode("<|end|>", add_special_tokens=False).ids
    )


def test_others_may_read_what_may_be_read(make_model: Make, tmp_path: Path) -> None:
    save_model(make_model(), tmp_path / "model", longest=128, end=6)
    assert len({path.stat().st_mode for path in (tmp_path / "model").iterdir()}) == 1
