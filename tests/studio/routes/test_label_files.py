"""Labels as files: what is downloaded can be imported, and one undo takes an import back."""

import io
import json
import zipfile
from xml.etree import ElementTree as ET

import pytest
from starlette.testclient import TestClient

from slic.search import LABEL_FILES, list_labels, set_label, undo_label_change
from slic.studio.routes import label_files
from slic.studio.state import Studio

ODD = "<b>'; drop table labels -- «é动»"


@pytest.mark.parametrize("name", LABEL_FILES)
def test_a_download_is_imported_and_undone(client: TestClient, studio: Studio, name: str) -> None:
    formats = {one["name"]: one for one in client.get("/api/labels/formats").json()["formats"]}
    ids = studio.index.ids().tolist()
    change = set_label(studio.index, [ids[0], ids[5]], ODD)
    before = {(one.content_id, one.label) for one in list_labels(studio.index)}
    sent = client.get("/api/labels/export", params={"format": name})
    assert sent.status_code == 200, sent.text
    assert formats[name]["suffix"] in sent.headers["content-disposition"]
    undo_label_change(studio.index, change_id=change.id)

    file_name = f"my labels{formats[name]['suffix']}"
    response = client.post("/api/labels/import", params={"name": file_name}, content=sent.content)
    assert response.json()["moments"] == len(before)
    assert {(one.content_id, one.label) for one in list_labels(studio.index)} == before
    body = {"change": response.json()["change"]}
    assert client.post("/api/undo", json=body).json() == {"undone": len(before)}
    assert list_labels(studio.index) == []


def test_the_labelling_interface_of_label_studio_is_a_download_of_its_own(
    client: TestClient, studio: Studio
) -> None:
    set_label(studio.index, studio.index.ids()[:1].tolist(), ODD)
    formats = client.get("/api/labels/formats").json()["formats"]
    assert [one["name"] for one in formats if one["interface"]] == ["label-studio"]
    sent = client.get("/api/labels/export", params={"format": "label-studio", "interface": True})
    assert ".label-studio.json.config.xml" in sent.headers["content-disposition"]
    assert [label.get("value") for label in ET.fromstring(sent.text).iter("Label")] == [ODD]
    refused = client.get("/api/labels/export", params={"format": "csv", "interface": True})
    assert refused.status_code == 422


def test_a_format_cannot_name_code(client: TestClient) -> None:
    for format_ in ("os:system", "slic.search.label_files.cvat:Cvat", "", "CSV"):
        refused = client.get("/api/labels/export", params={"format": format_})
        assert refused.status_code == 422, format_
    refused = client.post("/api/labels/import?format=os:system", content=b"path,label\n")
    assert "no such format" in refused.json()["error"]


def test_wrong_files_are_refused_by_their_name(client: TestClient, studio: Studio) -> None:
    for content, name, message in (
        (b"", "empty.csv", "is empty"),
        (b"these are words", "words.csv", "words.csv"),
        (b"{not json", "../../etc/passwd", "../../etc/passwd"),
        (b"PK\x03\x04 no zip", "broken.zip", "broken.zip"),
        (b"path,label,start,end\nnobody.mp4,x,0,1\n", "other.csv", "other.csv"),
    ):
        refused = client.post("/api/labels/import", params={"name": name}, content=content)
        assert refused.status_code == 422, name
        assert message in refused.json()["error"]
        assert "/tmp" not in refused.json()["error"]
        assert "Traceback" not in refused.text
    assert list_labels(studio.index) == []


def test_unknown_videos_are_counted_and_named(client: TestClient, studio: Studio) -> None:
    lines = ["path,label,start,end", "walk.mp4,walk,0,1"]
    lines += [f"missing {n}.mp4,walk,0,1" for n in range(8)]
    content = "\n".join(lines).encode()
    done = client.post("/api/labels/import?name=a.csv", content=content).json()
    assert (done["moments"], done["unknown"]) == (1, 8)
    assert done["unknown_videos"] == [f"missing {n}.mp4" for n in range(5)]
    (label,) = list_labels(studio.index)
    assert (label.path, label.label) == ("walk.mp4", "walk")


def test_large_files_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_files, "MAX_LABEL_FILE_BYTES", 1000)
    refused = client.post("/api/labels/import?name=a.csv", content=b"x" * 2000)
    assert refused.status_code == 413
    assert "slic labels import" in refused.json()["error"]


def test_a_zip_cannot_write_outside(client: TestClient, studio: Studio) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("../../evil.txt", "x")
        archive.writestr("data.json", json.dumps({}))
        archive.writestr("labels.json", json.dumps({"classes": [], "labels": {}}))
    refused = client.post("/api/labels/import?name=a.zip", content=zipped.getvalue())
    assert refused.status_code == 422
    assert not list(studio.index.path.parent.rglob("evil.txt"))


def test_changes_need_the_token_of_the_page(client: TestClient) -> None:
    client.headers.pop("x-slic-token")
    for path in ("/api/labels/import", "/api/queue"):
        assert client.post(path, content=b"{}").status_code == 403
