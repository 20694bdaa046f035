"""The wizard's questions in their order, and all that a front end needs to ask them.

Both front ends, the screen and the prompts, walk `STEPS`; neither decides anything. What the user said is
`Answers`; every other value is a default that is computed when it is looked at.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from wizards.setup import answers as _answers
from wizards.setup.answers import get, is_empty, is_given, value_of
from wizards.setup.finding import Finding, Severity
from wizards.setup.parsing import parse
from wizards.setup.paths import parent
from wizards.setup.proposals import complete_nodes, propose_roles
from wizards.setup.questions import AnswerError, Answers, Question, Step, Value
from wizards.setup.steps_control import CONTROL_STEP
from wizards.setup.steps_network import LOAD_BALANCER_STEP, NETWORK_STEP
from wizards.setup.steps_place import ACCESS_STEP, LOCAL_STEP, NODES_STEP, WHERE_STEP
from wizards.setup.steps_storage import MESH_STEP, STORAGE_STEP
from wizards.setup.words import sentence

if TYPE_CHECKING:
    from wizards.setup.spec import ClusterSpec, Node, Pool

__all__ = [
    "STEPS",
    "AnswerError",
    "build",
    "complete_nodes",
    "effective",
    "findings",
    "from_spec",
    "is_given",
    "parse",
    "propose_roles",
    "question_at",
    "step_of",
    "step_with_id",
    "value_of",
    "visible_questions",
    "visible_steps",
]

REVIEW_STEP: Final = Step(
    id="review",
    title="Review",
    intro=(
        "This is what will be built, and how. Nothing has been changed on any machine yet. Look "
        "through the findings and the files, go back to any step to change an answer, and start when "
        "you are content."
    ),
    questions=(),
)

STEPS: Final[tuple[Step, ...]] = (
    WHERE_STEP,
    NODES_STEP,
    LOCAL_STEP,
    ACCESS_STEP,
    NETWORK_STEP,
    LOAD_BALANCER_STEP,
    STORAGE_STEP,
    MESH_STEP,
    CONTROL_STEP,
    REVIEW_STEP,
)

_QUESTIONS: Final[dict[str, tuple[Step, Question]]] = {
    question.path: (step, question) for step in STEPS for question in step.questions
}


def visible_steps(answers: Answers) -> tuple[Step, ...]:
    """Return the steps that are shown, given what was answered."""
    return _answers.visible_steps(STEPS, answers)


def visible_questions(step: Step, answers: Answers, *, advanced: bool) -> tuple[Question, ...]:
    """Return the questions of `step` that are asked now; those for experts only when `advanced`."""
    return _answers.visible_questions(step, answers, advanced=advanced)


def step_with_id(step_id: str) -> Step | None:
    """Return the step called `step_id`, None where there is none."""
    return next((step for step in STEPS if step.id == step_id), None)


def question_at(path: str) -> Question | None:
    """Return the question that a finding's `path` belongs to: the one at it, or the nearest above it."""
    found = _owner(path)
    return found[1] if found else None


def step_of(path: str) -> Step | None:
    """Return the step in which the answer that a finding's `path` names is given, or its neighbours are."""
    found = _owner(path)
    if found:
        return found[0]
    while path:
        near = (step for known, (step, _) in _QUESTIONS.items() if known.startswith(f"{path}."))
        if (step := next(near, None)) is not None:
            return step
        path = parent(path)
    return None


def _owner(path: str) -> tuple[Step, Question] | None:
    while path:
        if path in _QUESTIONS:
            return _QUESTIONS[path]
        path = parent(path)
    return None


def effective(answers: Answers) -> dict[str, Any]:
    """Return the data of cluster.yaml: what was given, and the defaults of all that is asked."""
    data = _answers.data_of(STEPS, answers)
    if isinstance(data.get("nodes"), list | tuple):
        data["nodes"] = complete_nodes(data["nodes"])
    return copy.deepcopy(data)


