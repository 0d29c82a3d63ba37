"""The precision of a run: asked of the device, once, and kept."""

import json
import os
import platform
import subprocess
import sys

import pytest
import torch

from mteb_hybrid.models import precision as models_precision
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run import precision
from mteb_hybrid.training.run.build import make_arguments
from mteb_hybrid.training.run.precision import (
    Precision,
    choose_precision,
    shared_precision,
)
from mteb_hybrid.training.run.train import train
from training.run.test_train import SHORT, command, interrupted, recipe_file, weights

__all__ = ["recipe_file"]


@pytest.fixture
def speed(monkeypatch):
    """Sets how fast this device is, on the processor, for the named type."""
    monkeypatch.setattr(precision, "device", lambda: torch.device("cpu"))

    def set_(value):
        for module in (precision, models_precision):
            monkeypatch.setattr(module, "relative_speed", lambda dtype, place: value)

    return set_


@pytest.mark.parametrize(("found", "name"), [(2.0, "bf16"), (1.1, "fp32"), (0.025, "fp32")])
def test_a_processor_is_asked(speed, found, name):
    speed(found)
    chosen = choose_precision("auto")
    assert chosen.name == name and chosen.warning is None
    assert f"takes {1 / found:.2g} times as long in bf16 as in float32" in chosen.reason


def test_what_is_asked_for_is_taken_with_a_warning_if_it_is_slow(speed):
    speed(0.025)
    slow = choose_precision("bf16")
    assert slow.name == "bf16" and "takes 40 times as long in bf16" in slow.warning
    assert choose_precision("fp32") == Precision("fp32", "as the recipe says")
    speed(0.9)
    assert choose_precision("bf16") == Precision("bf16", "as the recipe says")


def test_what_cannot_be_trained_in_is_refused(speed):
    with pytest.raises(ValueError, match="this cpu cannot train in fp16; expected fp32, or auto"):
        choose_precision("fp16")
    speed(0.0)
    with pytest.raises(ValueError, match="this cpu cannot compute in bf16; expected fp32, or auto"):
        choose_precision("bf16")
    assert choose_precision("auto") == Precision("fp32", "this cpu cannot compute in bf16")


@pytest.mark.parametrize(("native", "name"), [(True, "bf16"), (False, "fp32")])
def test_cuda_says_what_it_computes_natively(monkeypatch, native, name):
    def supported(including_emulation=True):
        return native or including_emulation

    monkeypatch.setattr(precision, "device", lambda: torch.device("cuda:1"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: f"card {place.index}")
    chosen = choose_precision("auto")
    assert chosen.name == name and chosen.reason.startswith("card 1 computes bf16 ")


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_the_run_computes_in_it_whatever_accelerate_launch_was_told(
    recipe_file, tmp_path, monkeypatch, name
):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    arguments = make_arguments(read_recipe(recipe_file), tmp_path, name)
    assert arguments.mixed_precision == {"fp32": "no"}.get(name, name)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN's switch is x86's"
)
def test_a_processor_without_bf16_trains_in_float32():
    """oneDNN is told that the processor has AVX2 only; the measurement is the real one."""
    code = (
        "from mteb_hybrid.training.run.precision import choose_precision as choose\n"
        "print(choose('auto').name, choose('bf16').warning is not None)"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fp32", "True"]


def test_one_device_without_it_decides_for_all(monkeypatch):
    mine, theirs = Precision("bf16", "fast"), Precision("fp32", "slow there")
    monkeypatch.setattr(precision, "choose_precision", lambda wanted, began: mine)
    for order in ([mine, theirs], [theirs, mine]):
        monkeypatch.setattr(precision, "gather_object", lambda own, order=order: order)
        assert shared_precision("auto") == theirs
    monkeypatch.undo()
    assert shared_precision("fp32") == Precision("fp32", "as the recipe says")


def kept(folder):
    return [part["precision"] for part in json.loads((folder / "versions.json").read_text())]


def test_a_resumed_run_keeps_its_precision(recipe_file, tmp_path, speed, capsys):
    recipe = read_recipe(recipe_file, ["evaluation="])
    assert recipe.training.precision == "auto"
    speed(2.0)
    train(recipe, tmp_path / "whole")
    interrupted(recipe, tmp_path / "halves")
    assert "precision: bf16, a matrix product takes 0.5 times as long" in capsys.readouterr().out
    speed(0.025)
    said = command(recipe_file, "--dry-run", "--resume", "-o", tmp_path / "halves")
    assert "bf16, a matrix product takes 40 times as long" in " ".join(said.split())
    train(recipe, tmp_path / "halves", resume=True)
    printed = capsys.readouterr()
    assert "precision: bf16, as the run began\n" in printed.out
    assert printed.err.count("a matrix product takes 40 times as long in bf16") == 1
    assert kept(tmp_path / "whole") == ["bf16"] and kept(tmp_path / "halves") == ["bf16"] * 2
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert all((first[name] == second[name]).all() for name in first)
    # Guards the comparison: in float32 the same run ends elsewhere.
    train(recipe, tmp_path / "single")
    assert kept(tmp_path / "single") == ["fp32"]
    single = weights(tmp_path / "single")
    assert any((first[name] != single[name]).any() for name in first)


def test_card_and_dry_run_say_what_was_computed_in(recipe_file, tmp_path, speed):
    speed(0.025)
    given = [argument for override in SHORT for argument in ("--set", override)]
    said = command(recipe_file, "--dry-run", "--set", "training.precision=fp16")
    assert "this would not run: training.precision: this cpu cannot train in fp16" in said
    command(recipe_file, "-o", tmp_path / "run", *given)
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert ", fp32" in card


@pytest.mark.soak
def test_two_processes_train_alike(recipe_file, tmp_path):
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    given = [argument for override in SHORT for argument in ("--set", override)]
    run = ["-m", "mteb_hybrid", "train", str(recipe_file), "-o", str(tmp_path / "run"), *given]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*start, *run], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("precision: ") == 1
    (part,) = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert part["processes"] == 2 and part["precision"] in ("fp32", "bf16")
