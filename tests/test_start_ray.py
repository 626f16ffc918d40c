"""Where Ray is to be started, before it is."""

from __future__ import annotations

import socketserver
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from sweeps.core.errors import BadInput
from sweeps.engine import addresses, cluster


@pytest.mark.parametrize(
    "address", ["nowhere", "host:", ":123", "127.0.0.1:1", "127.0.0.1:99999", "no.such.host.invalid:1"]
)
def test_an_address_without_a_cluster_is_refused_at_once(address):
    with pytest.raises(BadInput, match="Expected"):
        addresses.check_address(address)


def test_a_url_is_no_address():
    with pytest.raises(BadInput, match="as host:port of a cluster that this machine belongs to; got 'ray://head:1'"):
        addresses.check_address("ray://head:1")


class Silent(socketserver.BaseRequestHandler):
    """Takes a connection and closes it."""


@pytest.mark.parametrize("handler", [BaseHTTPRequestHandler, Silent])
def test_what_is_no_head_of_a_cluster_is_refused_at_once(monkeypatch, handler):
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        begin = time.monotonic()
        with pytest.raises(BadInput, match=f"at --address {address}; what listens there is no head of one"):
            addresses.check_address(address)
        assert time.monotonic() - begin < 2 * addresses.ANSWER_SECONDS + 1
        # With TLS nobody without certificates can tell.
        monkeypatch.setenv("RAY_USE_TLS", "1")
        addresses.check_address(address)
        server.shutdown()


@pytest.mark.parametrize("port", ["65536", "9" * 5000])
def test_a_port_that_cannot_be_is_named(port):
    with pytest.raises(BadInput, match="as host:port, the port a number up to 65535, or"):
        addresses.check_address(f"127.0.0.1:{port}")


def test_the_workers_of_a_cluster_get_the_packages_of_this_checkout(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    for package in cluster.runtime_env()["py_modules"]:
        assert (Path(package) / "__init__.py").is_file()


def test_a_submitted_job_has_sent_its_code_already(monkeypatch):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert cluster.runtime_env() == {}
