"""A part is found by its name or its import path, and a mistyped name is explained."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from slic.errors import ProtocolError, SlicError
from slic.lookup import look_up, require_extra, require_trust

TABLE = {"triplet": int, "info_nce": float}


def test_a_name_of_the_table_comes_first() -> None:
    assert look_up("triplet", TABLE, kind="loss") is int


@pytest.mark.parametrize("path", ["collections.Counter", "collections:Counter"])
def test_an_import_path_is_imported(path: str) -> None:
    assert look_up(path, TABLE, kind="loss") is Counter


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("triplets", r"unknown loss 'triplets'. Did you mean 'triplet'\? Known: triplet, info_nce"),
        ("no_module_here.Loss", r"loss 'no_module_here.Loss' cannot be imported \(No module"),
        ("collections.Contre", r"loss 'collections.Contre' cannot be imported \(module"),
        ("../x", r"unknown loss '../x'"),
    ],
)
def test_anything_else_is_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(SlicError, match=message):
        look_up(name, TABLE, kind="loss")


def test_a_module_that_is_not_python_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "with_a_slip.py").write_text("class Loss\n    pass\n")
    with pytest.raises(SlicError, match=r"'with_a_slip\.Loss' .*\(with_a_slip\.py, line 1\)"):
        look_up("with_a_slip.Loss", TABLE, kind="loss")


def test_the_caller_chooses_the_error() -> None:
    with pytest.raises(ProtocolError):
        look_up("nothing", TABLE, kind="protocol", error=ProtocolError)


def test_an_extra_is_imported_or_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert require_extra("json", "files", purpose="x") is json
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_for_another_torch.py").write_text("raise RuntimeError('no operator nms')")
    for module, reason in (
        ("not_there", "No module named 'not_there'"),
        ("made_for_another_torch", "no operator nms"),
    ):
        expected = f"x needs the extra 'files' ({reason}): pip install 'slic-video[files]'"
        with pytest.raises(SlicError, match=f"^{re.escape(expected)}$"):
            require_extra(module, "files", purpose="x")


@pytest.mark.parametrize("name", ["slic/r3d18", "transformers/owner/name", "unknown"])
def test_a_file_may_name_what_is_no_import_path(name: str) -> None:
    require_trust(name, kind="backbone", source=Path("config.json"), error=SlicError)


@pytest.mark.parametrize("name", ["torch.hub:load", "os.system", "no_module_here:Net"])
def test_a_file_may_not_name_a_function_or_a_module_that_is_not_imported(name: str) -> None:
    with pytest.raises(SlicError, match=r"^config.json: its backbone is .* with SLIC_TRUST_CODE="):
        require_trust(name, kind="backbone", source=Path("config.json"), error=SlicError)


@pytest.mark.parametrize("trusted", ["other, my_package.nets", "my_package"])
def test_the_user_may_trust_a_module_or_its_package(
    trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIC_TRUST_CODE", trusted)
    require_trust("my_package.nets:Net", kind="backbone", source=Path("x"), error=SlicError)
    with pytest.raises(SlicError):
        require_trust("my_package_2.nets:Net", kind="backbone", source=Path("x"), error=SlicError)
