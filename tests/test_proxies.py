"""Proxies in the environment: this machine is reached without one, others through it, by the check and by MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sweeps.core.environment import spare_loopback
from sweeps.core.errors import BadInput
from sweeps.tracking import location

ROOT = Path(__file__).resolve().parent.parent
# Where nobody listens.
NOBODY = "http://127.0.0.1:9"
ELSEWHERE = "http://mlflow.invalid:5000"


class Answering(BaseHTTPRequestHandler):
    """A server, or a proxy that answers for servers: notes what it is asked for, and finds nothing."""

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.asked.append(self.path)
        content = json.dumps({"experiments": []}).encode()
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *arguments):
        pass


@contextmanager
def answering(code=200):
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.asked, server.code = [], code
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.address = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # What is set during a test is taken back.
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")


@pytest.mark.parametrize(
    ("small", "large", "wanted"),
    [
        ("", "", "localhost,127.0.0.1,::1"),
        ("", "a.example, localhost", "a.example,localhost,127.0.0.1,::1"),
        ("a.example", "", "a.example,localhost,127.0.0.1,::1"),
        ("*", "*", "*"),
    ],
)
def test_what_a_person_excludes_stays_and_this_machine_is_added(monkeypatch, small, large, wanted):
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setenv("no_proxy", small)
    monkeypatch.setenv("NO_PROXY", large)
    spare_loopback()
    spare_loopback()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == (wanted, wanted)


def test_without_a_proxy_nothing_is_set():
    spare_loopback()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == ("", "")


ASK = """
import sys
import sweeps
from sweeps.tracking import location
location.check_uri(sys.argv[1])
from mlflow import MlflowClient
print(MlflowClient(sys.argv[1]).search_experiments())
"""


@pytest.mark.slow
def test_a_server_on_this_machine_is_reached_without_the_proxy_by_check_and_client():
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with answering() as server:
        done = subprocess.run(
            [sys.executable, "-c", ASK, server.address],
            cwd=ROOT,
            env=kept | {"HTTP_PROXY": NOBODY, "ALL_PROXY": NOBODY, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout == "[]\n", done.stderr
    assert [path.partition("?")[0].rpartition("/")[2] for path in server.asked] == ["search"]


@pytest.mark.slow
def test_a_server_elsewhere_is_reached_through_the_proxy_by_check_and_client(monkeypatch):
    from mlflow import MlflowClient

    with answering() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        spare_loopback()
        location.check_uri(ELSEWHERE)
        assert list(MlflowClient(ELSEWHERE).search_experiments()) == []
    checked, listed = proxy.asked
    assert checked == f"{ELSEWHERE}/health"
    assert listed.startswith(f"{ELSEWHERE}/api/2.0/mlflow/experiments/search")


@pytest.mark.parametrize("code", [404, 401])
def test_a_server_behind_the_proxy_that_answers_at_all_is_there(monkeypatch, code):
    with answering(code) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        location.check_uri("http://me:secret@mlflow.invalid:5000/")


def test_a_proxy_that_cannot_reach_the_server_is_named_without_its_password(monkeypatch):
    with answering(502) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address.replace("//", "//me:secret@"))
        with pytest.raises(BadInput) as caught:
            location.check_uri(ELSEWHERE)
    text = str(caught.value)
    assert f"through the proxy of this environment, {proxy.address} (HTTP Error 502" in text
    assert "add mlflow.invalid to NO_PROXY" in text
    assert "secret" not in text


def test_a_proxy_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    with pytest.raises(BadInput, match=f"through the proxy of this environment, {NOBODY}"):
        location.check_uri(ELSEWHERE)
