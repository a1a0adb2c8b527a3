"""The numbers of a decoder that decide its weights, its arithmetic and its memory.

They are those of config.json of Llama-like models: grouped-query attention, a gated MLP, RMSNorm.
Not here: the numbers of known models (`training.planning.known_models`). Imports no torch.
"""

from pydantic import Field

from transforms.settings.frozen import Settings


class ArchitectureSettings(Settings):
    """The architecture of a model; config.json on the model's hub page has the numbers."""

    hidden_size: int = Field(ge=1)
    """Width (hidden_size)."""
    layers: int = Field(ge=1)
    """Decoder layers (num_hidden_layers)."""
    heads: int = Field(ge=1)
    """Attention heads (num_attention_heads)."""
    kv_heads: int = Field(ge=1)
    """Heads of keys and values (num_key_value_heads; if it is missing, as many as heads)."""
    head_size: int = Field(ge=1)
    """Width of a head (head_dim; if it is missing, hidden_size / heads)."""
    intermediate_size: int = Field(ge=1)
    """Width of the gated MLP (intermediate_size)."""
    vocab_size: int = Field(ge=1)
    """Rows of the embeddings (vocab_size)."""
    tied: bool = False
    """Whether the language head is the embedding matrix (tie_word_embeddings)."""
    qkv_bias: bool = False
    """Whether the projections to queries, keys and values have a bias (Qwen2)."""
    qk_norm: bool = False
    """Whether queries and keys are normalised (Qwen3, Gemma 3)."""
    norms_per_layer: int = Field(default=2, ge=1)
    """Norms of the width per layer: 2, or 4 (Gemma 2 and 3)."""
    model_type: str = ""
    """Type of the model (model_type). Tested types compute the prompt of a pair once
    (`training.models.one_pass`); without a type, the plan counts it twice."""

    @property
    def attention_weights(self) -> int:
        """Weights of one layer's four projections, without biases and norms."""
        return self.hidden_size * self.head_size * 2 * (self.heads + self.kv_heads)

    @property
    def mlp_weights(self) -> int:
        """Weights of one layer's gated MLP: three matrices."""
        return 3 * self.hidden_size * self.intermediate_size

    @property
    def layer_weights(self) -> int:
        """Weights of one layer."""
        bias = (self.heads + 2 * self.kv_heads) * self.head_size if self.qkv_bias else 0
        head_norms = 2 * self.head_size if self.qk_norm else 0
        norms = self.norms_per_layer * self.hidden_size
        return self.attention_weights + self.mlp_weights + bias + head_norms + norms

    @property
    def embedding_weights(self) -> int:
        """Weights of the input embeddings; an untied language head has as many."""
        return self.vocab_size * self.hidden_size

    @property
    def weights(self) -> int:
        """Weights of the causal language model: layers, embeddings, head, last norm."""
        heads = self.embedding_weights * (1 if self.tied else 2)
        return self.layers * self.layer_weights + heads + self.hidden_size

    @property
    def reward_weights(self) -> int:
        """Weights of a reward model: a scalar head instead of the language head."""
        layers = self.layers * self.layer_weights
        return layers + self.embedding_weights + 2 * self.hidden_size

    @property
    def matrix_weights(self) -> int:
        """Weights of the layers that multiply every token: neither embeddings nor heads."""
        return self.layers * (self.attention_weights + self.mlp_weights)

    @property
    def cache_elements(self) -> int:
        """Numbers of the key-value cache per token."""
        return 2 * self.layers * self.kv_heads * self.head_size
