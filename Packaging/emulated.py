"""A Python of another machine, run by qemu: Debian's packages and the index's wheels, unpacked into a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "build" / "emulated"
# What the machine is called by Debian.
NAMES = {"aarch64": "arm64", "x86_64": "amd64"}


def require(machine: str) -> None:
    """Stop, with what to do, unless Python for a machine can be had and run."""
    emulator = f"qemu-{machine}-static"
    if shutil.which(emulator) is None:
        sys.exit(
            f"missing: {emulator}, which runs the tests for {machine}. Debian: apt-get install qemu-user-static. Or "
            "build without tests: python Packaging/wheels.py --no-tests."
        )
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        sys.exit(
            f"missing: apt-get and dpkg, which fetch Python for {machine}: this part of `make wheels` needs Debian."
        )


def run(*command: str | Path) -> None:
    """Run a command; when it fails show what it printed and stop."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}\nfailed with {done.returncode}")


def system(machine: str) -> Path:
    """Return the folder of a small Debian with Python, fetched the first time."""
    folder = ROOT / machine
    root, cache, lists, status = (folder / name for name in ("root", "cache", "lists", "status"))
    if not (root / "usr" / "bin" / "python3").exists():
        for needed in (root, cache / "archives" / "partial", lists / "partial"):
            needed.mkdir(parents=True, exist_ok=True)
        status.write_text("")
        settings = {
            "APT::Architecture": NAMES[machine], "APT::Architectures": NAMES[machine], "Dir::State::lists": lists,
            "Dir::State::status": status, "Dir::Cache": cache, "Debug::NoLocking": "true", "APT::Sandbox::User": "",
        }  # fmt: skip
        apt = ["apt-get", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]
        run(*apt, "update", "-qq")
        run(
            *apt,
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "--download-only",
            "python3",
            "libgomp1",
            "libstdc++6",
        )
        for package in sorted((cache / "archives").glob("*.deb")):
            run("dpkg", "-x", package, root)
    return root


def python(wheel: Path, machine: str) -> list[str]:
    """Return the command of a Python that has a wheel, what it needs and pytest, and nothing else."""
    root, site = system(machine), ROOT / machine / "site"
    real = (root / "usr" / "bin" / "python3").resolve()
    shutil.rmtree(site, ignore_errors=True)
    platforms = [f"--platform={name}_{machine}" for name in ("manylinux2014", "manylinux_2_27", "manylinux_2_28")]
    run(
        sys.executable, "-m", "pip", "install", "-q", "--target", site, "--only-binary=:all:", *platforms,
        f"--python-version={real.name.removeprefix('python')}", wheel, "pytest", "hypothesis", "pandas",
    )  # fmt: skip
    return [f"qemu-{machine}-static", "-L", str(root), "-E", f"PYTHONPATH={site}", str(real)]
