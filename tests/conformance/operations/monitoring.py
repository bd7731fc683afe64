"""deploy/grafana.json and deploy/alerts.yaml against what /metrics of a fleet serves that has worked, and that has lost
its database: each metric and each label of their queries is there. Where Debian's Prometheus can be had it scrapes that
fleet, each query finds something, and the rules fire when deploy/alerts.test.yaml says."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.parse
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import promql_parser as promql
import yaml
from prometheus_client.parser import text_string_to_metric_families

from fleet import ROOT, Fleet, ended, fetch, session, submit, until

DASHBOARD = ROOT / "deploy/grafana.json"
ALERTS = ROOT / "deploy/alerts.yaml"
# What Prometheus itself adds to what it scrapes, and says of it.
OF_TARGETS = {"job", "instance"}
OF_PROMETHEUS = {"up"}
COMPARISONS = {">", "<", ">=", "<=", "==", "!="}


def main() -> None:
    queries = queries_of_dashboard() + queries_of_rules()
    assert len(queries) > 40, len(queries)
    with Fleet(TAKEOFF_DATABASE_ACQUIRE_TIMEOUT_MS="500") as fleet, tempfile.TemporaryDirectory() as folder:
        programs = prometheus_programs()
        with prometheus(programs, fleet, folder) as origin:
            work(fleet)
            lose_the_database(fleet)
            complaints = check_names(queries, served(fleet))
            if origin:
                complaints += check_results(queries, origin)
    if programs:
        complaints += check_rules(programs)
    for complaint in complaints:
        print(complaint)
    assert not complaints
    by_what = "names and labels, and what Prometheus finds by them" if programs else "names and labels"
    print(f"{len(queries)} queries of {DASHBOARD.name} and {ALERTS.name}: {by_what}")


# --- The queries --------------------------------------------------------------------------------------------


def queries_of_dashboard() -> list[tuple[str, promql.Expr]]:
    """Where each stands, and itself."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = []
    for panel in dashboard["panels"]:
        targets = panel.get("targets", [])
        assert targets or panel["type"] == "row", f"{panel['title']} shows nothing"
        found += [(f"panel {panel['title']!r}", parsed(target["expr"])) for target in targets]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            found.append((f"variable {variable['name']!r}", parsed(f"group by ({label}) ({selector})")))
    return found


