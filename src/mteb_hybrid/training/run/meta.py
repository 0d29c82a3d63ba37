"""What MTEB needs to know of a trained model: the fields of its ``ModelMeta``."""

from typing import Any

from sentence_transformers import SentenceTransformer

from mteb_hybrid.recipes.places import facts_of_base
from mteb_hybrid.recipes.recipe import Recipe


def model_meta(recipe: Recipe, model: SentenceTransformer, revision: str) -> dict[str, Any]:
    """Describe a trained model to MTEB.

    Args:
        recipe: How it was trained.
        model: The model.
        revision: Hash of its files.

    Returns:
        The fields of ``mteb.models.ModelMeta``, as JSON; `loader` is left to MTEB, and `licence`,
        `date` and `reference` to whoever publishes the model. MTEB adds the training data of
        `adapted_from` itself, if it knows them; those of a folder are taken from the run that made
        it, and unknown if none did.
    """
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction

    trained_on = [data.tasks() for data in recipe.data]
    adapted_from: str | None = recipe.model.name
    if not recipe.model.on_hub:
        before = facts_of_base(recipe.model)
        trained_on.append(before.get("training_datasets"))
        adapted_from = before.get("adapted_from")
    known = {task for tasks in trained_on for task in tasks or ()}
    prompts = {"query": recipe.model.query_prompt, "document": recipe.model.passage_prompt}
    parameters = dict(model.named_parameters())
    embeddings = sum(p.numel() for name, p in parameters.items() if "word_embeddings" in name)
    memory = sum(p.numel() * p.element_size() for p in parameters.values())
    meta = ModelMeta.create_empty(
        {
            "name": f"local/{recipe.name}",
            "revision": revision,
            "languages": list(recipe.languages.values()),
            "n_parameters": sum(parameter.numel() for parameter in parameters.values()),
            "n_embedding_parameters": embeddings or None,
            "memory_usage_mb": round(memory / 2**20),
            "max_tokens": model.max_seq_length,
            "embed_dim": model.get_embedding_dimension(),
            "framework": ["Sentence Transformers", "PyTorch", "safetensors"],
            "similarity_fn_name": ScoringFunction.COSINE,
            "use_instructions": any(prompts.values()),
            # One corpus of unknown origin makes the whole unknown: None is MTEB's word for it.
            "training_datasets": None if None in trained_on else known,
            "adapted_from": adapted_from,
            "loader_kwargs": {"model_prompts": prompts} if any(prompts.values()) else {},
        }
    )
    fields = meta.model_dump(mode="json", exclude={"loader"})
    if fields["training_datasets"] is not None:
        fields["training_datasets"].sort()
    return fields
