"""``mteb-hybrid run``."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mteb_hybrid.commands.options import (
    COMPUTING,
    BatchSizeOption,
    DataOption,
    Engine,
    ModelOption,
    OverwriteStrategy,
    PassageLanguageOption,
    QueryLanguageOption,
    RevisionOption,
    SettingOption,
    VectorPrecision,
    terminal_width,
)
from mteb_hybrid.commands.terminal import goes_on, say, told_when_stopped
from mteb_hybrid.files.places import (
    DATA_VARIABLE,
    MEMORY_VARIABLE,
    STORE_VARIABLE,
    VECTORS_VARIABLE,
    check_writable,
)
from mteb_hybrid.files.sizes import check_memory
from mteb_hybrid.models.encoding import Backend, EncodingPrecision, encoding_as

if TYPE_CHECKING:
    from mteb.models import MTEBModels

STORING = "Stored vectors and memory"


def run(
    model: ModelOption,
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Collections (xquad-r: all settings) or tasks, as `mteb-hybrid tasks list` has "
            "them."
        ),
    ] = None,
    task_option: Annotated[
        list[str] | None, typer.Option("--tasks", "-t", help="The same, as `mteb run` takes them.")
    ] = None,
    setting: SettingOption = None,
    query_language: QueryLanguageOption = None,
    passage_language: PassageLanguageOption = None,
    data: DataOption = None,
    output_folder: Annotated[
        Path,
        typer.Option(
            "--output-folder", "-o", help="Results are kept below it, in results/MODEL/REVISION."
        ),
    ] = Path("results"),
    model_revision: RevisionOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Torch device, such as cuda:0, or several, such as cuda:0,cuda:1; by default the "
            "GPU, where there is one. With --engine ray: cuda or cpu.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    batch_size: BatchSizeOption = 32,
    precision: Annotated[
        EncodingPrecision | None,
        typer.Option(
            metavar="PRECISION",
            rich_help_panel=COMPUTING,
            help="Encode in float32, in bf16, or auto: in bf16 where the device computes it "
            "natively, else in float32. By default as the model was saved. Filed apart from that.",
        ),
    ] = None,
    backend: Annotated[
        Backend,
        typer.Option(
            metavar="BACKEND",
            rich_help_panel=COMPUTING,
            help="What computes: torch, onnx or openvino. The last two need extras of "
            "sentence-transformers, export the model first, and are filed apart.",
        ),
    ] = Backend.TORCH,
    overwrite_strategy: Annotated[
        OverwriteStrategy,
        typer.Option(
            metavar="HOW",
            help="only-missing goes on where it stopped, always evaluates all anew; never and "
            "only-cache refuse results that lack a subset, only-cache also none at all.",
        ),
    ] = OverwriteStrategy.ONLY_MISSING,
    prediction_folder: Annotated[
        Path | None,
        typer.Option(
            help="Save the first 1,000 places of each ranking there, as MTEB's JSON. Results "
            "without rankings there are evaluated again."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=STORING,
            help="Keep vectors in this folder, and take what is there: for later runs, other "
            "settings, and after a kill. Else the folder that MTEB_HYBRID_STORE names, which "
            "`mteb run` uses too.",
        ),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(
            metavar="ENGINE",
            rich_help_panel=COMPUTING,
            help="process encodes in this process; ray on workers of Ray, of which each has a GPU, "
            "or a CPU and a thread.",
        ),
    ] = Engine.PROCESS,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel=COMPUTING,
            help="A cluster of Ray: host:port, ray://host:port or auto; else what RAY_ADDRESS "
            "names. Without either, Ray is started on this machine.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=COMPUTING,
            min=1,
            help="Workers of Ray; by default one for each GPU, else CPU.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show how many texts and tokens would be encoded, and, from a short probe, hours, "
            "disk and memory; nothing is evaluated, downloaded or written.",
        ),
    ] = False,
    vectors: Annotated[
        VectorPrecision | None,
        typer.Option(
            rich_help_panel=STORING,
            help="Keep vectors in --store so: float16 takes half of float32, int8 a quarter. What "
            "that changes is measured, and stands in the results as rounding_map and so on. Else "
            "what MTEB_HYBRID_VECTORS says.",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            rich_help_panel=STORING,
            help="Memory for vectors and scores, as 4GB, beside what the model takes; pools that "
            "do not fit are ranked from --store, block by block, with the same scores. Else what "
            "MTEB_HYBRID_MEMORY says, which `mteb run` heeds too; else 4GiB for scores alone.",
        ),
    ] = None,
    merge_by: Annotated[
        str | None,
        typer.Option(
            help="Make scores comparable between the languages of a pool: best-M (as best-10), "
            "z-score, csls-M, round-robin. Filed as MODEL-merged-NAME, apart from the model's own."
        ),
    ] = None,
) -> None:
    """Evaluate a model: what `mteb run` does, plus local folders and a choice of subsets.

    Prints the table of the results (`mteb-hybrid table`) and the folder that they are in. Every
    subset is saved; the same command again goes on where it stopped.

    Example: mteb-hybrid run -m ./my-model sample

    Example: mteb-hybrid run -m intfloat/multilingual-e5-small xquad-r --query-language en

    Example: mteb-hybrid run -m intfloat/multilingual-e5-small miracl --dry-run
    """
    from mteb_hybrid.cards.tasks import tasks_by_name
    from mteb_hybrid.evaluation.evaluate import evaluate
    from mteb_hybrid.evaluation.select import select_tasks
    from mteb_hybrid.repair.merge import merging
    from mteb_hybrid.scale.store import EmbeddingStore
    from mteb_hybrid.sources.locate import check_there

    if engine is not Engine.RAY and (ray_address or workers):
        raise ValueError("--ray-address and --workers go with --engine ray")
    if engine is Engine.RAY and precision is EncodingPrecision.AUTO:
        raise ValueError(
            "--precision auto: workers of Ray might choose otherwise than one another; name one"
        )
    if "," in (device or "") and backend is not Backend.TORCH:
        raise ValueError(f"--device {device}: several devices go with --backend torch alone")
    names = [*(task_option or ()), *(tasks or ())]
    if not names:
        raise ValueError("no tasks; name collections, as in `mteb-hybrid run -m MODEL xquad-r`")
    how = merging(merge_by) if merge_by else None
    if data:  # first, as translated queries are there too
        os.environ[DATA_VARIABLE] = str(data)
    selected = select_tasks(names, setting or (), query_language or (), passage_language or ())
    if memory:
        check_memory(memory, "--memory")
    stored = store or os.environ.get(STORE_VARIABLE)
    if vectors and vectors is not VectorPrecision.FLOAT32 and not stored:
        raise ValueError(f"--vectors {vectors.value}: in which store? Name it by --store")
    if store:
        EmbeddingStore(store)  # refuses what is none
    if dry_run:
        first = device and device.split(",")[0]
        _dry_run(model, model_revision, first, backend, precision, selected, batch_size)
        left = {"--vectors": vectors, "--memory": memory, "--engine": engine is Engine.RAY}
        left["several devices"] = first != device
        if said := [name for name, given in left.items() if given]:
            say(f"  These figures are without {', '.join(said)}: one process, vectors in float32.")
        return
    for task in selected:
        check_there(tasks_by_name()[task][0])

    for folder in filter(None, [output_folder, prediction_folder]):
        check_writable(folder)
    if vectors:
        os.environ[VECTORS_VARIABLE] = vectors.value
    if memory:
        os.environ[MEMORY_VARIABLE] = memory
    if store:
        if not store.is_dir():  # one that is there may hold all, and then is only read
            check_writable(store)
        os.environ[STORE_VARIABLE] = str(store)
    resumes = overwrite_strategy is OverwriteStrategy.ONLY_MISSING
    with told_when_stopped(goes_on) if resumes else nullcontext():
        say(f"{model}: loading ...", err=True)
        from mteb_hybrid import plugin
        from mteb_hybrid.results.table import legend, render, result_rows

        plugin.register()
        kept = os.environ.get(VECTORS_VARIABLE) if os.environ.get(STORE_VARIABLE) else None
        prepare = partial(encoding_as, backend=backend, precision=precision, vectors=kept or None)
        how_loaded = (model, model_revision, device, prepare)
        with (
            _on_ray(*how_loaded, workers, ray_address)
            if engine is Engine.RAY
            else _in_process(*how_loaded)
        ) as loaded:
            results = evaluate(
                *(loaded, selected, output_folder, batch_size, overwrite_strategy.value),
                *(prediction_folder, how),
            )
    rows = result_rows([results])
    print(render(rows, width=terminal_width()))
    say("", legend(rows), "", f"Results: {results}")


@contextmanager
def _in_process(
    name: str,
    revision: str | None,
    device: str | None,
    prepare: "Callable[[MTEBModels], MTEBModels]",
) -> "Iterator[MTEBModels]":
    from mteb_hybrid.models.devices import on_devices
    from mteb_hybrid.models.load import check_device, load_model

    devices = device.split(",") if device else []
    for one in devices:
        check_device(one)
    if len(devices) < 2:
        yield prepare(load_model(name, revision, device))
        return
    loaded = prepare(load_model(name, revision, "cpu"))
    with on_devices(loaded, devices):
        yield loaded


def _on_ray(
    name: str,
    revision: str | None,
    device: str | None,
    prepare: "Callable[[MTEBModels], MTEBModels]",
    workers: int | None,
    address: str | None,
) -> Any:
    from mteb_hybrid.scale.ray_encoder import RayEncoder

    return RayEncoder(
        name, revision, workers=workers, device=device, address=address, prepare=prepare
    )


def _dry_run(
    model: str,
    revision: str | None,
    device: str | None,
    backend: Backend,
    precision: EncodingPrecision | None,
    selected: dict[str, list[str]],
    batch_size: int,
) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries that read it are imported
    from mteb_hybrid import plugin
    from mteb_hybrid.evaluation.dry_run import dry_run, find_encoder

    plugin.register()
    encoder = find_encoder(model, revision, device, backend, precision)
    say(f"{model}, {len(selected)} tasks, {sum(map(len, selected.values()))} subsets")
    for what, how in dry_run(encoder, selected, batch_size):
        say(f"  {what:<10} {how}")
