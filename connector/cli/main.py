"""`saltbridge`: every noun and verb by name, imported when it is called; errors become lines and exit codes here.

The table below is the whole command line.  A noun is a Typer application (`app`), a verb a plain function with
Typer annotations; neither is imported before it is needed, so that `--help` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command as typer_command
from typer.main import get_group as typer_group

from connector.errors import SaltbridgeError


class Entry(NamedTuple):
    """Where a command lives: `module:attribute`, and what it is for.  A noun of one verb names the verb."""

    where: str
    help: str
    verb: str = ""


COMMANDS: dict[str, Entry] = {
    "init": Entry("connector.cli.init:init", "Make a node: keys, configuration, database."),
    "serve": Entry("connector.cli.serve:serve", "Run the node."),
    "doctor": Entry("connector.cli.doctor:doctor", "Check everything that a first message needs."),
    "config": Entry("connector.cli.config:config_show", "Show the settings and where each value came from.", verb="show"),
    "status": Entry("connector.cli.status:status", "Show how the running node is doing."),
    "passport": Entry("connector.cli.passport:app", "Import, publish and read battery passports."),
    "view": Entry("connector.cli.view:app", "Say which attributes leave, preview, test and offer them."),
    "policy": Entry("connector.cli.policy:app", "Write, check and explain terms."),
    "peer": Entry("connector.cli.peer:app", "Know other nodes: cards, keys, claims."),
    "keys": Entry("connector.cli.keys:app", "Show and rotate the key that this node signs with."),
    "catalog": Entry("connector.cli.catalog:catalog", "Read what a peer offers, and whether it is for you."),
    "negotiate": Entry("connector.cli.negotiate:negotiate", "Negotiate a contract for one dataset."),
    "contract": Entry("connector.cli.contract:app", "Follow and steer negotiations and agreements."),
    "transfer": Entry("connector.cli.transfer:app", "Follow and steer transfers."),
    "pull": Entry("connector.cli.pull:pull", "Get a battery's granted data: contract, transfer, files."),
    "qr": Entry("connector.cli.qr:qr", "Make the label of a battery: a QR code as SVG or PNG."),
    "lookup": Entry("connector.cli.lookup:lookup", "Find a battery at a peer by any identifier."),
    "query": Entry("connector.cli.query:query", "Ask your batteries or a peer's catalog in SPARQL."),
    "registry": Entry("connector.cli.registry:app", "See what others find of your batteries, and by which ids."),
    "backup": Entry("connector.cli.backup:backup", "Write a backup while the node serves."),
    "restore": Entry("connector.cli.backup:restore", "Put a node back as it was in a backup."),
    "audit": Entry("connector.cli.audit:app", "Read and verify the audit chain."),
    "explain": Entry("connector.cli.explain:explain", "Show why something was decided."),
}


class Lazy(TyperGroup):
    """A group whose commands are imported when they are called; lists them from the table without importing any."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        return _load(cmd_name, entry) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            close = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"There is no command {args[0]!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _load(name: str, entry: Entry) -> Any:
    module, _, attribute = entry.where.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        group = typer_group(found)
        group.name, group.help = name, group.help or entry.help
        return group
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    if not entry.verb:
        alone.command(name)(found)
        return typer_command(alone)
    alone.command(entry.verb)(found)
    alone.callback()(lambda: None)
    group = typer_group(alone)
    group.name, group.help = name, entry.help
    return group


app = typer.Typer(
    cls=Lazy,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: saltbridge --home demo/recycler pull maker dismantling --battery EV-72.000017",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"saltbridge {version('saltbridge')}")
        raise typer.Exit


@app.callback()
def root(
    home: Annotated[str, typer.Option("--home", metavar="DIR", help="The node's folder (or SALTBRIDGE_HOME); may stand anywhere.")] = "",
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Saltbridge: battery passports between companies; a contract names the attributes, and only those leave."""
    if home:
        os.environ["SALTBRIDGE_HOME"] = home


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code (0 ok, 1 failed, 2 usage, 3 denied, 4 invalid data, 5 peer unreachable)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Set before anything is parsed: `--home` may stand anywhere, and completion of ids needs it too.
    given, home = _take_home(given)
    if home:
        os.environ["SALTBRIDGE_HOME"] = home
    as_json = "--json" in given
    try:
        code = app(args=given, prog_name="saltbridge", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; without this Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped.", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the one doorway of the command line: nobody is above us to show it
        return _failed(error, as_json)
    return code if isinstance(code, int) else 0


def _take_home(arguments: list[str]) -> tuple[list[str], str]:
    """The arguments without `--home DIR`, and DIR; nothing after `--` is touched."""
    rest: list[str] = []
    home = ""
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*rest, word, *words], home
        if word.startswith("--home="):
            home = word.removeprefix("--home=")
        elif word == "--home":
            value = next(words, None)
            if value is None:
                return [word, *rest], home
            home = value
        else:
            rest.append(word)
    return rest, home


def _failed(error: Exception, as_json: bool) -> int:
    """Say on stderr what happened, why and what to do next; the exit code."""
    if isinstance(error, typer.TyperException):
        return _usage(error)
    from .client import exit_code
    from .table import error_json, error_lines

    told = error if isinstance(error, SaltbridgeError) else _bug(error)
    if as_json:
        import json

        print(json.dumps(error_json(told), ensure_ascii=False, indent=2), file=sys.stderr)
    else:
        print("\n".join(error_lines(told)), file=sys.stderr)
    return exit_code(told)


def _usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        print(context.get_help())
        return error.exit_code
    print(f"what  {text}", file=sys.stderr)
    if context is not None:
        print(f"why   {' '.join(context.get_usage().split())}", file=sys.stderr)
        print(f"next  {context.command_path} --help", file=sys.stderr)
    return error.exit_code


def _bug(error: Exception) -> SaltbridgeError:
    """A traceback is ours to repair: kept in a file that the message names."""
    import secrets
    import tempfile
    import traceback
    from pathlib import Path

    number = secrets.token_hex(4)
    path = Path(tempfile.gettempdir()) / f"saltbridge-bug-{number}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return SaltbridgeError(
        "This is a fault in saltbridge.", f"{type(error).__name__}: {error}", f"Report it with {path} (bug {number}).", code="bug"
    )


if __name__ == "__main__":
    sys.exit(main())
