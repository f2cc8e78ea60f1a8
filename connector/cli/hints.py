"""Commands that a text tells its reader to type, as they must be typed here: with `--home` unless a bare `saltbridge` means this node.

One rule for every hint: a text names its command as `saltbridge VERB ...`.  What another operator has to type is told
without `saltbridge`, so that it never carries a home of ours.
"""

from __future__ import annotations

import os
import re
import shlex

_COMMAND = re.compile(r"\bsaltbridge (?=([a-z]+)\b)")


def hint(text: str) -> str:
    """The text with `--home DIR` in each command of ours, when a home was named for this one."""
    home = os.environ.get("SALTBRIDGE_HOME", "")
    if not home:
        return text
    from .main import COMMANDS

    return _COMMAND.sub(lambda found: f"saltbridge --home {shlex.quote(home)} " if found[1] in COMMANDS else found[0], text)
