"""Train a model by a recipe, into a folder that holds everything about the run.

Works alike in one process, under ``torchrun`` and under ``accelerate launch``: the trainer finds
out by itself, and only the main process writes.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path

from accelerate import PartialState
from sentence_transformers import SentenceTransformer
from transformers import PrinterCallback, TrainerCallback, TrainerState, set_seed

from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.scratch import clean_scratch
from mteb_hybrid.files.whole import named, whole, write_json
from mteb_hybrid.models.contents import folder_hash
from mteb_hybrid.recipes.kept_run import keep_run
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.training.batches.callback import HybridBatchCallback
from mteb_hybrid.training.run.adapter import AdapterTrainer, merge_adapter, save_adapter
from mteb_hybrid.training.run.build import (
    load_data,
    load_model,
    make_arguments,
    make_evaluator,
)
from mteb_hybrid.training.run.folder import META, RunFolder
from mteb_hybrid.training.run.interpolation import interpolate, trained_parameters
from mteb_hybrid.training.run.log import RunLog
from mteb_hybrid.training.run.loss import check_vectors, make_loss
from mteb_hybrid.training.run.meta import model_meta
from mteb_hybrid.training.run.padding import trim_padding
from mteb_hybrid.training.run.patience import Patience
from mteb_hybrid.training.run.precision import device, shared_precision
from mteb_hybrid.training.run.trainer import RunTrainer

WAIT = timedelta(minutes=30)
"""How long processes wait for one another, as the trainer's."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
) -> bool:
    """Train a model.

    Args:
        recipe: What to do.
        folder: Folder of the run. It gets the resolved recipe, the versions, the log, the curves,
            the checkpoints, the model, and what MTEB needs to know of it.
        resume: Go on from the last checkpoint in it, if there is one.
        callbacks: Further callbacks for the trainer.

    Returns:
        Whether anything was done: False if the run was finished before.

    Raises:
        RunFolderError: If the folder holds something else.
        ModelError, ParallelDataError, DataError, HybridBatchError: If model or data cannot be
            had, or do not fit the recipe or the checkpoint.
    """
    processes = PartialState(cpu=device().type == "cpu", timeout=WAIT)
    run = RunFolder(folder)
    is_new = not folder.exists()
    try:
        with lock(run.recipe) if processes.is_main_process else nullcontext():
            return _train(recipe, run, processes, resume=resume, callbacks=callbacks)
    finally:
        if is_new:
            with suppress(OSError):  # it is empty if the run could not begin
                folder.rmdir()


def _train(
    recipe: Recipe,
    run: RunFolder,
    processes: PartialState,
    *,
    resume: bool,
    callbacks: Sequence[TrainerCallback],
) -> bool:
    with processes.main_process_first():
        # The others would find what the main process has begun to write.
        if processes.is_main_process and run.check(recipe, resume=resume):
            run.check_base(recipe)
        clean_scratch()  # also if it was killed once it was finished
        if run.is_finished:
            return False
        checkpoint = run.last_checkpoint() if resume else None
        data = load_data(recipe)
    precision = shared_precision(recipe.training.precision, run.precision() if resume else None)
    arguments = make_arguments(
        recipe, run.checkpoints, precision.name, resuming=checkpoint is not None
    )
    set_seed(recipe.training.seed)
    model = load_model(recipe)
    check_vectors(recipe, data, model)
    if model.device.type == "cpu":
        trim_padding(model)
    # A resumed run has the same, since it loads the checkpoint only later.
    start = trained_parameters(model) if recipe.training.interpolate < 1 else {}
    evaluator = make_evaluator(recipe)
    if arguments.process_index == 0:
        print(f"precision: {precision.name}, {precision.reason}", flush=True)
        if precision.warning:
            print(f"precision: {precision.warning}", file=sys.stderr)
        run.begin(recipe, precision.name)
    patience = recipe.evaluation.patience if recipe.evaluation else None
    trainer_class = RunTrainer if recipe.model.lora is None else AdapterTrainer
    trainer = trainer_class(
        model=model,
        args=arguments,
        train_dataset=data,
        loss=make_loss(recipe, model),
        evaluator=evaluator,
        callbacks=[
            HybridBatchCallback(
                recipe.batches.alpha,
                method=recipe.batches.method,
                language_weights=recipe.batches.language_weights,
                crosslingual=recipe.batches.crosslingual,
                languages=tuple(recipe.languages),
            ),
            *([Patience(patience, evaluator)] if evaluator and patience else []),
            RunLog(run, evaluator.primary_metric if evaluator else None),
            *callbacks,
        ],
    )
    trainer.data_collator.max_length = recipe.training.max_tokens
    trainer.remove_callback(PrinterCallback)  # RunLog prints instead
    with named(run.checkpoints):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if trainer.is_world_process_zero():
        interpolate(model, start, recipe.training.interpolate)
        _finish(run, recipe, model, trainer.state)
    # A process that ends early, and badly, would make torchrun stop the one that still writes.
    trainer.accelerator.wait_for_everyone()
    return True


def _finish(
    run: RunFolder, recipe: Recipe, model: SentenceTransformer, state: TrainerState
) -> None:
    history = state.log_history
    run.write_log(history)
    chooses = recipe.evaluation is not None and recipe.evaluation.patience is not None
    best = state.best_global_step if chooses else None
    if best is not None and best < state.global_step:
        early = state.global_step < state.max_steps
        run.keeps_earlier(best, state.global_step if early else None)
        when = f"stopped early, at step {state.global_step} of {state.max_steps}; " if early else ""
        print(f"{when}the model is that of step {best}, the best", flush=True)
    if recipe.training.interpolate < 1 or (best is not None and best < state.global_step):
        # They are of the last step's weights, and its card would say that they are the model's.
        model.model_card_data.eval_results_dict = {}
    within = recipe.evaluation and recipe.evaluation.keep_monolingual_within
    if within is not None and state.best_metric is not None and state.best_metric < 0:
        print(
            f"no checkpoint kept the monolingual map within {within:g} of the untrained model's; "
            f"the model is that of step {state.best_global_step}, which is too low by least: "
            f"{-state.best_metric:.4f}",
            file=sys.stderr,
        )
    try:
        from mteb_hybrid.training.run.curves import draw_curves
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        print(
            f'no curves: {missing} is missing, of the extra "mteb-hybrid[report]"; log.jsonl has '
            "the numbers",
            file=sys.stderr,
        )
    else:
        draw_curves(history, run.path, tuple(recipe.languages))
    if recipe.model.lora is not None:
        with whole(run.path / "adapter") as part:
            save_adapter(model, part)
        merge_adapter(model)
    with whole(run.model) as part:
        model.save_pretrained(str(part))
    keep_run(recipe, run.path, run.model)
    write_json(run.path / META, model_meta(recipe, model, folder_hash(run.model)))
