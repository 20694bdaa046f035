"""The review: choices, findings, the exact files, the stages; and only then Start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, OptionList, Static, TabbedContent, TabPane, Tabs, Tree
from textual.widgets.option_list import Option as Row
from textual.widgets.tree import TreeNode

from tui.screens.wizard import REVIEW, finding_line
from tui.widgets.frame import FrameScreen
from wizards.setup import steps
from wizards.setup.document import InvalidSpec, dump_spec
from wizards.setup.finding import Finding, Severity, blocks
from wizards.setup.questions import Answers
from wizards.setup.showing import in_words
from wizards.setup.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What the user wants after the review: to start with `spec`, or to go back to the step `back_to`."""

    spec: ClusterSpec | None = None
    back_to: str = ""


@dataclass(frozen=True, slots=True)
class ReviewData:
    """All that the review shows, computed before it is drawn."""

    spec: ClusterSpec | None
    findings: tuple[Finding, ...]
    files: dict[str, str]
    stages: tuple[tuple[str, str], ...]
    choices: tuple[tuple[str, str, str], ...]  # step id, question, answer in words


def review_data(answers: Answers, *, practice: bool) -> ReviewData:
    """Return what the review shows for these answers."""
    from wizards.provision.outline import stage_outline
    from wizards.provision.render import render_files

    findings = steps.findings(answers)
    choices = choices_in_words(answers)
    try:
        spec = steps.build(answers)
    except InvalidSpec:
        return ReviewData(None, findings, {}, (), choices)
    if blocks(findings):  # what must be mended first has no files yet
        return ReviewData(None, findings, {}, (), choices)
    files = {"cluster.yaml": dump_spec(spec), **render_files(spec)}
    stages = tuple((one.title, one.summary) for one in stage_outline(spec, practice=practice))
    return ReviewData(spec, findings, files, stages, choices)


def choices_in_words(answers: Answers) -> tuple[tuple[str, str, str], ...]:
    """Return every visible question with its answer in words, step by step."""
    return tuple(
        (step.id, question.title, in_words(question, answers))
        for step in steps.visible_steps(answers)
        for question in steps.visible_questions(step, answers, advanced=False)
    )


def step_id(finding: Finding) -> str:
    """Return the id of the step in which the answer is given that a finding speaks of; empty for none."""
    step = steps.step_of(finding.path)
    return step.id if step is not None else ""


