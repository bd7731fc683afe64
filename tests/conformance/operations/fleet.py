"""A fleet of scripts/cluster, and requests to it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).parents[3]
PROGRAM = os.environ["TAKEOFF_PROGRAM"]
PATIENCE_S = 60


# A fleet is stopped, too, when a test is told to end.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Repeatable(Exception):
    """A node went away with a request, or could not take it up now."""


class Fleet:
    """Up while its block runs. `settings` are variables of its nodes."""

    def __init__(self, *options: str, **settings: str):
        self.options = options
        self.settings = settings

    def __enter__(self) -> "Fleet":
        # As root PostgreSQL runs as another user, who must get to its files.
        self.outer = tempfile.TemporaryDirectory(prefix="takeoff-fleet.")
        os.chmod(self.outer.name, 0o711)
        self.folder = Path(self.outer.name, "fleet")
        try:
            self.printed = self._cluster("up", *self.options, "--program", PROGRAM)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self.folder.exists():
            self.down()
        self.outer.cleanup()

    def roll(self) -> None:
        self._cluster("roll", "--program", PROGRAM)

    def down(self) -> None:
        self._cluster("down")

    def _cluster(self, command: str, *options: str) -> str:
        words = [ROOT / "scripts/cluster", command, "--folder", self.folder, *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TAKEOFF_")}
        process = subprocess.Popen(words, env=environment | self.settings, stdout=subprocess.PIPE, text=True)
        try:
            printed, _ = process.communicate(timeout=300)
        except BaseException:
            process.terminate()  # it stops what it has started
            process.communicate()
            raise
        if process.returncode != 0:
            raise SystemExit(f"scripts/cluster {command}: exit code {process.returncode}")
        return printed

    def processes(self) -> dict[str, tuple[int, str]]:
        """The process id and the address of each, by name."""
        lines = Path(self.folder, "processes").read_text().splitlines()
        parts = [line.split() for line in lines]
        return {name: (int(pid), address) for name, pid, _, address in parts}

    def nodes(self) -> list[str]:
        return sorted(name for name in self.processes() if "node-" in name)

    def address(self, name: str) -> str:
        return self.processes()[name][1]

    def kill(self, name: str, by: signal.Signals = signal.SIGKILL) -> None:
        """At once, unless it is told otherwise, as a machine goes that loses its power."""
        pid = self.processes()[name][0]
        os.kill(pid, by)
        until(f"the end of {name}", lambda: not is_alive(pid))

    def metrics(self, node: str) -> str:
        return fetch(self.address(node) + "/metrics")[1]


def is_alive(pid: int) -> bool:
    try:
        # Nobody may have waited for it yet; nor may its other threads have ended when the first one has.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except FileNotFoundError:
        return False


def until(what: str, is_so, patience_s: float = PATIENCE_S):
    """Returns what is found as soon as it is something."""
    deadline = time.monotonic() + patience_s
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"{what}: not within {patience_s} s"
        time.sleep(0.05)
    return found


def fetch(url: str, body: dict | None = None, headers: dict | None = None) -> tuple[int, str]:
    """The status and the text of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask(origin: str, query: str, variables: dict | None = None, headers: dict | None = None) -> dict:
    """The data of an answer without errors."""
    status, text = fetch(origin + "/graphql", {"query": query, "variables": variables or {}}, headers)
    if status in (502, 503):
        raise Repeatable(text)
    assert status == 200, f"{status}: {text}"
    answer = json.loads(text)
    if any(error.get("extensions", {}).get("retryable") for error in answer.get("errors", [])):
        raise Repeatable(text)
    assert "errors" not in answer, text
    return answer["data"]


def session(origin: str, headers: dict | None = None) -> str:
    query = "mutation { createSession(input: {}) { session { id } errors { message } } }"
    return ask(origin, query, headers=headers)["createSession"]["session"]["id"]


def submit(origin: str, session_id: str, intent: str, parameters: dict, headers: dict | None = None) -> dict:
    """The payload, which may hold refusals. As every client should, it repeats what a node took up that went away."""
    query = """mutation ($input: SubmitIntentInput!) {
      submitIntent(input: $input) { execution { id } errors { code message } } }"""
    given = {"intentType": intent, "sessionId": session_id, "parameters": parameters, "idempotencyKey": str(uuid4())}
    for _ in range(4):
        try:
            return ask(origin, query, {"input": given}, headers)["submitIntent"]
        except Repeatable:
            pass
    return ask(origin, query, {"input": given}, headers)["submitIntent"]


def status_of(origin: str, execution: str, headers: dict | None = None) -> str:
    query = "query ($id: ID!) { execution(id: $id) { status } }"
    return ask(origin, query, {"id": execution}, headers)["execution"]["status"]


def ended(origin: str, execution: str, headers: dict | None = None) -> str:
    """How an execution has ended."""
    ends = ("COMPLETED", "FAILED", "CANCELLED")

    def end():
        status = status_of(origin, execution, headers)
        return status if status in ends else None

    return until(f"the end of {execution}", end)