def queries_of_rules() -> list[tuple[str, promql.Expr]]:
    """What each rule compares, without the comparison, which is to be false most of the time."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return [(f"rule {rule['alert']}", compared(parsed(rule["expr"]))) for rule in rules]


def parsed(query: str) -> promql.Expr:
    """As Grafana sends it when all is chosen."""
    for name, value in {"$__rate_interval": "1m", "$__range": "1h", "$job": ".*", "$instance": ".*"}.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return promql.parse(query)


def compared(rule: promql.Expr) -> promql.Expr:
    if isinstance(rule, promql.Call) and rule.func.name == "absent":
        return compared(rule.args[0])
    assert isinstance(rule, promql.BinaryExpr) and str(rule.op) in COMPARISONS, f"{rule} compares nothing"
    return rule.lhs


def parts_of(query: promql.Expr) -> list:
    """Each part of a query, whole ones before those in them."""
    found = []
    promql.walk(query, pre_visit=found.append)
    return found


# --- Names and labels ---------------------------------------------------------------------------------------


def served(fleet: Fleet) -> dict[str, dict[str, set[str]]]:
    """The values of each label of each metric."""
    labels = defaultdict(lambda: defaultdict(set))
    for node in fleet.nodes():
        for family in text_string_to_metric_families(fleet.metrics(node)):
            for sample in family.samples:
                of_metric = labels[sample.name]
                for label, value in sample.labels.items():
                    of_metric[label].add(value)
    return labels


def check_names(queries: list, metrics: dict) -> list[str]:
    return [f"{where}: {complaint}" for where, query in queries for complaint in unknown(query, metrics)]


def unknown(query: promql.Expr, metrics: dict) -> list[str]:
    complaints, known = [], set(OF_TARGETS)
    parts = parts_of(query)
    for selector in parts:
        if not isinstance(selector, promql.VectorSelector) or selector.name in OF_PROMETHEUS:
            continue
        if selector.name not in metrics:
            complaints.append(f"there is no metric {selector.name}")
            continue
        labels = metrics[selector.name]
        known |= set(labels)
        complaints += [
            f"{selector.name} has no {matcher.name} like {matcher.value!r}, but {sorted(labels.get(matcher.name, ()))}"
            for matcher in selector.matchers.matchers
            if matcher.name not in OF_TARGETS and not is_met(matcher, labels.get(matcher.name, ()))
        ]
    labels = [label for part in parts for label in labels_of(part)]
    return complaints + [f"nothing in it has the label {label}" for label in labels if label not in known]


def labels_of(part) -> list[str]:
    """The labels by which a part groups or matches."""
    modifier = getattr(part, "modifier", None)
    modifier = getattr(modifier, "matching", modifier)
    return list(modifier.labels) if modifier else []


def is_met(matcher, values) -> bool:
    """Also what is left out must be there, or else it is a misspelling."""
    if matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe):
        return any(re.fullmatch(matcher.value, value) for value in values)
    return matcher.value in values


# --- What a fleet does --------------------------------------------------------------------------------------


def work(fleet: Fleet) -> None:
    """Each outcome of a submit and of an execution, on each node."""
    for node in fleet.nodes():
        origin = fleet.address(node)
        session_id = session(origin)
        missing = {"artifact_id": "art_" + session_id.removeprefix("ses_")}
        given = [("echo", {"message": "m"})] * 20 + [("parse_content", missing)]
        submitted = [submit(origin, session_id, *intent) for intent in given]
        outcomes = [ended(origin, payload["execution"]["id"]) for payload in submitted]
        assert outcomes == ["COMPLETED"] * 20 + ["FAILED"], outcomes
        assert submit(origin, session_id, "echo", {"message": 7})["errors"][0]["code"] == "INVALID_INPUT"
        assert fetch(origin + "/api/nothing")[0] == 404


def lose_the_database(fleet: Fleet) -> None:
    sessions = {node: session(fleet.address(node)) for node in fleet.nodes()}
    fleet.kill("postgres", by=signal.SIGQUIT)  # as if it had crashed
    for node, session_id in sessions.items():
        origin = fleet.address(node)
        until("the loss of the database", lambda: fetch(origin + "/ready")[0] == 503)
        given = {"input": {"intentType": "echo", "sessionId": session_id, "parameters": {}}}
        query = "mutation ($input: SubmitIntentInput!) { submitIntent(input: $input) { execution { id } } }"
        assert "UNAVAILABLE" in fetch(origin + "/graphql", {"query": query, "variables": given})[1]
        assert fetch(f"{origin}/api/session/{session_id}")[0] == 503


# --- A Prometheus -------------------------------------------------------------------------------------------


def prometheus_programs() -> Path | None:
    """The folder with prometheus and promtool: on the path, or out of Debian's package, which is not installed: it
    would set up a server of the system."""
    if shutil.which("prometheus") and (tool := shutil.which("promtool")):
        return Path(tool).parent
    kept = ROOT / "tests/conformance/.prometheus"
    programs = kept / "usr/bin"
    if (programs / "promtool").exists():
        return programs
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        print("SKIPPED: what Prometheus makes of the queries; there is neither Prometheus nor apt-get")
        return None
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        fetch_package = "apt-get download -qq prometheus"
        if os.geteuid() == 0:
            fetch_package += " || { apt-get update -qq && apt-get download -qq prometheus; }"
        if subprocess.run(fetch_package, shell=True, cwd=folder).returncode != 0:
            print("SKIPPED: what Prometheus makes of the queries; apt-get cannot fetch it (apt-get update?)")
            return None
        (package,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, kept], check=True)
    return programs


@contextmanager
def prometheus(programs: Path | None, fleet: Fleet, folder: str):
    """Its address while it scrapes the nodes."""
    if not programs:
        yield None
        return
    targets = [fleet.address(node).removeprefix("http://") for node in fleet.nodes()]
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "takeoff", "static_configs": [{"targets": targets}]}],
    }
    Path(folder, "prometheus.yml").write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [programs / "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    log = Path(folder, "log")
    with log.open("w") as out:
        process = subprocess.Popen([*words, f"--web.listen-address={address}"], stdout=out, stderr=out, cwd=folder)
    try:
        until("a Prometheus", lambda: scrapes(process, log, f"http://{address}", len(targets)))
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def scrapes(process: subprocess.Popen, log: Path, origin: str, targets: int) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return fetch(origin + "/-/ready")[0] == 200 and len(found(origin, "up == 1")) == targets
    except OSError:
        return False


def found(origin: str, query: str) -> list:
    status, text = fetch(f"{origin}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    assert status == 200, f"{query}: {text}"
    return json.loads(text)["data"]["result"]


def check_results(queries: list, origin: str) -> list[str]:
    """Each finds something once all has been scraped twice."""
    missing = {}

    def all_found() -> bool:
        missing.clear()
        missing.update({where: query for where, query in queries if not found(origin, str(query))})
        return not missing

    try:
        until("results", all_found, patience_s=20)
    except AssertionError:
        return [f"{where}: Prometheus finds nothing by {query}" for where, query in missing.items()]
    return []


def check_rules(programs: Path) -> list[str]:
    for words in (["check", "rules", str(ALERTS)], ["test", "rules", str(ALERTS.with_suffix(".test.yaml"))]):
        done = subprocess.run([programs / "promtool", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return [done.stdout]
    return []


if __name__ == "__main__":
    sys.exit(main())
