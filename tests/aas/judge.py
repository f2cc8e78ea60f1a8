"""Runs inside the official engine's own environment: `python judge.py BASE TOKEN`; prints one JSON line per suite.

The engine keeps additional headers and never sends them, and it makes its client anew for each prefix; this client does both right.
The single-object suites address `/aas` and `/submodel`; where our objects lie stands in `MOUNTS`.  The engine asks `/serialization` and
the list of shells below these too, which belong to a repository, so they go there.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from aas_test_engines import api, config, http

PREFIX = "https://admin-shell.io/aas/API/3/0/"
REPOSITORY = ("/shells", "/serialization", "/description")


class Client(http.HttpClient):
    mounts: dict = {}

    def descend(self, prefix):
        child = type(self)(self.host, self.verify, self.remove_path_prefix, self.additional_headers)
        child.prefixes = [*self.prefixes, prefix]
        child.mounts = self.mounts
        return child

    def send(self, request):
        request.headers = {**self.additional_headers, **request.headers}
        path = "".join(self.prefixes)
        if not path and request.path == "/":
            path = "/aas"  # where the engine asks for the shell itself, it leaves its prefix out
        for mount, place in self.mounts.items():
            if path == mount or path.startswith(mount + "/"):
                below = path[len(mount) :]
                path = below if not below and request.path.startswith(REPOSITORY) else place + below
        prefixes, self.prefixes = self.prefixes, [path]
        try:
            return super().send(request)
        finally:
            self.prefixes = prefixes


def counted(result):
    """(passed, failed, what failed, warnings) over the single checks of a suite's tree."""
    passed, failed, warned = 0, [], []

    def visit(node, path):
        nonlocal passed
        name = [*path, node.message]
        if node.message.startswith("Checking ") and len(path) == 1:
            setup = [each for each in node.sub_results if each.message == "Setup"]
            if any(not each.ok() for each in setup):
                failed.append(" > ".join([*name, "Setup"]))
        if node.message in ("Negative Tests", "Positive Tests"):
            for each in node.sub_results:
                if each.ok():
                    passed += 1
                    if each.level.value == 1:
                        warned.append(" > ".join([*name[1:], each.message.strip()]))
                else:
                    failed.append(" > ".join([*name[1:], each.message.strip()]))
            return
        for each in node.sub_results:
            visit(each, name)

    visit(result, [])
    return passed, failed, warned


def encoded(id):
    return base64.urlsafe_b64encode(id.encode()).rstrip(b"=").decode()


def main(base, token):
    for suite in api.supported_versions()["3.0"]:
        client = Client(host=base, additional_headers={"X-Api-Key": token})
        shell = client.send(http.Request(path="/shells?limit=1")).json()["result"][0]
        submodel = shell["submodels"][0]["keys"][0]["value"]
        client.mounts = {"/aas": f"/shells/{encoded(shell['id'])}", "/submodel": f"/submodels/{encoded(submodel)}"}
        result, _ = api.execute_tests(client, config.CheckApiConfig(suite=suite))
        passed, failed, warned = counted(result)
        if not failed and not result.ok():
            failed = [each.message for each in result.sub_results if not each.ok()]
        print(json.dumps({"suite": suite.removeprefix(PREFIX), "passed": passed, "failed": failed, "warned": warned}), flush=True)
        Path(f"{suite.removeprefix(PREFIX).replace('/', '-')}.log").write_text("\n".join(result.to_lines()), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
