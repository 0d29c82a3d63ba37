import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.files.command_line import COMMAND_VARIABLE, LONGEST, given_command, publishable


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mteb-hybrid run -m /home/me/models/my-e5 xquad-r", "mteb-hybrid run -m my-e5 xquad-r"),
        ("mteb-hybrid run -m ./my-e5/ sample", "mteb-hybrid run -m my-e5 sample"),
        ("mteb-hybrid run -m ~/a/b --data=~me/c sample", "mteb-hybrid run -m b --data=c sample"),
        ("mteb run -m org/model -t Task", "mteb run -m org/model -t Task"),
        ("mteb run -m ../../x --output-folder=/srv/out", "mteb run -m x --output-folder=out"),
        ("python eval.py data=/home/me/x,y", "python eval.py data=x,y"),
        ("python eval.py (/home/me/x) file:///srv/y", "python eval.py '(x)' y"),
        (r"mteb run -m C:\Users\me\e5", "mteb run -m e5"),
        ("run -m m --hf-token abc -t T", "run -m m -t T"),
        ("run -m m --api_key=abc -t T", "run -m m -t T"),
        ("run HF_TOKEN=abc {\"token\":\"abc\"} T", "run T"),
        ("run hf_abcdefghijklmnopqrst sk-abcdefghijklmnopqrst T", "run T"),
        ("run --use-auth-token --device cpu", "run --device cpu"),
        ("run --max-tokens 5 --author y", "run --max-tokens 5 --author y"),
        ("run --url https://me:pass@host/v1?a=1#x", "run --url https://host/v1"),
        ("run --ray-address ray://me:pw@head:10001", "run --ray-address ray://head:10001"),
        ("run --store s3://ab:cd@bucket/x", "run --store s3://bucket/x"),
        ("run -o/tmp/alice/x -m/home/me/y -c~/z", "run -ox -my -cz"),
        ("run -o alice/not-there --store alice/s", "run -o not-there --store s"),
        ("run --output-folder=alice/not-there -o=alice/s", "run --output-folder=not-there -o=s"),
        ("train r --set data.0.path=priv/a.jsonl", "train r --set data.0.path=a.jsonl"),
        ("train r --set model.name=org/model", "train r --set model.name=org/model"),
    ],
)  # fmt: skip
def test_what_stays_of_a_command(words, said):
    assert publishable(words.split()) == said


def test_a_relative_path_that_is_there_is_named_like_any(tmp_path, monkeypatch):
    (tmp_path / "customers" / "acme").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert publishable(["run", "-m", "customers/acme", "-m", "customers/other"]) == (
        "run -m acme -m customers/other"
    )
    assert publishable(["run", "-m", "."]) == f"run -m {tmp_path.name}"


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from(["/", "~/", "/a b/"]))
def test_no_folder_of_the_machine_is_left(words, root):
    said = publishable([*words, f"{root}secret-place/model", f"--data={root}secret-place/x"])
    assert "secret-place" not in said and len(said) <= LONGEST


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/opt/venv/bin/mteb", "run", "-m", "x"], "mteb run -m x"),
        ([r"/x/mteb-hybrid.exe", "run"], "mteb-hybrid run"),
        (["/opt/lib/mteb_hybrid/__main__.py", "run", "sample"], "python -m mteb_hybrid run sample"),
        (["/home/me/eval.py", "--k", "1"], "python eval.py --k 1"),
        (["-c"], "python"),
        ([""], "python"),
        (["/x/ipykernel_launcher.py", "-f", "/home/me/kernel.json"], "python"),
    ],
)
def test_the_program_is_named_as_it_is_called(monkeypatch, argv, said):
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "argv", argv)
    assert given_command() == said
    monkeypatch.setenv(COMMAND_VARIABLE, "mteb-hybrid study run x")
    assert given_command() == "mteb-hybrid study run x"


def test_a_long_command_is_cut():
    assert len(publishable(["run", *(["file"] * 10_000)])) == LONGEST
