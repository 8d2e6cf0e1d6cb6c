"""Control calls, downloads, and what the environment decides for them."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evalsuite._util.http import environment
from evalsuite._util.http.calls import MAX_REDIRECTS, call, download, read_json
from evalsuite._util.http.environment import find_proxy, read_api_key, tls_context
from evalsuite._util.http.transport import Address, HttpResponse, TransportError

WAIT_SECONDS = 20.0
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Handler(BaseHTTPRequestHandler):
    """Echoes POSTs; GET /moved redirects, /loop redirects for ever, /file answers, /broken fails."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        sent = json.loads(self.rfile.read(length) or b"null")
        self.answer(200, json.dumps({"path": self.path, "sent": sent}).encode())

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.answer(302, b"", "/file?signature=a%2Fb&part=1")
        elif self.path == "/loop":
            self.answer(301, b"", "/loop")
        elif self.path.startswith("/file"):
            self.answer(200, self.path.encode())
        else:
            self.answer(500, b"broken")

    def answer(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class names it so)
        """Stay silent."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES)]
    for name in (*names, *environment.BUNDLE_VARIABLES, *environment.OPENSSL_VARIABLES):
        monkeypatch.delenv(name, raising=False)


def test_call_sends_a_json_body(url: str) -> None:
    response = call("POST", f"{url}/v1/load?now=1", WAIT_SECONDS, {"name": "sft"})
    assert read_json(response) == {"path": "/v1/load?now=1", "sent": {"name": "sft"}}


def test_call_does_not_follow_redirects(url: str) -> None:
    assert call("GET", f"{url}/moved", WAIT_SECONDS).status == 302


def test_call_to_an_impossible_address_is_a_transport_error() -> None:
    with pytest.raises(TransportError, match="not an address"):
        call("GET", "http://127.0.0.1:99999/", WAIT_SECONDS)


def test_read_json_of_another_status_is_a_transport_error() -> None:
    with pytest.raises(TransportError, match="HTTP 503"):
        read_json(HttpResponse(503, {}, b"{}"))


def test_download_follows_a_redirect_and_keeps_its_query(url: str) -> None:
    assert download(f"{url}/moved", WAIT_SECONDS) == b"/file?signature=a%2Fb&part=1"


def test_download_of_a_failing_address_names_the_status(url: str) -> None:
    with pytest.raises(TransportError, match="HTTP 500"):
        download(f"{url}/broken", WAIT_SECONDS)


def test_download_gives_up_on_endless_redirects(url: str) -> None:
    with pytest.raises(TransportError, match=f"more than {MAX_REDIRECTS} redirects"):
        download(f"{url}/loop", WAIT_SECONDS)


@pytest.mark.parametrize(
    ("target", "variables", "proxy"),
    [
        ("http://example.com/v1", {"http_proxy": "http://p:1"}, "http://p:1"),
        ("https://example.com/v1", {"http_proxy": "http://p:1"}, None),
        ("https://example.com/v1", {"https_proxy": "http://p:2"}, "http://p:2"),
        ("https://example.com/v1", {"all_proxy": "http://p:3"}, "http://p:3"),
        ("https://example.com/v1", {"https_proxy": "http://p:2", "no_proxy": "example.com"}, None),
        ("http://127.0.0.1:8000/v1", {"http_proxy": "http://p:1"}, None),
        ("http://localhost:8000/v1", {"all_proxy": "http://p:1"}, None),
    ],
)
def test_find_proxy_follows_the_environment_except_for_this_machine(
    target: str, variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(Address.of(target)) == proxy


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"REQUESTS_CA_BUNDLE": "FILE"}, {"cafile": "FILE"}),
        ({"CURL_CA_BUNDLE": "FOLDER"}, {"capath": "FOLDER"}),
        ({"REQUESTS_CA_BUNDLE": "FILE", "SSL_CERT_FILE": "FILE"}, {}),
    ],
)
def test_tls_context_trusts_the_bundle_that_the_environment_names(
    variables: dict[str, str],
    expected: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.mktemp("certificates")
    places = {"FILE": str(folder / "bundle.pem"), "FOLDER": str(folder)}
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda **more: seen.append(more))
    for name, value in variables.items():
        monkeypatch.setenv(name, places[value])
    tls_context()
    assert seen == [{name: places[value] for name, value in expected.items()}]


def test_read_api_key_drops_white_space_and_is_none_if_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-1\n")
    monkeypatch.setenv("EMPTY_KEY", " ")
    assert (read_api_key("SOME_KEY"), read_api_key("EMPTY_KEY"), read_api_key("NO_KEY")) == (
        "sk-1",
        None,
        None,
    )
