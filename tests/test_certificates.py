"""Downloads from a server whose certificate nobody has signed, as behind a proxy that signs by itself."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import shutil
import ssl
import subprocess
import threading

import medmnist
import pytest
from huggingface_hub.utils import close_session

from refusals import refused
from sweeps.inputs import hub
from sweeps.inputs.downloads import certificate_trouble
from sweeps.inputs.images import find_dataset
from sweeps.inputs.weights import find_weights
from trainables.parts.torchvision_import import torchvision

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="There is no openssl to make a certificate.")
TELLS = "the certificate of the server, or of a proxy that signs in its place, is not trusted"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*words.split(), "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True
    )
    return folder / "cert.pem"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that does not trust the certificate goes away."""


@pytest.fixture(scope="module")
def address(certificate, good_npz):
    """A server of this machine with that certificate, which serves the folder of good images."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with Server(("127.0.0.1", 0), functools.partial(Quiet, directory=good_npz.parent)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def nothing_is_here(monkeypatch, tmp_path, address, good_npz):
    """An empty home; images, torchvision's weights and the hub are at the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("MEDMNIST_ROOT", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    published = medmnist.INFO["pneumoniamnist"]
    monkeypatch.setitem(published, "url", f"{address}/{good_npz.name}")
    monkeypatch.setitem(published, "MD5", hashlib.md5(good_npz.read_bytes()).hexdigest())
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    monkeypatch.setattr(weights, "_value_", dataclasses.replace(weights.value, url=f"{address}/alexnet-12345678.pth"))
    monkeypatch.setattr(hub, "cached_file", lambda published: None)
    monkeypatch.setattr(hub, "hf_hub_url", lambda *arguments: f"{address}/file")
    # The hub's library keeps connections, with the certificates that it trusted then.
    close_session()
    yield
    close_session()


# Of the last two the file has no certificate, and is not there.
@pytest.mark.parametrize("trusted", [None, "/dev/null", "/no/such/file"])
def test_images_whose_server_is_not_trusted(monkeypatch, trusted):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
    text = refused(find_dataset, "pneumoniamnist")
    assert f"cannot be downloaded ({TELLS} (" in text
    assert "set SSL_CERT_FILE to a PEM file" in text
    assert (f"instead of {trusted}" if trusted else "which is not set now") in text
    assert "checksum" not in text


def test_the_variable_that_is_named_is_the_one_that_is_read(monkeypatch, certificate):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    dataset, notice = find_dataset("pneumoniamnist")
    assert notice is None
    assert not dataset.is_phantom


@pytest.mark.parametrize("trusted", [None, "/dev/null", "/no/such/file"])
@pytest.mark.parametrize("backbone", ["alexnet", "timm:test_vit"])
def test_weights_whose_server_is_not_trusted(monkeypatch, backbone, trusted):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
    text = refused(find_weights, "imagenet", [backbone])
    assert f"cannot be had of {backbone} ({TELLS} (" in text
    assert "SSL_CERT_FILE" in text


@pytest.mark.parametrize("backbone", ["alexnet", "timm:test_vit"])
def test_with_the_right_certificates_the_server_is_asked(monkeypatch, certificate, backbone):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    text = refused(find_weights, "imagenet", [backbone])
    assert "404" in text
    assert "certificate" not in text


def test_other_errors_are_not_about_certificates():
    assert certificate_trouble(OSError("no route to host")) is None
    assert certificate_trouble(FileNotFoundError("x")) is None
