"""The image of scripts/image: what is in it, and a node of it, whose root is read-only and which has no capability, on the
PostgreSQL, the Redis and the content of a fleet."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

from fleet import ROOT, Fleet, ended, fetch, session, submit, until

PROGRAMS = ("buildah", "podman", "runc")
USER = "65532"


def main() -> None:
    if os.geteuid() != 0:
        print("SKIPPED: it is tried as root alone, for whom no users have to be mapped")
        return
    if not programs_are_there():
        print(f"SKIPPED: {', '.join(PROGRAMS)} are not all there; Debian has them")
        return
    with tempfile.TemporaryDirectory(prefix="takeoff-images.") as folder, storage(Path(folder)):
        archive = Path(folder, "takeoff.tar")
        built = ["--program", linked(Path(folder))] if os.environ.get("CI") else ["--profile", "dev"]
        image = run(ROOT / "scripts/image", *built, "--archive", archive).split()[-1]
        holds_what_it_should(archive)
        complaint = cannot_run(image)
        if complaint:
            print(f"SKIPPED: a node of it; podman runs nothing here: {complaint}")
            return
        serves(image, Path(folder))


def programs_are_there() -> bool:
    """In continuous integration they are installed; nobody else gets container engines unasked."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing and os.environ.get("CI") and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        words = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *missing]
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        missing = []
    return not missing


@contextmanager
def storage(folder: Path):
    """Images of one's own, which need no file system of their own."""
    settings = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
    (folder / "storage.conf").write_text(settings)
    (folder / "containers.conf").write_text(f'[engine]\nruntime = "runc"\ntmp_dir = "{folder}/tmp"\n')
    os.environ |= {
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }
    yield


def linked(folder: Path) -> Path:
    """The program of the libraries that the tests were built with. scripts/image has cargo link it; cargo would build many of
    them again first, without the features that only tests ask for."""
    words = ["cargo", "test", "--locked", "--workspace", "--no-run", "--message-format=json"]
    messages = [json.loads(line) for line in run(*words, cwd=ROOT).splitlines() if line.startswith("{")]
    libraries = {
        message["target"]["name"]: file
        for message in messages
        if message["reason"] == "compiler-artifact"
        for file in message["filenames"]
        if file.endswith(".rlib")
    }
    native = {path for message in messages for path in message.get("linked_paths", [])}
    program = folder / "takeoff"
    words = ["rustc", "--crate-name=takeoff", "--edition=2024", "--crate-type=bin", ROOT / "src/main.rs", "-o", program]
    words += ["-C", "target-feature=+crt-static", "-L", f"dependency={Path(libraries['takeoff']).parent}"]
    words += [word for path in sorted(native) for word in ("-L", path)]
    words += [f"--extern={name}={libraries[name]}" for name in ("takeoff", "mimalloc")]
    run(*words)
    return program


# --- What is in it ------------------------------------------------------------------------------------------


def holds_what_it_should(archive: Path) -> None:
    with tarfile.open(archive) as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))
        config = json.load(image.extractfile(manifest["Config"]))
        files = {}
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as content:
                files |= {entry.name.strip("/"): entry for entry in content}
    names = {name for name, entry in files.items() if not entry.isdir()}
    assert names == {"takeoff", "etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt"}, names
    writable = {name for name, entry in files.items() if str(entry.uid) == USER}
    assert writable == {"data", "content"}, writable
    assert all(files[name].mode & 0o777 == 0o700 for name in writable), files
    assert all(entry.mode & 0o022 == 0 for entry in files.values()), files
    assert config["config"]["User"] == f"{USER}:{USER}", config
    assert config["config"]["Entrypoint"] == ["/takeoff"] and config["config"]["Cmd"] == ["serve"], config
    assert config["config"]["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0", config
    size_mb = files["takeoff"].size / 1e6
    print(f"image: {len(names)} files, the program has {size_mb:.0f} MB")


# --- A node of it -------------------------------------------------------------------------------------------

# The machine may give no container more open files or processes than this process may have, nor a network of its own.
LIMITS = ["--network=host", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]
LOCKED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges"]


def cannot_run(image: str) -> str | None:
    done = subprocess.run(podman("run", "--rm", image, "--version"), capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def podman(command: str, *words: str) -> list[str]:
    return ["podman", "--cgroup-manager=cgroupfs", command, *(LIMITS + LOCKED if command == "run" else []), *words]


def serves(image: str, folder: Path) -> None:
    with Fleet("--nodes", "1") as fleet:
        # What its own node writes is not for the user of the image.
        fleet.kill("node-1")
        content = fleet.folder / "content"
        run("chown", "--recursive", f"{USER}:{USER}", content)
        settings = settings_of(fleet)
        options = [f"--volume={content}:/content", "--volume=/data", "--add-host=database.example:127.0.0.1"]
        options += [f"--env={name}={value}" for name, value in settings.items()]
        key = run(*podman("run", "--rm", *options, image, "keys", "create", "--admin", "--label", "first")).split()[-1]
        container = run(*podman("run", "--detach", *options, image)).strip()
        try:
            origin = until("a node of the image", lambda: address_of(container))
            until("readiness", lambda: fetch(origin + "/ready")[0] == 200)
            is_locked_up(container)
            works(origin, {"authorization": f"Bearer {key}"})
        except BaseException:
            subprocess.run(podman("logs", container))
            raise
        finally:
            run(*podman("stop", "--time=30", container))
            code = run(*podman("inspect", "--format={{.State.ExitCode}}", container)).strip()
            run(*podman("rm", "--force", "--volumes", container))
        assert code == "0", f"it did not stop by itself: exit code {code}"


def settings_of(fleet: Fleet) -> dict[str, str]:
    keys = (line.removeprefix("export ") for line in (fleet.folder / "keys").read_text().splitlines())
    database = fleet.address("postgres").replace("127.0.0.1", "database.example")
    return dict(key.split("=", 1) for key in keys) | {
        "TAKEOFF_DATABASE_URL": database,
        "TAKEOFF_REDIS_URL": fleet.address("redis"),
        "TAKEOFF_CONTENT_URL": "file:///content",
        "TAKEOFF_HTTP_BIND": "127.0.0.1:0",
    }


def address_of(container: str) -> str | None:
    done = subprocess.run(podman("logs", container), capture_output=True, text=True)
    found = re.search(r'"message":"serving".*?"address":"([^"]+)"|"address":"([^"]+)".*?"message":"serving"', done.stderr)
    return f"http://{found[1] or found[2]}" if found else None


def is_locked_up(container: str) -> None:
    pid = run(*podman("inspect", "--format={{.State.Pid}}", container)).strip()
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert set(status["Uid"].split()) == {USER}, status
    assert status["CapEff"] == status["CapBnd"] == "0" * 16, status
    assert status["NoNewPrivs"] == "1", status
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    (root,) = [mount[5].split(",") for mount in mounts if mount[4] == "/"]
    assert "ro" in root, root


def works(origin: str, headers: dict[str, str]) -> None:
    """It does work, also on content, for whoever has a key."""
    assert fetch(origin + "/graphql", {"query": "{ viewer { actor } }"})[0] == 401
    session_id = session(origin, headers)
    parameters = {"journey_id": "content_pipeline", "filename": "cities.csv", "content": "city,founded\nMalmö,1353\n"}
    payload = submit(origin, session_id, "compose_journey", parameters, headers)
    assert payload["errors"] == [], payload
    execution = payload["execution"]["id"]
    assert ended(origin, execution, headers) == "COMPLETED"
    print("a node of the image, as user 65532 without a capability on a read-only root, did a journey")


def run(*words, **options) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit code {done.returncode}"
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
