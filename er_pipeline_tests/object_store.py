"""An object store of this machine that answers as S3 does, and a web server of a folder."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEYS = {
    "AWS_ACCESS_KEY_ID": "er",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Store:
    """A bucket, `shop`, of a store that runs. endpoint: http://127.0.0.1:port."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.endpoint = endpoint
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name=KEYS["AWS_DEFAULT_REGION"],
        )
        self._client.create_bucket(Bucket="shop")

    def put(self, key: str, content: bytes) -> str:
        self._client.put_object(Bucket="shop", Key=key, Body=content)
        return f"s3://shop/{key}"

    def get(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket="shop", Key=key)["Body"].read())


@contextmanager
def object_store() -> Iterator[Store]:
    """Start a store; skip the tests if its package is not installed."""
    reason = "moto is not installed: pip install 'moto[server,s3]'"
    server = pytest.importorskip("moto.server", reason=reason)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        host, port = running.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        yield Store(f"http://{host}:{port}")
    running.stop()


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; give the address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            return

    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def google_store() -> Iterator[str]:
    """Start a store that answers as Google's does, with a bucket `shop`; give what ends its URIs.

    Skip the tests if its package is not installed.
    """
    reason = "the emulator is not installed: pip install gcp-storage-emulator"
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason=reason)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="shop")
    server.start()
    yield f"?endpoint_override=127.0.0.1:{port}&scheme=http"
    server.stop()
