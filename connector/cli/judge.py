"""`saltbridge passport check` and `passport matrix`: what is asked of a passport, and who may see what of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, zip_longest
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from connector.cli import complete
from connector.cli.client import Client, part
from connector.cli.table import Column, Json, note, on_terminal, print_json, say, table
from connector.errors import Malformed
from connector.text import local

MARKS = {"missing": "✗", "invalid": "!", "unwanted": "!", "present": "●", "withheld": "◌", "absent": "·"}
_BAD = ("missing", "invalid", "unwanted")
_SECTIONS = {
    "Art. 77": "Art. 77(3) · identity",
    "VI A": "Annex VI A · label",
    "XIII 1": "Annex XIII 1 · of the model",
    "XIII 2": "Annex XIII 2 · of the model",
    "XIII 3": "Annex XIII 3 · of the model",
    "XIII 4": "Annex XIII 4 · of the battery",
}
_FOR = {
    "public": "for everyone",
    "legitimate-interest+authorities": "for legitimate interest and authorities",
    "legitimate-interest": "for legitimate interest",
    "authorities": "for authorities",
}
_PIPED = tuple(
    Column(key, key.upper()) for key in ("batteries", "point", "name", "clause", "seen_by", "level", "status", "standing", "where", "next")
)
_NAMED = 3  # batteries in a heading
_FINDINGS = 40  # shown on a terminal
_LABEL = 52  # characters of an element's path that a line of the matrix gives room to


def check(
    passport: Annotated[
        str,
        typer.Argument(
            metavar="BATTERY|MODEL|DIR|FILE", help="A stored passport, or a folder, AASX or AAS JSON.", autocompletion=complete.batteries
        ),
    ],
    category: Annotated[
        str, typer.Option("--category", metavar="ev|lmt|industrial|stationary", help="Judge it as this, instead of what it says.")
    ] = "",
    date: Annotated[str, typer.Option("--date", metavar="DAY", help="Judge it for this day, like 2027-02-18; else today.")] = "",
    json: Json = False,
) -> None:
    """Judge a passport: data points missing, wrong or not to be filled.

    All 71 points of the Commission, and every rule of values, levels and metamodel. Files need no running node.
    """
    told = _of_file(Path(passport), category, date) if _is_file(passport) else _stored(passport, category, date)
    if json:
        print_json(told)
    elif on_terminal():
        _show(told)
    else:
        rows = [{**point, "batteries": each["batteries"]} for each in told["reports"] for point in each["points"]]
        table(rows, _PIPED)
    if not told["complete"]:
        raise typer.Exit(4)


def _is_file(text: str) -> bool:
    return Path(text).exists() or "/" in text or Path(text).suffix in (".aasx", ".json", ".zip", ".csv")


def _of_file(source: Path, category: str, day: str) -> dict[str, Any]:
    from connector.cli.passport import media_type_of, zipped
    from connector.offline import check_passport

    if source.is_dir():
        return check_passport(zipped(source), media_type_of(Path("folder.zip")), category, day)
    try:
        return check_passport(source.read_bytes(), media_type_of(source), category, day)
    except OSError as error:
        raise Malformed(f"{source} cannot be read.", error.strerror or "", "Give a folder, FILE.aasx or FILE.json.") from error


def _stored(name: str, category: str, day: str) -> dict[str, Any]:
    told: dict[str, Any] = Client.from_home().get(f"/passports/{part(name)}/check", category=category, date=day)
    return told


def matrix(
    model: Annotated[str, typer.Option("--model", help="Only what this model's first battery has.", autocompletion=complete.models)] = "",
    battery: Annotated[str, typer.Option("--battery", help="Only what this battery has.", autocompletion=complete.batteries)] = "",
    category: Annotated[
        str, typer.Option("--category", metavar="ev|lmt|industrial|stationary", help="Of a passport of this category.")
    ] = "ev",
    date: Annotated[str, typer.Option("--date", metavar="DAY", help="As of this day, like 2027-02-18; else today.")] = "",
    json: Json = False,
) -> None:
    """Show who may see what by law: every element and document.

    Annex XIII as the tables have it. Without a model or battery it needs no running node.
    """
    if battery or model:
        told = Client.from_home().get("/matrix", of=battery or model, date=date)
    else:
        from connector.offline import law

        told = law(category, date)
    if json:
        print_json(told)
    elif on_terminal():
        _show_matrix(told)
    else:
        rows = [{**line, **{f"for {who}": answer for who, answer in line["sees"].items()}} for line in told["lines"]]
        keys = ("place", "when", "points", "class", *(f"for {who}" for who in _AUDIENCES), "decided")
        table(rows, tuple(Column(key, key.upper()) for key in keys))


# --- how it looks ----------------------------------------------------------------------------------


def _show(told: dict[str, Any]) -> None:
    first: dict[str, Any] = (*told["reports"], {})[0]
    for report in told["reports"]:
        if report is not first:
            say("")
        _show_report(report, told, {} if report is first else first)
    if told["reading"]:
        say("")
        say("  While reading")
        _show_findings(told["reading"])


def _show_report(report: dict[str, Any], told: dict[str, Any], beside: dict[str, Any]) -> None:
    """A whole report, or what differs from the one it stands `beside`."""
    judged = report["category"] if report["category"] == report["judged_as"] else f"{report['category']}, judged as {report['judged_as']}"
    say(f"{_named(report)} · {judged} · for {told['date']}")
    counts = report["counts"]
    tally = [f"{counts[each]} {each}" for each in MARKS if counts.get(each)]
    errors = sum(each["severity"] == "error" and not each["point"] for each in report["findings"])
    wrong = [f"{errors} error{'s' if errors > 1 else ''} in values"] if errors else []
    say(f"{'Complete' if report['complete'] else 'NOT COMPLETE'}: {' · '.join([*tally, *wrong])}; of {len(report['points'])} data points")
    if beside:
        say(f"As {_named(beside)}, but for what follows.")
    elif told["date"] < told["applies_from"]:
        say(f"The passport is mandatory from {told['applies_from']}; judged by what is asked then.")
    known = [_same(point) for point in beside.get("points", ())]
    _show_points([point for point in report["points"] if _same(point) not in known])
    others = [each for each in report["findings"] if not each["rule"].startswith(("point.", "unwanted."))]
    others = [each for each in others if each not in beside.get("findings", ())]
    if others:
        say("")
        say("  Values")
        _show_findings(others)


def _named(report: dict[str, Any]) -> str:
    names = report["batteries"]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _same(point: dict[str, Any]) -> tuple[Any, ...]:
    return point["point"], point["standing"], point["next"]


def _show_points(points: Sequence[dict[str, Any]]) -> None:
    name = max((len(point["name"]) for point in points), default=0)
    room = max(40, get_terminal_size().columns - name - 41)
    for section, members in groupby(points, key=lambda point: point["section"]):
        rows = sorted(members, key=lambda point: point["standing"] not in _BAD)
        audiences = dict.fromkeys(_FOR[point["seen_by"]] for point in rows)
        say("")
        say(f"  {_SECTIONS.get(section, section)}, {' or '.join(audiences)}")
        for point in rows:
            asked = point["status"].replace("-", " ")
            standing = point["standing"].upper() if point["standing"] in _BAD else point["standing"]
            letter = point["clause"].removeprefix(section)
            said = f"  {MARKS[point['standing']]} {point['point']:>2}  {letter:<4}  {point['name']:<{name}}  {asked:<16}  {standing:<8}  "
            first, *rest = _wrapped(_told(point), room)
            say((said + first).rstrip())
            for line in rest:
                print(" " * len(said) + line)


def _told(point: dict[str, Any]) -> str:
    """What to do, or where it stands."""
    later = "; ".join(f"{each['status']} from {each['from']}" for each in point["later"])
    if point["standing"] == "present":
        said = _short(point["where"])
    elif point["standing"] == "unwanted":
        said = f"{_short(point['where'])}: {point['next']}"
    else:
        said = point["next"]
    return " · ".join(text for text in (said, later) if text)


def _short(paths: Sequence[str]) -> str:
    """The first path by its part and last names, and how many more there are."""
    if not paths:
        return ""
    names = [name for name in paths[0].split("/") if not name.isdecimal()]
    path = "/".join(names) if len(names) < 4 else f"{names[0]}/…/{'/'.join(names[-1:])}"
    return f"{path} and {len(paths) - 1} more" if len(paths) > 1 else path


def _wrapped(text: str, room: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


def _show_findings(findings: Sequence[dict[str, Any]]) -> None:
    worst = sorted(findings, key=lambda each: each["severity"] != "error")
    for each in worst[:_FINDINGS]:
        hint = f" - {each['next']}" if each["next"] else ""
        rule = f"  [{each['rule']}]" if each["rule"] else ""
        say(f"  {'!' if each['severity'] == 'error' else '·'} {each['severity']:<7}  {each['where']}: {each['what']}{hint}{rule}")
    if len(findings) > _FINDINGS:
        note(f"and {len(findings) - _FINDINGS} more: --json shows all")


_AUDIENCES = {"public": "PUB", "legitimate-interest": "LI", "authorities": "AUT"}
_ANSWERS = {"yes": "●", "no": "○", "pending": "◌"}


def _show_matrix(told: dict[str, Any]) -> None:
    head = f"{told['battery']} · " if told["battery"] else ""
    say(f"{head}{told['category']} · as of {told['date']} · PUB everyone · LI legitimate interest · AUT authorities and Commission")
    room = get_terminal_size().columns
    width = min(max(len(_label(line)) for line in told["lines"]), max(40, room - 50))
    for name, members in groupby(told["lines"], key=lambda line: line["place"].partition("/")[0]):
        lines = list(members)
        say("")
        say(f"  {name:<{width}}  POINT  {'  '.join(f'{each:<3}' for each in _AUDIENCES.values())}  DECIDED BY")
        for line in lines:
            marks = "  ".join(f"{_mark(line, who):<3}" for who in _AUDIENCES)
            points = _numbers(line["points"])
            first, *rest = _wrapped(_label(line), width)
            decided, *more = _wrapped(line["decided"], max(24, room - width - 26))
            say(f"  {first:<{width}}  {points:<5}  {marks}  {decided}")
            for text, reason in zip_longest(rest, more, fillvalue=""):
                print(f"  {text:<{width}}  {'':<5}  {'':<13}  {reason}".rstrip())
    say("")
    for who, short in _AUDIENCES.items():
        counted = told["counts"][who]
        say(f"  {short:<3}  {counted['yes']} may see ●  {counted['no']} may not ○  {counted['pending']} pending ◌ (nobody sees them yet)")
    if not told.get("agrees", True):
        note("What would leave differs from this table: report it.")


def _numbers(points: Sequence[int]) -> str:
    """`45`, `53,63`, `20-23`, or the first and how many more."""
    if len(points) < 3:
        return ",".join(map(str, points))
    return f"{points[0]}-{points[-1]}" if points[-1] - points[0] == len(points) - 1 else f"{points[0]} +{len(points) - 1}"


def _label(line: dict[str, Any]) -> str:
    path = line["place"].partition("/")[2]
    steps = path.split("/")
    if len(path) > _LABEL and len(steps) > 2:
        path = "/".join(["…", *steps[-2:]])
    return f"{path} {line['when']}" if line["when"] else path


def _mark(line: dict[str, Any], who: str) -> str:
    """The answer; of a battery with how many values, where there are several."""
    mark = _ANSWERS[line["sees"][who]]
    return f"{mark}{line['given'][who]}" if line.get("values", 1) > 1 and line["sees"][who] == "yes" else mark


# --- where values come from ------------------------------------------------------------------------

FROM = (Column("path", "ELEMENT"), Column("from", "FROM"))  # a terminal has no room for the value, too
ORIGIN = tuple(Column(key, key.upper()) for key in ("path", "value", "level", "owner", "source", "at", "who"))


def with_origins(rows: list[dict[str, Any]], origins: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a passport's leaves with the layer that says each; a text in several languages is one value of its layer."""
    known = {each["path"]: {**each, "from": _from(each)} for each in origins.get("elements", ())}
    return [{**row, **next((known[path] for path in _upwards(row["path"]) if path in known), {}), "path": row["path"]} for row in rows]


def _from(origin: dict[str, Any]) -> str:
    when = f"since {local(origin['at'])}" if origin["at"] else ""
    return " · ".join(text for text in (f"{origin['level']} {origin['owner']}", origin["source"], when, origin["who"]) if text)


def _upwards(path: str) -> list[str]:
    steps = path.split("/")
    return ["/".join(steps[:length]) for length in range(len(steps), 0, -1)]
