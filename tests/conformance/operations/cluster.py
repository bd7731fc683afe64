"""scripts/cluster up: submits through the proxy; a node is killed in the middle of its work, and another one answers and
does that work; each node is stopped and started in turn while clients submit; down leaves nothing. And with two cells:
each tenant is in its own one and nowhere else."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from fleet import Fleet, ask, ended, fetch, is_alive, session, submit, until

SUBMITS = 24
RUNS_MS = 2_000


def main() -> None:
    stays_up()
    keeps_tenants_in_their_cells()


def stays_up() -> None:
    settings = {"TAKEOFF_RUNTIME_LEASE_SECONDS": "3", "TAKEOFF_RUNTIME_HEARTBEAT_SECONDS": "1"}
    with Fleet(**settings) as fleet:
        processes = fleet.processes()
        assert sorted(processes) == ["node-1", "node-2", "postgres", "proxy", "redis"], processes
        assert all(address in fleet.printed for _, address in processes.values()), fleet.printed
        rolls(fleet)
        survives_a_node(fleet)
        processes = fleet.processes()
        fleet.down()
        alive = [name for name, (pid, _) in processes.items() if is_alive(pid)]
        assert alive == [], alive
        assert not (fleet.folder / "processes").exists()


def rolls(fleet: Fleet) -> None:
    before = fleet.processes()
    proxy = fleet.address("proxy")
    session_id = session(proxy)
    done = Event()

    def client(_: int) -> list[str]:
        executions = []
        while not done.is_set():
            executions.append(accepted(proxy, session_id, runs_ms=50))
        return executions

    with ThreadPoolExecutor() as pool:
        clients = pool.map(client, range(2))
        try:
            fleet.roll()
        finally:
            done.set()
        executions = [execution for of_client in clients for execution in of_client]
    after = fleet.processes()
    for node in fleet.nodes():
        assert after[node][0] != before[node][0] and after[node][1] == before[node][1], (before, after)
    outcomes = {ended(proxy, execution) for execution in executions}
    assert outcomes == {"COMPLETED"}, outcomes
    print(f"both nodes were started anew: {len(executions)} submits were answered meanwhile, and all were done")


def survives_a_node(fleet: Fleet) -> None:
    proxy = fleet.address("proxy")
    session_id = session(proxy)
    executions = [accepted(proxy, session_id) for _ in range(SUBMITS)]
    victim = until("work on a node", lambda: busy(fleet))
    fleet.kill(victim)
    # Each is answered at once.
    executions += [accepted(proxy, session_id) for _ in range(SUBMITS)]
    outcomes = [ended(proxy, execution) for execution in executions]
    assert outcomes == ["COMPLETED"] * 2 * SUBMITS, outcomes
    print(f"{victim} was killed while it worked: {2 * SUBMITS} submits were answered through the proxy, and all were done")


def busy(fleet: Fleet) -> str | None:
    """A node on which handlers run."""
    return next((node for node in fleet.nodes() if "\ntakeoff_running 0\n" not in fleet.metrics(node)), None)


def accepted(proxy: str, session_id: str, headers: dict[str, str] | None = None, runs_ms: int = RUNS_MS) -> str:
    payload = submit(proxy, session_id, "echo", {"message": "m", "delay_ms": runs_ms}, headers)
    assert payload["errors"] == [], payload
    return payload["execution"]["id"]


def keeps_tenants_in_their_cells() -> None:
    with Fleet("--cells", "2", "--nodes", "1", "--tenants", "acme=1,globex=2") as fleet:
        proxy = fleet.address("proxy")
        hosts = {tenant: {"host": f"{tenant}.localhost"} for tenant in ("acme", "globex")}
        ways = list(hosts.items()) + [("globex", {"authorization": f"Bearer {token_of('globex')}"})]
        for tenant, headers in ways:
            assert viewed(proxy, headers) == tenant
            execution = accepted(proxy, session(proxy, headers), headers)
            assert ended(proxy, execution, headers) == "COMPLETED"
            assert cells_of(fleet, execution, tenant) == [1 if tenant == "acme" else 2]
        status, _ = fetch(proxy + "/ready", headers={"host": "initech.localhost"})
        assert status == 421, status
    print("two cells: tenants by host name and by the claim of a token, each in its own cell")


def viewed(origin: str, headers: dict[str, str]) -> str:
    return ask(origin, "{ viewer { tenantId } }", headers=headers)["viewer"]["tenantId"]


def token_of(tenant: str) -> str:
    """A token that nobody has signed: it decides to which cell a request goes, and that is all."""
    parts = [{"alg": "RS256", "typ": "JWT"}, {"org": tenant}]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "AAAA"])


def cells_of(fleet: Fleet, execution: str, tenant: str) -> list[int]:
    """The cells that have it."""
    query = "query ($id: ID!) { execution(id: $id) { id } }"
    of_tenant = {"x-takeoff-tenant": tenant}
    found = {cell: ask(fleet.address(f"cell-{cell}/node-1"), query, {"id": execution}, of_tenant) for cell in (1, 2)}
    return [cell for cell, data in found.items() if data["execution"]]


if __name__ == "__main__":
    main()
