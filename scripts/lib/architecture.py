"""What of README.md follows from the code alone: the diagrams of both protocols, the tables of settings and codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from connector import codes, settings
from connector.protocol import negotiation, transfer
from connector.protocol.machine import Side
from scripts.lib.blocks import fenced

_FIELD = re.compile(r"^    (?P<name>\w+): [^#]*(?:# (?:noqa: \w+ - )?(?P<meaning>.*))?$")


def blocks() -> dict[str, str]:
    """Every block that follows from the code alone."""
    return {
        "negotiation": fenced(state_diagram(negotiation), "mermaid"),
        "transfer": fenced(state_diagram(transfer), "mermaid"),
        "settings": settings_table(),
        "codes": codes_table(),
    }


def state_diagram(protocol: ModuleType) -> str:
    """A protocol's table as a mermaid state diagram; raises ValueError when an ending is not open to both sides everywhere."""
    running = [state for state in protocol.State if state not in protocol.FINAL]
    terminate, ended = protocol.Message.TERMINATE, protocol.State.TERMINATED
    if {(state, side, terminate): ended for state in running for side in Side} != protocol.ENDINGS:
        raise ValueError("the note about TERMINATED does not hold any more: draw the endings one by one")
    arrows: dict[tuple[str, str, str], list[str]] = {}
    for (before, sender, message), after in protocol.STEPS.items():
        arrows.setdefault((before or "[*]", after, message.replace(":", " ")), []).append(sender)
    lines = [f"{before} --> {after}: {' or '.join(senders)} · {message}" for (before, after, message), senders in arrows.items()]
    lines += [f"{state} --> [*]" for state in protocol.State if state in protocol.FINAL]
    lines += ["note left of TERMINATED", f"  either side · {terminate}", "  from every state but the final ones", "end note"]
    return "stateDiagram-v2\n" + "\n".join(f"    {line}" for line in lines)


def settings_table() -> str:
    """Every key of saltbridge.toml with its default and what it means."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    rows += [f"| `{key}` | {_shown(default)} | {meaning} |" for key, default, meaning in _settings()]
    return "\n".join(rows)


def codes_table() -> str:
    """What a peer may be told, by code."""
    return "\n".join(["| code | meaning |", "|---|---|", *(f"| `{code}` | {meaning} |" for code, meaning in codes.BETWEEN.items())])


def _settings() -> Iterator[tuple[str, Any, str]]:
    for name, field in settings.Config.model_fields.items():
        if name in ("home", "origins"):
            continue
        section = field.annotation
        if isinstance(section, type) and issubclass(section, settings.Section):
            yield from ((f"{name}.{key}", default, meaning) for key, default, meaning in _fields(section))
        else:
            yield from (row for row in _fields(settings.Config) if row[0] == name)


def _fields(section: type[settings.Section]) -> Iterator[tuple[str, Any, str]]:
    """(key, default, meaning) of a section; the meaning is the comment beside the field, after choices that it does not name."""
    comments = {found["name"]: found["meaning"] or "" for line in inspect.getsource(section).splitlines() if (found := _FIELD.match(line))}
    for key, field in section.model_fields.items():
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        meaning = comments.get(key, "")
        allowed = " \\| ".join(choices) if len(choices) > 1 and not all(choice in meaning for choice in choices) else ""
        yield key, field.default, " · ".join(text for text in (allowed, meaning) if text)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "`true`" if default else "`false`"
    return f"`{default}`" if default not in ("", (), {}) else "-"
