"""The table of servers: edited in place, with undo, a filter, and dialogs that bring many at once."""

from tui.widgets.nodes.view import NodesView

__all__ = ["NodesView"]
