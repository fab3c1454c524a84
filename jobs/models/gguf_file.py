"""Writes the trained model as GGUF v3 (PyPI package `gguf`): matrices BF16, norms F32, vocabulary inside."""
import gguf
import numpy as np

from vocabulary import to_lists
from world import ASSISTANT, BOS, CONTROL_TOKENS, EOS, PAD, USER

# The same turn format as world.chat. BOS is left to add_bos_token.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}" + USER + "{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}" + ASSISTANT + "{{ message['content'] }}{{ eos_token }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)


def neighbours_from_halves(weight, heads):
    """Row (half h, index i) of each head moves to row 2i + h: GGUF's `llama` rotates neighbouring pairs."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(path, model, tokenizer, name, description):
    shape = model.shape
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_description(description)
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_vocab_size(shape.vocabulary)

    tokens, merges = to_lists(tokenizer)
    assert len(tokens) == shape.vocabulary and tokens[:len(CONTROL_TOKENS)] == CONTROL_TOKENS
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in CONTROL_TOKENS else gguf.TokenType.NORMAL
                            for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(EOS))
    writer.add_pad_token_id(tokens.index(PAD))
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)

    for tensor, parameter in model.named_parameters():
        values = parameter.detach().cpu().float().numpy()
        if tensor.endswith("attn_q.weight"):
            values = neighbours_from_halves(values, shape.heads)
        elif tensor.endswith("attn_k.weight"):
            values = neighbours_from_halves(values, shape.kv_heads)
        if values.ndim == 1:
            writer.add_tensor(tensor, values)
            continue
        bf16 = gguf.GGMLQuantizationType.BF16
        writer.add_tensor(tensor, gguf.quants.quantize(np.ascontiguousarray(values), bf16), raw_dtype=bf16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
