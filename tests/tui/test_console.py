"""The console: what it lists, and that practice never touches a real cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.tui.conftest import NARROW, text_of, until
from tui.app import SlipwayApp
from tui.screens.console import ConsoleScreen
from tui.screens.health import HealthScreen
from tui.start import Mode, Start
from wizards.clusters import Clusters, yard_dir
from wizards.practice.client import stop_yard
from wizards.setup.spec import ClusterSpec

REAL = "# the real cluster's credentials\n"


def spec(name: str) -> ClusterSpec:
    return ClusterSpec.model_validate({"name": name, "nodes": [{"name": "node-1", "address": "127.77.0.11"}]})


async def look_at(pilot: Pilot[int], app: SlipwayApp, name: str) -> None:
    """Open the health of a cluster from the console, and come back."""
    await until(pilot, lambda: isinstance(app.screen, ConsoleScreen) and app.focused, "the console")
    rows = app.screen.query_one("#clusters", OptionList)
    rows.highlighted = rows.get_option_index(name)
    await pilot.pause()
    await pilot.press("h")
    await until(pilot, lambda: f"{name}: health" in text_of(app), f"health of {name}", seconds=60)
    assert isinstance(app.screen, HealthScreen)
    await pilot.press("q")
    await until(pilot, lambda: isinstance(app.screen, ConsoleScreen) and app.focused, "the console again")


@pytest.mark.slow
async def test_after_a_practice_cluster_a_real_one_keeps_its_credentials(home: Path) -> None:
    clusters = Clusters(home)
    real = clusters.create(spec("real"))
    real.kubeconfig.write_text(REAL)
    practice = clusters.create(spec("practice"), practice=True)
    practice.kubeconfig.write_text("# of an earlier yard\n")
    app = SlipwayApp(Start(Mode.CONSOLE, home))
    try:
        async with app.run_test(size=NARROW) as pilot:
            await look_at(pilot, app, "practice")
            await look_at(pilot, app, "real")
    finally:
        stop_yard(yard_dir(home, "practice"))
    assert "127.0.0.1" in practice.kubeconfig.read_text(), "the practice cluster's follows its yard"
    assert real.kubeconfig.read_text() == REAL
    assert not real.known_hosts.exists()
