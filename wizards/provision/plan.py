"""`Plan`: a job as ordered stages, each one playbook with its variables and hosts. Plain data on disk.

The supervisor reads it from the run's ``plan.json``; the functions that make stages from answers live in
`stages`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

FORMAT: Final = 1


class InvalidPlan(ValueError):
    """A plan file that is not one, or of a version that this Slipway does not know."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One playbook of a job.

    Attributes:
        id: Stable name, for example ``kubernetes``; unique within the plan.
        title: What the screen calls it.
        summary: One sentence for a first-timer: what this stage does to the machines.
        playbook: Path of the playbook: absolute, or relative to `directory`.
        directory: Absolute folder that ansible-playbook is started in; its ``ansible.cfg`` counts.
        inventory: Absolute path of the inventory: a file or a folder.
        hosts: Names of the hosts it works on, for the screen; the playbook's own patterns decide.
        variables: Extra variables, JSON data without secrets; they go by file, never through argv.
        tasks: Expected number of tasks, 0 where unknown.
        repeatable: Whether running it again after a failure half-way is safe.
        env: Further environment for ansible-playbook, without secrets.
        goes_on: Whether the run goes on with the next stage when this one failed, to fail at its end.
        after: Name of what the supervisor does with the stage's reports, for example ``preflight``; empty
            for nothing.
    """

    id: str
    title: str
    summary: str = ""
    playbook: str = ""
    directory: str = ""
    inventory: str = ""
    hosts: tuple[str, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    tasks: int = 0
    repeatable: bool = True
    env: dict[str, str] = field(default_factory=dict)
    goes_on: bool = False
    after: str = ""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Stage:
        """Return the stage that `data` holds; fields it does not know are an error (`InvalidPlan`)."""
        try:
            return cls(**{**data, "hosts": tuple(data.get("hosts", ()))})
        except TypeError as problem:
            raise InvalidPlan(f"a stage of the plan is not understood: {problem}") from problem


@dataclass(frozen=True, slots=True)
class Plan:
    """A job on one cluster.

    Attributes:
        job: What is done: ``create``, later ``scale``, ``upgrade`` and others.
        cluster: Name of the cluster.
        practice: Whether it is done on the practice yard.
        stages: In their order.
    """

    job: str
    cluster: str
    practice: bool = False
    stages: tuple[Stage, ...] = ()

    def stage(self, stage_id: str) -> Stage:
        """Return the stage called `stage_id`; KeyError where the plan has none."""
        for stage in self.stages:
            if stage.id == stage_id:
                return stage
        raise KeyError(stage_id)

    def to_json(self) -> str:
        """Return the plan as a JSON document, as ``plan.json`` holds it."""
        return json.dumps({"version": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Return the plan that `text` holds; raises `InvalidPlan`."""
        try:
            data = json.loads(text)
        except ValueError as problem:
            raise InvalidPlan(f"the plan is not JSON: {problem}") from problem
        if not isinstance(data, dict) or data.get("version") != FORMAT:
            raise InvalidPlan("the plan was written by another version of Slipway")
        try:
            return cls(
                job=data["job"],
                cluster=data["cluster"],
                practice=bool(data["practice"]),
                stages=tuple(Stage.from_data(one) for one in data["stages"]),
            )
        except (KeyError, TypeError) as problem:
            raise InvalidPlan(f"the plan is not complete: {problem}") from problem