class ReviewScreen(FrameScreen[Reviewed]):
    """Shows all, starts nothing by itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+s", "start", "Start", priority=True),
        Binding("1", "tab('choices')", "Choices", show=False),
        Binding("2", "tab('findings')", "Findings", show=False),
        Binding("3", "tab('files')", "Files", show=False),
        Binding("4", "tab('plan')", "Plan", show=False),
        Binding("ctrl+q", "leave", "Quit", priority=True),
    ]

    def __init__(self, answers: Answers, data: ReviewData, *, practice: bool) -> None:
        super().__init__("Review and start", practice=practice)
        self.answers = answers
        self.data = data

    @property
    def blocked(self) -> tuple[Finding, ...]:
        """What must be mended before Start."""
        return blocks(self.data.findings)

    def compose_body(self) -> ComposeResult:
        """Four tabs and the button."""
        count = len(self.data.findings)
        with TabbedContent(id="review"):
            with TabPane("1 Choices", id="choices"):
                yield OptionList(id="choice-rows", compact=True, markup=False)
            with TabPane(f"2 Findings ({count})", id="findings"):
                yield OptionList(id="finding-rows", compact=True, markup=False)
            with TabPane(f"3 Files ({len(self.data.files)})", id="files"), Horizontal(id="file-panes"):
                yield self._tree()
                with VerticalScroll(id="preview-scroll"):
                    yield Static("", id="preview", markup=False)
            with TabPane(f"4 Plan ({len(self.data.stages)})", id="plan"), VerticalScroll():
                yield Static(self._plan(), markup=False)
        yield Static(self._verdict(), id="verdict", markup=False)
        with Horizontal(id="step-buttons"):
            yield Button("Start", id="start", variant="primary", compact=True, disabled=bool(self.blocked))
            yield Button("Back to the steps", id="back", compact=True)

    def on_mount(self) -> None:
        """Fill the lists; Start has the focus where it may be pressed."""
        self.query_one("#choice-rows", OptionList).set_options(self._choice_rows())
        self.query_one("#finding-rows", OptionList).set_options(self._finding_rows())
        for name in list(self.data.files)[:1]:
            self._preview(name)
        self.query_one("#back" if self.blocked else "#start", Button).focus()

    # -- content --------------------------------------------------------------------------------------------

    def _choice_rows(self) -> list[Row]:
        titles = {step.id: step.title for step in steps.visible_steps(self.answers)}
        rows: list[Row] = []
        last = ""
        for number, (step_id, question, answer) in enumerate(self.data.choices):
            step = titles.get(step_id, "") if step_id != last else ""
            last = step_id
            rows.append(
                Row(
                    Content.assemble(
                        (f"{step[:15]:<16}", "bold"), (f"{question[:26]:<27}", "$text-muted"), answer
                    ),
                    id=f"{number}:{step_id}",
                )
            )
        return rows

    def _finding_rows(self) -> list[Row]:
        if not self.data.findings:
            return [Row(Content.styled("✓ Nothing stands in the way.", "$text-success"))]
        order = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.FIX: 2}
        ranked = sorted(self.data.findings, key=lambda one: order[one.severity])
        return [Row(finding_line(one), id=f"{n}:{step_id(one)}") for n, one in enumerate(ranked)]

    def _tree(self) -> Tree[str]:
        tree: Tree[str] = Tree("files", id="file-tree")
        tree.show_root = False
        tree.guide_depth = 2
        folders: dict[PurePosixPath, TreeNode[str]] = {PurePosixPath("."): tree.root}
        for name in self.data.files:
            path = PurePosixPath(name)
            for parent in [*reversed(path.parents[:-1])]:
                if parent not in folders:
                    folders[parent] = folders[parent.parent].add(Text(parent.name), expand=True)
            folders[path.parent].add_leaf(Text(path.name), data=name)
        tree.root.expand()
        return tree

    def _plan(self) -> Content:
        rows = [
            Content.assemble((f"{number:>2} {title}\n", "bold"), (f"   {summary}\n", "$text-muted"))
            for number, (title, summary) in enumerate(self.data.stages, start=1)
        ]
        return Content("").join(rows) if rows else Content("The plan is made when nothing blocks.")

    def _verdict(self) -> Content:
        stopping = len(self.blocked)
        if stopping:
            return Content.styled(
                f"✗ {stopping} finding(s) must be mended first: press 2 to see them.", "$text-error"
            )
        warns = sum(1 for one in self.data.findings if one.severity is Severity.WARN)
        text = (
            f"! Ready to start, with {warns} warning(s): press 2 to see them."
            if warns
            else "✓ Ready to start."
        )
        return Content.styled(text, "$text-warning" if warns else "$text-success")

    # -- events ---------------------------------------------------------------------------------------------

    def on_descendant_focus(self) -> None:
        """Say what Enter does where the focus is."""
        texts = {
            "start": " Enter: start; nothing has been changed on any server yet · 1-4: look first",
            "back": " Enter: back to the steps; all answers stay",
            "choice-rows": " Enter: go to the step of this answer",
            "finding-rows": " Enter: go to the step of this finding",
            "file-tree": " Enter or arrows: show the file at the right",
        }
        focused = self.focused
        where = focused.id or "" if focused is not None else ""
        self.hint(
            texts.get(
                where, " Arrows: the other tabs · Tab: into this one" if isinstance(focused, Tabs) else ""
            )
        )

    @on(Tree.NodeHighlighted)
    def _show_file(self, event: Tree.NodeHighlighted[str]) -> None:
        if event.node.data is not None:
            self._preview(event.node.data)

    def _preview(self, name: str) -> None:
        self.query_one("#preview", Static).update(Content(self.data.files[name]))
        self.query_one("#preview-scroll", VerticalScroll).scroll_home(animate=False)

    @on(OptionList.OptionSelected)
    def _jump(self, event: OptionList.OptionSelected) -> None:
        step_id = (event.option.id or "").partition(":")[2]
        if step_id:
            self.dismiss(Reviewed(back_to=step_id))

    def action_tab(self, name: str) -> None:
        """Show a tab and put the focus into it."""
        self.query_one(TabbedContent).active = name
        inside = {
            "choices": "#choice-rows",
            "findings": "#finding-rows",
            "files": "#file-tree",
            "plan": "#plan Static",
        }
        target = self.query(inside[name]).first()
        (target if target.focusable else self.query_one("#start" if not self.blocked else "#back")).focus()

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Start, when nothing blocks."""
        if self.blocked or self.data.spec is None:
            self.app.bell()
            self.action_tab("findings")
        else:
            self.dismiss(Reviewed(spec=self.data.spec))

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """Back to the last step."""
        last = [one.id for one in steps.visible_steps(self.answers) if one.id != REVIEW][-1]
        self.dismiss(Reviewed(back_to=last))

    def action_leave(self) -> None:
        """Quit; the draft is kept."""
        self.dismiss(Reviewed())
