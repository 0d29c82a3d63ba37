"""A translation model: loaded by its family, run with beam search, and never with its own code."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.places import cache_folder
from mteb_hybrid.translation.cache import Translated, TranslationCache
from mteb_hybrid.translation.model_languages import (
    Family,
    TranslationError,
    language_names,
    model_language,
)


@dataclass(frozen=True)
class Options:
    """How to translate: what changes the result.

    Attributes:
        beams: Beams of the search; 1 is greedy.
        max_length: Longest translation, in tokens.
        dtype: ``float32``, ``bfloat16`` or ``float16``.
    """

    beams: int = 4
    max_length: int = 256
    dtype: str = "float32"


class Translator:
    """A sequence-to-sequence model of one of the families of `language_codes`.

    There is no sampling, so a text always has the same translation, as far as the arithmetic of
    the device goes: in half precision it can depend on the texts that share its batch.

    Args:
        name: Name on the hub, or a folder.
        revision: Branch, tag, commit or ``refs/pr/N``; by default ``main``. Not for folders.
        options: How to translate.
        device: Torch device; by default the first GPU, else the CPU.

    Attributes:
        system: What it is called in provenances; ``local/FOLDER`` for a folder.
        revision: The commit; a hash of its files for a folder.
        options: How it translates.

    Raises:
        TranslationError: If it cannot be loaded, has no safetensors weights, or is no translation
            model of a known family.
        ModelError: If a file of a folder is damaged.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        options: Options | None = None,
        device: str | None = None,
    ) -> None:
        import torch
        from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer
        from transformers.utils import logging

        from mteb_hybrid.models.contents import folder_hash
        from mteb_hybrid.models.load import check_files

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self.options = options or Options()
        clean(Path(name))
        local = Path(name).is_dir()
        if local and revision:
            raise TranslationError(f"{name}: a folder has no revisions; leave --revision out")
        where: dict[str, Any] = {"trust_remote_code": False}
        if local:
            check_files(Path(name), None)
        else:
            where["revision"] = revision or "main"
        try:
            config = AutoConfig.from_pretrained(name, **where)
            if not local:
                where["revision"] = config._commit_hash or where["revision"]
            tokenizer: Any = AutoTokenizer.from_pretrained(name, **where)
        except (OSError, ValueError) as error:
            raise TranslationError(f"{name}: cannot be loaded: {error}") from None
        except ImportError as error:
            raise ImportError(
                f'{name}: its tokenizer needs an extra: pip install "mteb-hybrid[translate]"'
            ) from error
        self.system = f"local/{Path(name).resolve().name}" if local else name
        self.revision = folder_hash(Path(name)) if local else str(where["revision"])
        tokens = {*tokenizer.get_vocab(), *getattr(tokenizer, "lang_token_to_id", ())}
        try:
            self._family, self._names = language_names(config.model_type, tokens)
        except TranslationError as error:
            raise TranslationError(f"{name}: {error}") from None
        try:
            loaded: Any = AutoModelForSeq2SeqLM.from_pretrained(
                name,
                dtype=getattr(torch, self.options.dtype),
                use_safetensors=True,
                output_loading_info=True,
                **where,
            )
        except OSError as error:
            raise TranslationError(
                f"{name}: no safetensors weights ({error}). Other files can hold programs, and are "
                "not loaded. Give the --revision of a conversion, which many repositories have as "
                "a pull request (refs/pr/45 for facebook/nllb-200-distilled-600M), or a folder "
                "that save_pretrained wrote."
            ) from None
        model, about = loaded
        if about["missing_keys"]:
            raise TranslationError(
                f"{name}: its weights lack {min(about['missing_keys'])}, which would be random; "
                "it is no whole translation model, get it again or choose another"
            )
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model: Any = model.to(self._device).eval()
        # The options have the length, and an end that is forced would hide that it was reached.
        self._model.generation_config.max_length = None
        self._model.generation_config.forced_eos_token_id = None
        self._tokenizer = tokenizer
        limits = (tokenizer.model_max_length, getattr(config, "max_position_embeddings", None))
        self._limit = min(limit for limit in (*limits, 2**31) if limit)
        self._language_ids = {tokenizer.convert_tokens_to_ids(x) for x in self._names.values()}

    def check(self, source: str, target: str) -> None:
        """Refuse languages that the model does not know.

        Args:
            source: Code of the language of the texts, such as ``eng-Latn``.
            target: Code of the language to translate into.

        Raises:
            TranslationError: If it knows one of them not; the message lists what it knows.
        """
        self._token(target)
        self._encode([""], source, target)

    def translate(
        self, texts: Iterable[str], source: str, target: str, batch_size: int = 32
    ) -> dict[str, Translated]:
        """Translate texts: each once, and none that was translated before.

        Batches have texts of similar length, the longest first. They are formed as if nothing had
        been translated before, so that a run that was interrupted goes on as it would have gone.

        Args:
            texts: The texts; they may repeat.
            source: Code of their language, such as ``eng-Latn``.
            target: Code of the language to translate into.
            batch_size: Texts per batch.

        Returns:
            The translation of every distinct text.

        Raises:
            TranslationError: If the model does not know a language.
        """
        self.check(source, target)
        distinct = sorted(dict.fromkeys(texts), key=len, reverse=True)
        file = cache_folder() / "translations.sqlite"
        identity = (self.system, self.revision, asdict(self.options), source, target)
        cache = TranslationCache(file, *identity)
        try:
            found = cache.get(distinct)
            with tqdm(
                desc=f"{source} to {target}",
                total=len(distinct),
                initial=len(found),
                unit="text",
                disable=None,
            ) as bar:
                for start in range(0, len(distinct), batch_size):
                    whole = distinct[start : start + batch_size]
                    missing = [text for text in whole if text not in found]
                    if missing:
                        new = self._translate_batch(missing, source, target)
                        cache.put(new)
                        found |= new
                        bar.update(len(new))
        finally:
            cache.close()
        return found

    def _encode(self, texts: Sequence[str], source: str, target: str) -> list[list[int]]:
        """Token ids of texts, not shortened, with the language token that the encoder reads."""
        if self._family is Family.MADLAD:
            token = self._token(target)
            texts = [f"{token} {text}" for text in texts]
        else:
            token = self._token(source)
            self._tokenizer.src_lang = model_language(source, self._family, self._names)
        ids: list[list[int]] = self._tokenizer(list(texts), verbose=False)["input_ids"]
        told = self._tokenizer.convert_tokens_to_ids(token)
        if told == self._tokenizer.unk_token_id or any(told not in row for row in ids):
            raise TranslationError(
                f"{self.system}: its tokenizer does not keep the language token {token!r} whole; "
                "the files of the model do not fit together, get them again"
            )
        return ids

    def _token(self, code: str) -> str:
        return self._names[model_language(code, self._family, self._names)]

    def _translate_batch(self, texts: list[str], source: str, target: str) -> dict[str, Translated]:
        import torch

        ids = self._encode(texts, source, target)
        batch = self._tokenizer.pad(
            {"input_ids": [self._shortened(row) for row in ids]}, return_tensors="pt"
        )
        forced = {}
        if self._family is not Family.MADLAD:
            first = self._tokenizer.convert_tokens_to_ids(self._token(target))
            forced["forced_bos_token_id"] = first
        with torch.inference_mode():
            generated = self._model.generate(
                **batch.to(self._device),
                **forced,
                num_beams=self.options.beams,
                do_sample=False,
                max_new_tokens=self.options.max_length,
            )
        rows = generated[:, 1:].tolist()  # without the token that every decoding starts with
        end = self._tokenizer.eos_token_id
        return {
            text: Translated(self._decoded(row), end not in row or len(given) > self._limit)
            for text, given, row in zip(texts, ids, rows, strict=True)
        }

    def _shortened(self, ids: list[int]) -> list[int]:
        """Ids within the limit of the model, with the end that they had."""
        return ids if len(ids) <= self._limit else [*ids[: self._limit - 1], ids[-1]]

    def _decoded(self, ids: list[int]) -> str:
        texts = [id_ for id_ in ids if id_ not in self._language_ids]
        return str(self._tokenizer.decode(texts, skip_special_tokens=True)).strip()
