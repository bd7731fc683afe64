"""schemathesis over the schema that the server shows: random documents for each query and mutation.

    python fuzz/fuzz.py --examples 500
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

URL = os.environ["TAKEOFF_URL"] + "/graphql"

SUBMIT = """mutation ($session: ID!, $parameters: JSON!) {
  submitIntent(input: {intentType: "compose_journey", sessionId: $session, parameters: $parameters}) {
    execution { id } errors { message }
  }
}"""
MADE = """query ($id: ID!) {
  execution(id: $id) { status children { nodes { id intent { id } } } }
  artifacts { nodes { id } }
}"""
FILE = {"journey_id": "content_pipeline", "filename": "a.csv", "content": "city,founded\nMalm\u00f6,1353\n"}


def ask(query: str, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(URL, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    assert not answer.get("errors"), answer
    return answer["data"]


def existing_ids() -> list[str]:
    """Ids of a session, of an execution with children, and of artifacts with their lineage."""
    session = ask("mutation { createSession(input: {}) { session { id } } }")["createSession"]["session"]["id"]
    execution = ask(SUBMIT, session=session, parameters=FILE)["submitIntent"]["execution"]["id"]
    deadline = time.monotonic() + 60
    while (made := ask(MADE, id=execution))["execution"]["status"] != "COMPLETED":
        assert time.monotonic() < deadline, made
        time.sleep(0.05)
    children = made["execution"]["children"]["nodes"]
    artifacts = made["artifacts"]["nodes"]
    assert children and artifacts, made
    return [session, execution] + [item["id"] for item in children + artifacts] + [children[0]["intent"]["id"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=15, help="documents for each operation")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    command = ["st", "run", URL, "--no-color", "--warnings", "off", "--generation-database", "none"]
    command += ["--checks", "no_failure_of_the_server", "--continue-on-failure", "--request-timeout", "30"]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
    known = {"CONFORMANCE_IDS": " ".join(existing_ids()), "SCHEMATHESIS_HOOKS": "checks"}
    path = {"PYTHONPATH": str(Path(__file__).parent)}
    with tempfile.TemporaryDirectory() as folder:  # it keeps a cache where it runs
        return subprocess.run(command, env=os.environ | known | path, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
