"""What is in deploy/ against what it is written for: compose.yaml and the manifests of Kubernetes against their published
schemas, the settings in them against the server, the proxy's configuration against HAProxy, and the rules against
docs/deploy.md, which says what to do about each."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from kubernetes_validate import latest_version

from fleet import PROGRAM, ROOT, fetch

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
# The oldest one in which a lifecycle hook can sleep without a switch.
OLDEST_KUBERNETES = "1.30"
ORIGIN = os.environ["TAKEOFF_URL"]
SECRETS = {
    name: "k1:" + "0123456789abcdef" * 4
    for name in (
        "TAKEOFF_CONTENT_SIGNING_KEYS",
        "TAKEOFF_LOG_CHECKPOINT_KEYS",
        "TAKEOFF_SECRETS_KEYS",
        "TAKEOFF_AUTH_TOKEN_KEYS",
    )
}


def main() -> None:
    compose_is_one()
    manifests_are_some()
    pods_are_locked_up()
    compose_has_settings()
    manifests_have_settings()
    probes_are_answered()
    image_is_of_this_version()
    proxy_is_configured()
    each_rule_is_explained()
    print(f"compose.yaml, {len(MANIFESTS)} manifests of Kubernetes, haproxy.cfg and the rules")


def compose_is_one() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def manifests_are_some() -> None:
    for version in (OLDEST_KUBERNETES, latest_version()):
        run("kubernetes-validate", "--strict", "--quiet", "--kubernetes-version", version, *MANIFESTS)


def documents() -> list[dict]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def pods_are_locked_up() -> None:
    """As the Pod Security Standard "restricted" wants it, and with a root that is read-only."""
    pods = [document["spec"]["template"]["spec"] for document in documents() if document["kind"] in ("Deployment", "Job")]
    assert len(pods) == len(MANIFESTS), pods
    for pod in pods:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == 65532, context
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, context
        # A variable such as TAKEOFF_SERVICE_HOST would be taken for a setting.
        assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False, pod
        (container,) = pod["containers"]
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == wanted, container


def of_the_image() -> dict[str, str]:
    """The settings that the image has of itself."""
    return dict(re.findall(r"(TAKEOFF_\w+)=(\S+)", (DEPLOY / "Containerfile").read_text()))


def compose_has_settings() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    values = SECRETS | {"POSTGRES_PASSWORD": "secret"}
    nodes = {name: service for name, service in services.items() if name.startswith("node-")}
    servers = set(re.findall(r"^ *server (\S+) (\S+):8080 ", (DEPLOY / "haproxy.cfg").read_text(), re.MULTILINE))
    assert servers == {(name, name) for name in nodes}, servers
    for service in nodes.values():
        given = {name: interpolated(text, values) for name, text in service["environment"].items()}
        check_settings(of_the_image() | given)


def interpolated(text: str, values: dict[str, str]) -> str:
    """${NAME:-default} and ${NAME:?complaint}."""
    def value(match: re.Match) -> str:
        return values[match[1]] if match[2] == "?" else values.get(match[1], match[3])

    return re.sub(r"\$\{(\w+):([?-])([^}]*)\}", value, text)


def manifests_have_settings() -> None:
    (settings,) = [document["data"]["takeoff.toml"] for document in documents() if document["kind"] == "ConfigMap"]
    secret = SECRETS | {"TAKEOFF_DATABASE_URL": "postgres://db/takeoff", "TAKEOFF_REDIS_URL": "redis://redis"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "takeoff.toml")
        file.write_text(settings)
        check_settings(of_the_image() | secret, "--config", str(file))


def check_settings(environment: dict[str, str], *options: str) -> None:
    """They are known to the server, and have values that may be."""
    with tempfile.TemporaryDirectory() as folder:
        run(PROGRAM, "config", *options, environment=environment, cwd=folder)


def probes_are_answered() -> None:
    text = "".join(path.read_text() for path in MANIFESTS)
    probes = set(re.findall(r"httpGet: \{ path: (\S+), ", text)) | {"/ready"}
    assert probes == {"/health", "/ready"}, probes
    for path in probes:
        # By the address of a pod, which is no name of the server.
        assert fetch(ORIGIN + path, headers={"host": "10.1.2.3:8080"})[0] == 200, path


def image_is_of_this_version() -> None:
    version = subprocess.run([PROGRAM, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]
    text = "".join(path.read_text() for path in [DEPLOY / "compose.yaml", *MANIFESTS])
    named = re.findall(r"\btakeoff:(\d[\w.-]*)", text)
    assert named == [version] * 3, f"{named}, and the server is {version}"


def proxy_is_configured() -> None:
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        print("SKIPPED: HAProxy's word on haproxy.cfg; the part cluster installs it")
        return
    run(program, "-c", "-q", "-f", DEPLOY / "haproxy.cfg")


def each_rule_is_explained() -> None:
    groups = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    headings = re.findall(r"^#+ (Takeoff\w+)$", (ROOT / "docs/deploy.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(rules), set(headings) ^ set(rules)
    for name, rule in rules.items():
        assert rule["annotations"]["runbook"] == f"docs/deploy.md#{name.lower()}", name


def run(*words, environment: dict[str, str] | None = None, **options) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TAKEOFF_")}
    variables |= environment or {}
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}"


if __name__ == "__main__":
    sys.exit(main())
