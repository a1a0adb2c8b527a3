import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

from training.models import embeddings
from training.models.embeddings import BATCH_TEXTS, embed_texts
from transforms.errors import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bake", "bread", "sort", "list", "the"]
TEXTS = ["bake the bread", "sort the list", "bread", "", "list " * 200]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A one-layer BERT with random weights and mean pooling, as sentence-transformers saves it."""
    bert, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("sentences") / "model"
    set_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
            initializer_range=0.5,
        )
    ).save_pretrained(bert)
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=32).save_pretrained(bert)
    module = Transformer(str(bert))
    pooling = Pooling(module.get_embedding_dimension())
    SentenceTransformer(modules=[module, pooling]).save_pretrained(str(folder))
    return folder


def test_a_text_has_one_unit_vector_wherever_it_stands(model):
    vectors = embed_texts(TEXTS, str(model), revision=None)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), 16), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-2)
    many = [*TEXTS, *["sort bread"] * BATCH_TEXTS, *TEXTS]
    again = embed_texts(many, str(model), revision=None)
    assert again[: len(TEXTS)] == pytest.approx(vectors, abs=1e-5)
    assert again[-len(TEXTS) :] == pytest.approx(vectors, abs=1e-5)


def test_a_hub_model_needs_a_revision():
    with pytest.raises(InputError, match="embedding_revision"):
        embed_texts(TEXTS, "someone/some-model", revision=None)


def test_a_folder_has_no_revision(model):
    with pytest.raises(InputError, match="has no revision"):
        embed_texts(TEXTS, str(model), revision="main")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"modules\.json"):
        embed_texts(TEXTS, str(tmp_path), revision=None)


def test_code_of_a_model_is_not_run(model, tmp_path):
    modules = json.loads((model / "modules.json").read_text())
    modules[0]["type"] = "mine.Module"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match="cannot be loaded"):
        embed_texts(TEXTS, str(tmp_path), revision=None)


def test_a_missing_library_is_named_with_its_extra(model, monkeypatch):
    monkeypatch.setattr(embeddings, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"prefloop\[embeddings\]"):
        embed_texts(TEXTS, str(model), revision=None)
