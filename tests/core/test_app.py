"""What a tenant may have of its own: honest names, whole apps, proxies that can be asked, and no secret in sight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.app import DeviceProfile, DishonestDevice, InvalidApp, InvalidProxy, OwnApp, Proxy
from actors.core.secret import Secret

CANARY = "canary-7f3a"
HASH = Secret("0123456789abcdef0123456789abcdef")

HONEST = [
    "Acme CRM",
    "UnifiedSessionManager",
    "Акме Продажи",
    "アクメ販売",
    "Acme iOSphere",
    "Unofficial Telegram client of Acme",
    "Неофициальный помощник",
    "Linux 6.1",
    "1.2.3",
    "x" * 64,
]
DISHONEST = [
    "Telegram Desktop",
    "Telegram Android",
    "telegram",
    "TELEGRAM X",
    "Tele gram",
    "Tele-gram_Web",
    "\uff34elegram",  # a full-width T
    "\u03a4elegram",  # a Greek Tau
    "Tel\u0435gram",  # a Cyrillic ie
    "Телеграм",
    "Unofficial Telegram, or Telegram itself",
    "tdesktop 5",
    "Unigram",
    "iPhone 17 Pro",
    "Android 16",
    "iOS 19",
]
NO_LINE = ["", " ", " Acme", "Acme ", "x" * 65, "two\nlines", "nul\x00", "zero\u200bwidth", "\u202eemcA"]


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("field", ["device_model", "system_version", "app_version"])
def test_a_name_of_ones_own_is_taken_in_every_field(field: str, text: str) -> None:
    assert getattr(OwnApp(**{field: text}).device(DeviceProfile()), field) == text  # type: ignore[arg-type] # all are texts


@pytest.mark.parametrize("text", DISHONEST)
@pytest.mark.parametrize("field", ["device_model", "system_version", "app_version"])
def test_a_name_that_passes_for_another_is_refused_in_every_field(field: str, text: str) -> None:
    with pytest.raises(DishonestDevice) as refused:
        OwnApp(**{field: text})  # type: ignore[arg-type] # all are texts
    assert refused.value.field == field


@pytest.mark.parametrize("text", NO_LINE)
def test_what_is_no_short_line_is_refused(text: str) -> None:
    with pytest.raises(InvalidApp, match="1 to 64 printable"):
        OwnApp(device_model=text)
    with pytest.raises(InvalidApp, match="1 to 64 printable"):
        DeviceProfile(device_model=text)


def test_what_is_left_open_is_as_usual() -> None:
    usual = DeviceProfile("Usual", "system", "1")
    assert OwnApp().device(usual) == usual
    assert OwnApp(device_model="Acme").device(usual) == DeviceProfile("Acme", "system", "1")


@pytest.mark.parametrize(
    ("api_id", "api_hash", "field"),
    [
        (1, None, "api_hash"),
        (None, HASH, "api_id"),
        (0, HASH, "api_id"),
        (-1, HASH, "api_id"),
        (2**31, HASH, "api_id"),
        (1, Secret(""), "api_hash"),
        (1, Secret("with spaces in it"), "api_hash"),
        (1, Secret("x" * 65), "api_hash"),
    ],
)
def test_an_app_is_whole_or_none(api_id: int | None, api_hash: Secret | None, field: str) -> None:
    with pytest.raises(InvalidApp) as refused:
        OwnApp(api_id, api_hash)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("socks5://proxy:1080", Proxy("socks5", "proxy", 1080)),
        ("http://10.0.0.1:3128/", Proxy("http", "10.0.0.1", 3128)),
        ("socks5://[2001:db8::1]:1", Proxy("socks5", "2001:db8::1", 1)),
        ("http://a%40b:c%3Ad%2F@proxy:65535", Proxy("http", "proxy", 65535, Secret("a@b"), Secret("c:d/"))),
    ],
)
def test_a_proxy_is_read_off_its_url(url: str, proxy: Proxy) -> None:
    assert Proxy.parse(Secret(url)) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy:1080",
        "https://proxy:1080",
        "socks4://proxy:1080",
        "mtproxy://proxy:1080",
        "socks5://proxy",
        "socks5://:1080",
        "socks5://proxy:0",
        "socks5://proxy:65536",
        "socks5://proxy:port",
        "socks5://user@proxy:1080",
        "socks5://:word@proxy:1080",
        "socks5://user:@proxy:1080",
        "socks5://proxy:1080/path",
        "socks5://proxy:1080?query",
        "socks5://proxy:1080#fragment",
        "socks5://pro xy:1080",
        "socks5://[::1:1080",
        f"socks5://{'u' * 256}:word@proxy:1080",
        f"socks5://user:{'w' * 256}@proxy:1080",
        f"socks5://{'h' * 256}:1080",
    ],
)
def test_what_is_no_proxy_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidProxy) as refused:
        Proxy.parse(Secret(url))
    assert refused.value.field == "proxy"
    assert "user:password@host:port" in str(refused.value)
    assert refused.value.__cause__ is None


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(
    st.sampled_from(["socks5", "http"]),
    st.sampled_from(["proxy", "10.1.2.3", "2001:db8::1"]),
    st.integers(1, 65535),
    st.none() | st.tuples(texts, texts),
)
def test_a_proxys_url_leads_back_to_it(
    scheme: str, host: str, port: int, login: tuple[str, str] | None
) -> None:
    user, password = (None, None) if login is None else (Secret(login[0]), Secret(login[1]))
    proxy = Proxy(scheme, host, port, user, password)  # type: ignore[arg-type] # one of the two

    assert Proxy.parse(proxy.url()) == proxy


def test_no_secret_is_printed() -> None:
    proxy = Proxy.parse(Secret(f"socks5://user-{CANARY}:{CANARY}@proxy:1080"))
    app = OwnApp(1, Secret(CANARY.replace("-", "") * 2), proxy)

    assert proxy.address == "socks5://proxy:1080"
    for text in (repr(app), str(app), repr(proxy), f"{proxy}", proxy.address):
        assert CANARY not in text
        assert "canary" not in text
