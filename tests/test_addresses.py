"""Which addresses of others are used at all, and their origin."""

from __future__ import annotations

import pytest

from connector.addresses import origin, read_address
from connector.errors import Malformed

GOOD = {
    "https://node.example": "https://node.example",
    "https://Node.Example:443/dsp/2025-1": "https://node.example",
    "http://node.example:80/": "http://node.example",
    "https://node.example:80/": "https://node.example:80",
    "http://localhost:7401/dsp/2025-1": "http://localhost:7401",
    "HTTPS://node.example/a?b=c&d=..": "https://node.example",
    "http://[::1]:7401/x": "http://[::1]:7401",
    "http://127.0.0.1:7401": "http://127.0.0.1:7401",
    "http://maker_node:7401/negotiations/urn%3Auuid%3A1%2F2": "http://maker_node:7401",
    "https://xn--bcher-kva.example/": "https://xn--bcher-kva.example",
}

BAD = [
    "",
    "node.example",
    "//node.example/",
    "ftp://node.example/",
    "file:///etc/passwd",
    "https:/node.example",
    "https://",
    "https:///path",
    "https://user@node.example/",
    "https://user:secret@node.example/",
    "https://good.example@evil.example/",
    "https://good.example\\@evil.example/",
    "https://good.example#@evil.example/",
    "https://node.example/#fragment",
    "https://node.example/a/../b",
    "https://node.example/..",
    "https://node.example/./a",
    "https://node.example/a/%2e%2E/b",
    "https://node.example/a/%252e%252e/b",
    "https://node.example/a/..%2Fb",
    "https://node.example/a%2F..%2Fb",
    "https://node.example/a%5c..%5cb",
    "https://node.example/a%00",
    "https://node.example:0/",
    "https://node.example:65536/",
    "https://node.example:/",
    "https://node.example:80:81/",
    "https://node.example:8o/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://node example/",
    " https://node.example/",
    "https://node.example/\r\nHost: evil",
    "https://nöde.example/",
    "https://node.example/ä",
    "https://node。example/",
    "https://node.example/" + "a" * 2048,
]


@pytest.mark.parametrize("text", GOOD)
def test_an_address_has_one_origin_however_it_is_written(text: str) -> None:
    assert origin(text) == GOOD[text]
    assert origin(GOOD[text]) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_an_address_that_could_mean_something_else_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_address(text, "callbackAddress")
    assert refused.value.why
    assert refused.value.where == "callbackAddress"


def test_path_and_query_stay_as_they_were_written() -> None:
    read = read_address("https://node.example/a%2Fb/%7Ec?q=%20&r=..")
    assert (read.scheme, read.host, read.port, read.path) == ("https", "node.example", 443, "/a%2Fb/%7Ec?q=%20&r=..")
