"""Where a webhook may lead, and the many ways to write an address of our own network."""

from __future__ import annotations

import pytest

from actors.core.webhook import InvalidWebhookUrl, check_webhook_url, is_public

HOSTILE = [
    "",
    "hooks.example",
    "//hooks.example/",
    "http://hooks.example/",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "gopher://hooks.example/",
    "javascript:alert(1)",
    "https://",
    "https:///path",
    "https://:443/",
    "https://hooks.example:0/",
    "https://hooks.example:99999/",
    "https://hooks.example:port/",
    "https://user@hooks.example/",
    "https://user:password@hooks.example/",
    "https://hooks.example@127.0.0.1/",
    "https://hooks.example/#fragment",
    "https://hooks.example/a b",
    "https://hooks.example\\@127.0.0.1/",
    "https://hooks.example/\r\nHost: other",
    "https://hookś.example/",
    "https://[::1",
    "https://[v1.example]/",
    "https://[v1.a:b.example]/",
    "https://hooks%2eexample.example/",
    "https://hooks.example;internal.example/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://database/",
    "https://hooks.example/" + "x" * 2048,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidWebhookUrl) as refused:
        check_webhook_url(url)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        "https://hooks.example:8443/a/b?key=1",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "https://xn--hook-1ra.example",
    ],
)
def test_a_public_one_is_let_through(url: str) -> None:
    assert check_webhook_url(url) == url


def test_a_closed_network_may_be_allowed_but_no_other_kind_of_url() -> None:
    for url in ("http://127.0.0.1:8080/", "https://localhost/", "http://hooks.example/"):
        assert check_webhook_url(url, allow_private=True) == url
    for url in ("ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http:///x"):
        with pytest.raises(InvalidWebhookUrl):
            check_webhook_url(url, allow_private=True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "2001::1", "198.18.0.1", "x", ""]
)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not is_public(address)
