"""LoRA adapters in a run: checkpoints that need no name of a base, and merging at the end."""

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from mteb_hybrid.training.run.trainer import RunTrainer


class AdapterTrainer(RunTrainer):
    """A trainer whose checkpoints hold the adapter alone.

    The stock one reloads the base by the name that the adapter's configuration gives, and the
    offline model has none; here the base is in place already, as the recipe builds it.
    """

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        save_adapter(self.model, Path(output_dir or str(self.args.output_dir)))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        from peft import load_peft_weights, set_peft_model_state_dict

        weights = load_peft_weights(resume_from_checkpoint, device=str(self.model.device))
        set_peft_model_state_dict(_adapted(self.model), weights)


def _adapted(model: SentenceTransformer) -> Any:
    transformer: Any = model[0]
    return transformer.model


def save_adapter(model: SentenceTransformer, folder: Path) -> None:
    """Write the adapter of a model, as peft does."""
    # Otherwise peft asks the hub whether the base has the same vocabulary.
    _adapted(model).save_pretrained(str(folder), save_embedding_layers=False)


def merge_adapter(model: SentenceTransformer) -> None:
    """Add the adapter to the model's own parameters, so that it loads without peft."""
    transformer: Any = model[0]
    transformer.model = transformer.model.merge_and_unload()
