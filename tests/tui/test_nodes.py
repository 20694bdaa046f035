"""The table of servers by keys: cells edited in place, rows, roles, undo, filter, 300 servers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.tui.conftest import NARROW, WIDE, text_of
from tests.tui.nodes_step import nodes_step
from tui.screens.node_editor import NodeEditor
from tui.widgets.nodes.columns import ALL, FEWER, GAP, columns_for, roles_text, row_cells


def addresses(rows: list[dict[str, object]]) -> list[object]:
    return [row["address"] for row in rows]


async def test_a_row_is_added_edited_and_refused_in_its_cells(home: Path) -> None:
    async with nodes_step(home) as step:
        assert "Press a to add one, p to paste" in text_of(step.app).replace("\n", " ")
        await step.keys("a")
        await step.edit("", end="")
        assert step.screen_cells()[0][0] == "node-1", "a name is proposed"
        box, cell = step.table.cell_box(), step.cell.region
        assert cell.offset == step.table.region.offset + box.offset, "the field lies exactly over the cell"
        assert cell.width == box.width
        await step.edit("10.0.0.999")
        await step.until(lambda: "✗ '10.0.0.999' is neither" in step.note(), "the refusal")
        assert step.is_editing, "a wrong value is not kept"
        assert step.rows == []
        await step.keys("ctrl+n")
        assert step.wizard.step.id == "nodes", "one does not go on with a wrong value"
        await step.edit("", clear=1)
        await step.at_rest()
        assert step.rows == [{"name": "node-1", "address": "10.0.0.99"}]
        assert step.note().startswith("One server does everything")


async def test_tab_walks_the_cells_and_escape_leaves_one_as_it_was(home: Path) -> None:
    async with nodes_step(home, WIDE) as step:
        await step.keys("a")
        await step.edit("10.0.0.11", end="tab")
        await step.edit("192.168.0.11", end="tab")
        await step.edit("ubuntu", end="tab")
        await step.edit("2222")
        await step.at_rest()
        row = {
            "name": "node-1",
            "address": "10.0.0.11",
            "internal_address": "192.168.0.11",
            "user": "ubuntu",
            "port": 2222,
        }
        assert step.rows == [row]
        assert step.screen_cells() == [
            ["node-1", "10.0.0.11", "192.168.0.11", "ubuntu", "2222", "control plane + worker"]
        ]
        await step.keys("f2")
        await step.edit("9", end="shift+tab")
        await step.edit("x", end="escape")
        await step.at_rest()
        assert step.rows == [row | {"port": 22229}]
        await step.keys("u")
        await step.until(lambda: step.rows == [row], "the port is as it was")


async def test_an_empty_address_takes_the_new_row_away_again(home: Path) -> None:
    async with nodes_step(home) as step:
        await step.add("10.0.0.11")
        for end in ("enter", "escape"):
            await step.keys("a")
            await step.edit("", end="")
            assert step.table.row_count == 2
            await step.keys(end)
            await step.at_rest()
            assert step.table.row_count == len(step.rows) == 1
        await step.keys("a")
        await step.edit("10.0.0.11")
        await step.until(lambda: "node-1 has the address 10.0.0.11" in step.note(), "the address is taken")
        await step.keys("escape")
        await step.at_rest()
        await step.keys("home", "e")
        await step.edit("", clear=6)
        await step.until(lambda: "The name is missing" in step.note(), "a name is wanted")
        await step.keys("escape")
        await step.at_rest()
        assert step.rows == [{"name": "node-1", "address": "10.0.0.11"}]
        await step.keys("enter")
        await step.until(lambda: step.wizard.focused and step.wizard.focused.id == "next", "Enter goes on")


async def test_what_is_being_typed_is_not_lost_by_going_on(home: Path) -> None:
    async with nodes_step(home) as step:
        await step.keys("a")
        await step.edit("10.0.0.11", end="")
        await step.until(lambda: addresses(step.rows) == ["10.0.0.11"], "the answer follows the keys")
        await step.keys("ctrl+n")
        await step.until(lambda: step.wizard.step.id == "access", "the next step")
        await step.keys("escape")
        await step.until(lambda: step.wizard.step.id == "nodes" and step.table.row_count == 1, "back again")
        assert step.screen_cells()[0][:2] == ["node-1", "10.0.0.11"]


async def test_rows_are_copied_moved_deleted_and_all_of_it_is_undone_and_redone(home: Path) -> None:
    async with nodes_step(home) as step:
        await step.add("10.0.0.11-12")
        states = [step.rows]
        for key, expected in (
            ("c", ["10.0.0.11", "10.0.0.13", "10.0.0.12"]),
            ("shift+down", ["10.0.0.11", "10.0.0.12", "10.0.0.13"]),
            ("shift+up", ["10.0.0.11", "10.0.0.13", "10.0.0.12"]),
            ("d", ["10.0.0.11", "10.0.0.12"]),
            ("delete", ["10.0.0.11"]),
        ):
            await step.keys(key)
            await step.until(lambda want=expected: addresses(step.rows) == want, key)
            states.append(step.rows)
        assert states[1][1]["name"] == "node-3", "the copy's name is counted up"
        for state, key in zip(reversed(states[:-1]), ["u", "ctrl+z"] * 3, strict=False):
            await step.keys(key)
            await step.until(lambda want=state: step.rows == want, f"undo by {key}")
        assert [row[1] for row in step.screen_cells()] == ["10.0.0.11", "10.0.0.12"]
        for state, key in zip(states[1:], ["U", "ctrl+y"] * 3, strict=False):
            await step.keys(key)
            await step.until(lambda want=state: step.rows == want, f"redo by {key}")
        assert [row[1] for row in step.screen_cells()] == ["10.0.0.11"]


async def test_roles_are_changed_by_one_key_and_the_sentence_follows(home: Path) -> None:
    async with nodes_step(home) as step:
        await step.add("10.0.0.11-13")
        assert step.note() == (
            "Any 1 of 3 control planes may fail. When a worker fails, its applications move to the other 2."
        )
        await step.keys("right", "right", "right")
        await step.until(lambda: "Three control planes that also work" in text_of(step.app), "the reason")
        await step.keys("ctrl+home", "r")
        await step.until(lambda: step.rows[0].get("roles") == ["control-plane", "etcd"], "the next roles")
        await step.keys("r")
        await step.until(
            lambda: step.note().startswith("2 etcd members survive less than one"), "the sentence"
        )
        assert step.screen_cells()[0][3] == "worker"
        assert "roles set for 1" in step.note("#nodes-title")
        await step.keys("end", "space")
        await step.until(lambda: len(step.rows[0]["roles"]) == 3, "space on the roles is their next set")
        await step.keys("R")
        await step.until(lambda: all("roles" not in row for row in step.rows), "roles as proposed")
        assert step.note().startswith("Any 1 of 3 control planes may fail.")


async def test_the_full_form_holds_what_has_no_column(home: Path) -> None:
    async with nodes_step(home) as step:
        await step.add("10.0.0.11")
        await step.keys("o")
        await step.until(lambda: isinstance(step.app.screen, NodeEditor), "the form")
        screen = step.app.screen
        screen.query_one("#node-labels").focus()
        await step.pilot.pause()
        await step.keys(*"rack=", "!", "enter")
        await step.until(lambda: "✗ Kubernetes labels:" in text_of(step.app), "the refusal")
        await step.keys("backspace", "a", "enter")
        await step.until(lambda: step.rows[0].get("labels") == {"rack": "a"}, "the label is kept")
        assert "roles" not in step.rows[0], "roles that were not touched stay a proposal"
        await step.keys("u")
        await step.until(lambda: "labels" not in step.rows[0], "undo")


async def test_three_hundred_rows_are_filtered_and_edited_at_once(home: Path) -> None:
    async with nodes_step(home) as step:
        rows = [
            {"name": f"node-{number}", "address": f"10.0.{number // 200}.{number % 200 + 1}"}
            for number in range(1, 301)
        ]
        step.wizard.answers = step.wizard.answers.with_answer("nodes", rows)
        step.wizard._refresh_questions()
        await step.until(lambda: step.table.row_count == 300, "all rows")
        await step.keys("slash", *"node-29", "enter")
        await step.until(lambda: step.table.row_count == 11 and step.table.has_focus, "the filtered rows")
        await step.keys("down", "home", "e")
        await step.edit("x")
        await step.until(lambda: step.rows[289]["name"] == "node-290x", "the right row is changed")
        await step.keys("d")
        await step.until(lambda: len(step.rows) == 299, "the row is gone")
        assert step.rows[289]["name"] == "node-291"
        assert "10 shown" in step.note("#nodes-title")
        await step.keys("escape")
        await step.until(lambda: step.table.row_count == 299, "all rows again")
        assert step.wizard.step.id == "nodes", "Escape showed all rows and did not go back"
        assert step.table.cursor_row == 289, "the cursor stays on its row"
        assert "its applications move to the other 295" in step.note()


async def test_one_key_touches_no_more_than_its_cell(home: Path) -> None:
    """300 servers: the work of a key, measured as processor time, without the judging that follows later."""
    async with nodes_step(home) as step:
        rows = [{"name": f"node-{n}", "address": f"10.0.{n // 200}.{n % 200 + 1}"} for n in range(1, 301)]
        step.wizard.answers = step.wizard.answers.with_answer("nodes", rows)
        step.wizard._refresh_questions()
        await step.until(lambda: step.table.row_count == 300, "all rows")
        before = [id(cell) for at in range(300) for cell in step.table.get_row_at(at)]
        start = time.process_time()
        await step.keys(*["down"] * 20)
        each = (time.process_time() - start) / 20
        assert each < 0.1, f"{each * 1000:.0f} ms of work for a step down"
        await step.keys("home", "e")
        await step.edit("x")
        await step.until(lambda: step.rows[20]["name"] == "node-21x", "the change")
        after = [id(cell) for at in range(300) for cell in step.table.get_row_at(at)]
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


# -- columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 60, 72, 76, 77, 80, 81, 82, 100, 140, 200])
def test_columns_fit_the_width_and_show_as_much_as_fits(width: int) -> None:
    columns = columns_for(width)
    needed = sum(column.width + GAP for column in columns)
    assert needed <= max(width, 52)
    if width >= 81:
        assert [column.field for column in columns] == [column.field for column in ALL]
    elif width >= 72:
        assert [column.field for column in columns] == [column.field for column in FEWER]


def test_what_no_column_shows_stands_with_the_address() -> None:
    row = {"name": "a", "address": "127.0.0.1", "port": 2222, "roles": ["worker"]}
    assert row_cells(row, columns_for(77))[1] == "127.0.0.1:2222"
    assert row_cells(row, columns_for(100))[1:5] == ("127.0.0.1", "", "", "2222")
    long = {**row, "name": "a-very-long-name-that-does-not-fit-anywhere", "port": 22}
    cells = row_cells(long, columns_for(77))
    assert cells[0].endswith("…")
    assert len(cells[0]) == columns_for(77)[0].width


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (["control-plane", "etcd", "worker"], "control plane + worker"),
        (["control-plane", "etcd"], "control plane"),
        (["worker"], "worker"),
        (["etcd"], "etcd"),
        (["etcd", "worker"], "etcd + worker"),
        (["control-plane"], "control plane, no etcd"),
        (["control-plane", "worker"], "control+worker, no etcd"),
    ],
)
def test_roles_in_words(roles: list[str], words: str) -> None:
    assert roles_text(roles) == words


async def test_nothing_is_cut_off_at_24_rows(home: Path) -> None:
    async with nodes_step(home, NARROW) as step:
        await step.add("10.0.0.11-19")
        screen = text_of(step.app)
        assert "control planes may fail" in screen
        assert "Back: Where" in screen
        footer = screen.splitlines()[-1]
        for words in ("Add", "Edit", "Del", "Roles", "Paste", "Back", "Next", "Take defaults", "Quit"):
            assert words in footer, footer
        assert "c: copy · o: form · i: import · f: find · u: undo · /: filter" in screen
