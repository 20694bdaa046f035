"""The terminal: the `slipway` command and the Textual application. Nothing here decides anything."""