def build(answers: Answers) -> ClusterSpec:
    """Return the specification that the answers make.

    Raises:
        wizards.setup.document.InvalidSpec: When an answer is missing or not what its type wants.
    """
    return _validate(effective(answers))


def _validate(data: dict[str, Any]) -> ClusterSpec:
    from wizards.setup.document import validate_data

    return validate_data(data)


def findings(answers: Answers) -> tuple[Finding, ...]:
    """Return all there is to say about the answers so far; never raises.

    First the questions that want an answer and have none, then the faults of single values, then, once every
    value holds, the rules between answers.
    """
    from wizards.setup.document import InvalidSpec
    from wizards.setup.rules import check

    missing = _missing(answers)
    try:
        spec = build(answers)
    except InvalidSpec as error:
        said = {finding.path for finding in missing}
        return (*missing, *(_as_sentences(finding) for finding in error.findings if finding.path not in said))
    return (*missing, *check(spec))


def _as_sentences(finding: Finding) -> Finding:
    return replace(finding, message=sentence(finding.message), remedy=sentence(finding.remedy))


def _missing(answers: Answers) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            id="answer-missing",
            severity=Severity.BLOCK,
            path=question.path,
            message=f"{question.title} has no answer yet.",
            remedy=question.help,
        )
        for question in _answers.asked(STEPS, answers)
        if not question.optional and is_empty(value_of(question, answers))
    )


def from_spec(spec: ClusterSpec) -> Answers:
    """Return answers that build `spec` again; what equals a default of the wizard is left to be computed."""
    full = spec.model_dump(mode="json")
    full["nodes"] = [_node_row(node) for node in spec.nodes]
    full["load_balancer"]["pools"] = [_pool_row(pool) for pool in spec.load_balancer.pools]
    changed = spec.model_dump(mode="json", exclude_defaults=True)
    answers = _unasked(spec)
    for _ in range(3):  # a default may follow from a later answer, as the pool does from the virtual IP
        before = answers
        for path, (step, question) in _QUESTIONS.items():
            is_asked = step.when(answers) and question.when(answers)
            value = get(full if is_asked else changed, path)
            is_default = value is None and not is_asked
            answers = answers.without(path) if is_default else _taken_over(question, value, answers)
        if answers == before:
            break
    return answers


def _taken_over(question: Question, value: Value, answers: Answers) -> Answers:
    bare = answers.without(question.path)
    default = question.default(bare)
    is_default = value == default or (is_empty(value) and is_empty(default))
    return bare if is_default else answers.with_answer(question.path, value)


def _node_row(node: Node) -> dict[str, Any]:
    roles = [role.value for role in node.roles]
    changed: dict[str, Any] = node.model_dump(mode="json", exclude_defaults=True)
    return changed | {"roles": roles}


def _pool_row(pool: Pool) -> dict[str, Any]:
    changed: dict[str, Any] = pool.model_dump(mode="json", exclude_defaults=True)
    return {"name": pool.name} | changed


def _unasked(spec: ClusterSpec) -> Answers:
    """Return what differs from the format's defaults at paths that no question asks for."""
    given: dict[str, Value] = {}
    _collect(spec.model_dump(mode="json", exclude_defaults=True), "", given)
    return Answers(given)


def _collect(value: Any, path: str, given: dict[str, Value]) -> None:
    if path in _QUESTIONS:
        return
    if isinstance(value, dict) and any(known.startswith(f"{path}." if path else "") for known in _QUESTIONS):
        for key, item in value.items():
            _collect(item, f"{path}.{key}" if path else key, given)
    elif isinstance(value, list) and any(known.startswith(f"{path}[") for known in _QUESTIONS):
        for index, item in enumerate(value):
            _collect_item(item, f"{path}[{index}]", given)
    else:
        given[path] = value


def _collect_item(item: dict[str, Any], path: str, given: dict[str, Value]) -> None:
    given.update({f"{path}.{key}": value for key, value in item.items() if f"{path}.{key}" not in _QUESTIONS})
