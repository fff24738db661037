"""A real S3-compatible server, with one bucket."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.clusters import free_ports

START_SECONDS = 60
BUCKET = "resablate"


@dataclass
class S3Server:
    """How to reach it."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """Credentials, and where MLflow's client finds it."""
        return {
            "AWS_ACCESS_KEY_ID": "key-of-a-test",
            "AWS_SECRET_ACCESS_KEY": "word-of-a-test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def uri(self, folder: str) -> str:
        """A folder's address, as pyarrow takes it."""
        options = f"endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"
        return f"s3://{BUCKET}/{folder}?{options}"

    def files(self) -> set[str]:
        """Every object that holds something."""
        import boto3

        listed = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}").list_objects_v2(Bucket=BUCKET)
        return {item["Key"] for item in listed.get("Contents", []) if item["Size"]}

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server that is gone at the end; the test is skipped where moto is not installed."""
    pytest.importorskip("moto", reason="moto is not installed")
    [port] = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    server = S3Server(port, process)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                made = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
                with urllib.request.urlopen(made, timeout=5):
                    break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
        yield server
    finally:
        server.kill()
