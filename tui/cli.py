"""The `slipway` command: the front door. Imports nothing heavy until a command needs it.

Exit codes: 0 done; 1 the job failed; 2 wrong usage or an invalid file; 3 blocked by a check; 4 cancelled;
5 someone else holds the cluster.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tui.codes import CANCELLED, DONE

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Front(click.Group):
    """The command group: one sentence and the right exit code for whatever goes wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raises into a sentence on standard error."""
        for stream in (sys.stdout, sys.stderr):
            # A terminal of another character set shows '?' for a mark it lacks; it never ends the command.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except click.Abort:
            click.echo("Nothing was changed.", err=True)
            raise SystemExit(CANCELLED) from None
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise SystemExit(130) from None
        except Exception as error:
            from tui.errors import exit_for

            raise SystemExit(exit_for(error)) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a user meets them."""
        return list(self.commands)


@click.group(cls=Front, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(package_name="slipway", message="slipway %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """From bare Linux servers to a healthy Kubernetes cluster, step by step, in the terminal.

    Without a command: the console with your clusters, or the set-up wizard where there is none.
    """
    if ctx.invoked_subcommand is None:
        from tui.commands.screens import console

        ctx.exit(console())


FILE = click.Path(path_type=Path)
JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document (or object per line) on stdout."
)


def command(name: str, **settings: Any) -> Callable[[Callable[..., int | None]], click.Command]:
    """Register a command whose function returns the exit code."""

    def register(function: Callable[..., int | None]) -> click.Command:
        def run(**values: Any) -> None:
            code = function(**values)
            if code:
                raise SystemExit(code)

        run.__doc__ = function.__doc__
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        return main.command(name, **settings)(run)

    return register


@command("new")
@click.option("--local", is_flag=True, help="A cluster on this machine, by kind.")
@click.option("--plain", is_flag=True, help="Ask line by line, without a screen.")
@click.option(
    "--from", "from_file", type=FILE, metavar="FILE", help="Start with the answers of a cluster.yaml."
)
def new(local: bool, plain: bool, from_file: Path | None) -> int:
    """Set up a new cluster: the wizard."""
    from tui.commands.screens import wizard

    return wizard(local=local, plain=plain, from_file=from_file)


@command("demo")
@click.option("--auto", is_flag=True, help="Take all defaults and go through without a key.")
@click.option("--nodes", type=click.IntRange(1, 50), default=3, show_default=True, help="Practice servers.")
@click.option("--fail", metavar="NODE:STAGE", default="", help="Order a fault, such as node-2:kubernetes.")
def demo(auto: bool, nodes: int, fail: str) -> int:
    """Practise the whole path on embedded practice servers."""
    from tui.commands.demo import demo as run_demo

    return run_demo(auto=auto, nodes=nodes, fail=fail)


@command("check")
@click.argument("file", type=FILE)
@JSON
def check(file: Path, as_json: bool) -> int:
    """Name every fault of a cluster.yaml, with its line."""
    from tui.commands.files import check as run_check

    return run_check(file, as_json=as_json)


@command("render")
@click.argument("file", type=FILE)
@click.option("--out", type=FILE, required=True, metavar="DIR", help="Folder to write to.")
def render(file: Path, out: Path) -> int:
    """Write exactly the files that a run would use."""
    from tui.commands.files import render as run_render

    return run_render(file, out)


@command("schema")
def schema() -> int:
    """Print the JSON Schema of cluster.yaml."""
    from tui.commands.files import schema as run_schema

    return run_schema()


@command("access")
@click.argument("target", metavar="NAME|FILE")
@click.option("--install-key", "install", is_flag=True, help="Put a key on all servers, by password once.")
@click.option("--key", metavar="FILE", help="The key to install; without it, one made for this cluster.")
@click.option("--replace-key", metavar="NODE", help="Take the changed host key of this server.")
@click.option("--yes", is_flag=True, help="Ask nothing: accept new host keys.")
@JSON
def access(target: str, as_json: bool, **how: Any) -> int:
    """Try the login on every server, and say in words what stands in the way."""
    from tui.commands.access import access as run_access

    return run_access(target, as_json=as_json, **how)


@command("preflight")
@click.argument("target", metavar="NAME|FILE", required=False)
@click.option("--list", "list_checks", is_flag=True, help="List the checks and look at nothing.")
@click.option("--node", "nodes", multiple=True, metavar="NODE", help="Look at this node only; repeatable.")
@click.option(
    "--accept", multiple=True, metavar="CHECK[@NODE]", help="Accept this warning by name; repeatable."
)
@JSON
def preflight(
    target: str | None, list_checks: bool, nodes: tuple[str, ...], accept: tuple[str, ...], as_json: bool
) -> int:
    """Look at the servers and change nothing."""
    from tui.commands import preflight as command

    if list_checks:
        return command.list_checks(as_json=as_json)
    return command.preflight(target, nodes=nodes, accept=accept, as_json=as_json)


@command("prepare")
@click.argument("target", metavar="NAME|FILE")
@click.option("--yes", is_flag=True, help="Ask nothing: make the changes, accept new host keys.")
@click.option("--dry-run", is_flag=True, help="Print the exact changes and make none.")
@click.option(
    "--only", multiple=True, metavar="ID", help="Make this change only, such as swap-off; repeatable."
)
@JSON
def prepare(target: str, yes: bool, dry_run: bool, only: tuple[str, ...], as_json: bool) -> int:
    """Mend on the servers what can be mended, shown first."""
    from tui.commands.prepare import prepare as run_prepare

    return run_prepare(target, yes=yes, dry_run=dry_run, only=only, as_json=as_json)


@command("up")
@click.argument("target", metavar="NAME|FILE")
@click.option("--yes", is_flag=True, help="Ask nothing: accept warnings and new host keys.")
@click.option("--detach", is_flag=True, help="Start it and leave it running.")
@JSON
def up(target: str, yes: bool, detach: bool, as_json: bool) -> int:
    """Create the cluster, or bring it to what its answers say."""
    from tui.commands.runs import up as run_up

    return run_up(target, yes=yes, detach=detach, as_json=as_json)


@command("attach")
@click.argument("name")
@JSON
def attach(name: str, as_json: bool) -> int:
    """Watch the run in progress, or the last one."""
    from tui.commands.runs import attach as run_attach

    return run_attach(name, as_json=as_json)


@command("cancel")
@click.argument("name")
@click.option("--now", is_flag=True, help="At once, not after the task in hand.")
def cancel(name: str, now: bool) -> int:
    """Stop the run in progress; what is done stays done."""
    from tui.commands.runs import cancel as run_cancel

    return run_cancel(name, now=now)


@command("retry")
@click.argument("name")
@click.option("--detach", is_flag=True, help="Start it and leave it running.")
@JSON
def retry(name: str, detach: bool, as_json: bool) -> int:
    """Go on from the first stage that is not done."""
    from tui.commands.runs import retry as run_retry

    return run_retry(name, detach=detach, as_json=as_json)


@command("runs")
@click.argument("name")
@JSON
def runs(name: str, as_json: bool) -> int:
    """List the runs of a cluster, the newest first."""
    from tui.commands.runs import history

    return history(name, as_json=as_json)


@command("replay")
@click.argument("name")
@click.argument("run")
def replay(name: str, run: str) -> int:
    """Show a recorded run again."""
    from tui.commands.runs import replay as run_replay

    return run_replay(name, run)


@command("health")
@click.argument("name", required=False)
@click.option("--kubeconfig", type=FILE, metavar="F", help="A cluster that Slipway did not make.")
@click.option("--watch", is_flag=True, help="Follow it, line by line, until Ctrl-C.")
@JSON
def health(name: str | None, kubeconfig: Path | None, watch: bool, as_json: bool) -> int:
    """Say how a cluster is."""
    from tui.commands.health import health as run_health

    return run_health(name, kubeconfig=kubeconfig, watch=watch, as_json=as_json)


@command("verify")
@click.argument("name")
@JSON
def verify(name: str, as_json: bool) -> int:
    """Prove that a cluster works."""
    from tui.commands.runs import verify as run_verify

    return run_verify(name, as_json=as_json)


@command("version")
def version() -> int:
    """Print the version."""
    from wizards.version import slipway_version

    click.echo(f"slipway {slipway_version()}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
