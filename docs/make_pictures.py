"""Draws the README's pictures from the application itself: ``./run python docs/make_pictures.py``."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from tui.app import SlipwayApp
from tui.screens.wizard import WizardScreen
from tui.start import Mode, Start
from wizards.setup import drafts
from wizards.setup.questions import Answers

PICTURES = Path(__file__).with_name("pictures")
NODES = [{"name": f"node-{n}", "address": f"10.0.0.1{n}"} for n in (1, 2, 3)]


def save(app: SlipwayApp, name: str) -> None:
    """Write what the screen shows as SVG, without the fonts that a viewer would fetch from elsewhere."""
    svg = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(title="slipway"), flags=re.DOTALL)
    (PICTURES / f"{name}.svg").write_text(svg.replace("Fira Code", "monospace"), encoding="utf-8")


async def draw(home: Path) -> None:
    """Open the wizard on its network step and take the picture."""
    drafts.save_draft(home, Answers({"name": "lab", "nodes": NODES}), "network")
    app = SlipwayApp(Start(Mode.WIZARD, home))
    app.theme = "slipway"
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.5)
        await pilot.press("enter")
        while not isinstance(app.screen, WizardScreen) or app.screen.focused is None:
            await pilot.pause(0.1)
        await pilot.pause(0.5)
        save(app, "wizard-network")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(draw(Path(folder)))
