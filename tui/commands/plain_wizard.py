"""``slipway new --plain``: the same steps, line by line: no screen, or a screen reader."""

from __future__ import annotations

import sys
from pathlib import Path

from tui.codes import CANCELLED, USAGE
from tui.plain import finding_line, say, tell
from wizards.clusters import slipway_home
from wizards.setup.questions import Answers


def plain_wizard(*, local: bool, from_file: Path | None) -> int:
    """Ask all steps, write the cluster's answers, and say how to start."""
    from wizards.provision.begin import save_cluster
    from wizards.setup import steps
    from wizards.setup.prompts import ask_all

    if not sys.stdin.isatty():
        tell("Questions need a terminal. Write a cluster.yaml and use `slipway up FILE --yes`.")
        return USAGE
    answers = Answers({"target": "local"} if local else {})
    if from_file is not None:
        from wizards.setup.document import read_document

        answers = steps.from_spec(read_document(from_file).spec)
    try:
        spec = steps.build(ask_all(answers))
    except KeyboardInterrupt:
        tell("\nNothing was changed.")
        return CANCELLED
    cluster = save_cluster(slipway_home(), spec)
    for finding in steps.findings(steps.from_spec(spec)):
        say(finding_line(finding, cluster.spec_path))
    say(f"The answers are in {cluster.spec_path}. Nothing was changed on any server yet.")
    say(f"Start with: slipway up {cluster.name}")
    return 0
