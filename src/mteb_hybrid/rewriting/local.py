"""A language model in a folder, run with transformers, and never with its own code."""

import hashlib
from pathlib import Path
from typing import Any

from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.rewriting.overlay import RewriteError
from mteb_hybrid.translation.cache import Translated


class LocalModel:
    """A causal language model. An answer depends on prompt and seed, not on what else is asked.

    Args:
        folder: What ``save_pretrained`` wrote: weights in safetensors, and the tokenizer. If that
            has a template for chats, the prompt is a user's message, else it is text to go on with.
        temperature: Of the sampling; 0 takes the likeliest token each time.
        max_tokens: Longest answer.
        device: Torch device; by default the first GPU, else the CPU.

    Attributes:
        by: What it is called in provenances: ``local/FOLDER``.
        options: What an answer depends on, beside prompt and seed.
        at_once: How many questions are asked at the same time.

    Raises:
        RewriteError: If it cannot be loaded, or is no causal language model.
        ModelError: If one of its files is damaged.
    """

    at_once = 1

    def __init__(
        self, folder: Path, temperature: float, max_tokens: int, device: str | None = None
    ) -> None:
        import torch
        import transformers
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        from mteb_hybrid.models.contents import folder_hash
        from mteb_hybrid.models.load import check_files

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        clean(folder)
        if not folder.is_dir():
            raise RewriteError(f"--local {folder}: no such folder")
        check_files(folder, None)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype="auto",
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (OSError, ValueError) as error:
            raise RewriteError(
                f"--local {folder}: no causal language model with safetensors weights ({error})"
            ) from None
        model, about = loaded
        if about["missing_keys"]:
            raise RewriteError(
                f"--local {folder}: no causal language model: its weights lack "
                f"{min(about['missing_keys'])}, which would be random"
            )
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval()
        self.by = f"local/{folder.resolve().name}"
        self.options: dict[str, str | int | float] = {
            "revision": folder_hash(folder),
            "temperature": temperature,
            "max_tokens": max_tokens,
            "dtype": str(model.dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def stop(self) -> None:
        """Nothing waits."""

    def ask(self, prompt: str, seed: int) -> Translated:
        """What the model answers, and whether that was cut by the limit of tokens.

        Args:
            prompt: The prompt.
            seed: Seed of the sampling, together with the prompt.
        """
        import torch

        if self._tokenizer.chat_template:
            prompt = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
        given = self._tokenizer(
            prompt, return_tensors="pt", add_special_tokens=not self._tokenizer.chat_template
        ).to(self._device)
        temperature, most = self.options["temperature"], int(self.options["max_tokens"])
        sampling: dict[str, Any] = (
            {"do_sample": True, "temperature": float(temperature)}
            if temperature
            else {"do_sample": False}
        )
        digest = hashlib.sha256(f"{seed}|{prompt}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:7]))
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=given["input_ids"],
                attention_mask=given["attention_mask"],
                max_new_tokens=most,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                **sampling,
            )
        new = made[0, given["input_ids"].shape[1] :]
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        ends = self._model.generation_config.eos_token_id
        last = new[-1].item() if len(new) else None
        ended = last in (ends if isinstance(ends, list) else [ends])
        return Translated(text.strip(), len(new) >= most and not ended)
