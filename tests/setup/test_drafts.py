"""The draft of a wizard that was left."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from wizards.setup.drafts import DRAFT_FILE, discard_draft, load_draft, save_draft
from wizards.setup.questions import Answers
from wizards.setup.steps import effective, findings

ANSWERS = Answers(
    {
        "name": "lab",
        "nodes": [{"name": "zürich", "address": "10.0.0.11"}, {"address": "10.0.0.12", "roles": ["worker"]}],
        "network.cilium.hubble": False,
        "kubespray_vars": {"kubelet_max_pods": 200},
    }
)


def test_a_draft_comes_back(tmp_path: Path) -> None:
    before = time.time()
    save_draft(tmp_path, ANSWERS, "network")
    draft = load_draft(tmp_path)
    assert draft is not None
    assert draft.answers == ANSWERS
    assert (draft.step_id, draft.name) == ("network", "lab")
    assert before <= draft.saved_at <= time.time()


def test_the_file_is_its_owners_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    path = save_draft(home, ANSWERS, "where")
    save_draft(home, ANSWERS.with_answer("name", "other"), "nodes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [entry.name for entry in home.iterdir()] == [DRAFT_FILE]
    draft = load_draft(home)
    assert draft is not None
    assert draft.name == "other"


def test_a_draft_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    save_draft(tmp_path, ANSWERS, "where")
    with pytest.raises(TypeError):
        save_draft(tmp_path, Answers({"name": object()}), "nodes")
    draft = load_draft(tmp_path)
    assert draft is not None
    assert draft.answers == ANSWERS
    assert [entry.name for entry in tmp_path.iterdir()] == [DRAFT_FILE]


def test_no_draft(tmp_path: Path) -> None:
    assert load_draft(tmp_path) is None
    assert load_draft(tmp_path / "nowhere") is None
    discard_draft(tmp_path)
    save_draft(tmp_path, ANSWERS, "where")
    discard_draft(tmp_path)
    assert load_draft(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"format": 99, "given": {}}',
        b'{"format": 1, "given": []}',
    ],
    ids=["empty", "torn", "list", "null", "binary", "deep", "newer", "shape"],
)
def test_what_cannot_be_read_is_no_draft(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DRAFT_FILE).write_bytes(content)
    assert load_draft(tmp_path) is None


def test_answers_of_the_wrong_shape_are_left_out(tmp_path: Path) -> None:
    given = {
        "name": 7,
        "nodes": "many",
        "network.cilium.hubble": "yes",
        "network.node_prefix": True,
        "storage.engines": [1],
        "mesh.kind": "istio-sidecar",
    }
    content = {"format": 1, "step": "no-such-step", "saved_at": "yesterday", "given": given}
    (tmp_path / DRAFT_FILE).write_text(json.dumps(content), encoding="utf-8")
    draft = load_draft(tmp_path)
    assert draft is not None
    assert draft.answers == Answers({"mesh.kind": "istio-sidecar"})
    assert (draft.step_id, draft.saved_at, draft.name) == ("", 0.0, "")
    assert effective(draft.answers)["mesh"]["kind"] == "istio-sidecar"
    assert "no-nodes" in [finding.id for finding in findings(draft.answers)]
