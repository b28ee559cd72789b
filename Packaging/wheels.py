"""Builds manylinux wheels for x86-64 and aarch64 on one machine, checks them, and tests each from the wheel alone.

``make wheels`` runs this; ``python Packaging/wheels.py aarch64`` one machine. What it makes is in ``dist``.

setup.py builds as always; here is what it is told. C is compiled by Zig's compiler, which has the headers and symbol
versions of glibc 2.17, so that wheels run on every Linux since 2014. The last link is the Swift toolchain's: its lld
puts functions that resemble each other side by side, which makes the wheel smaller by a tenth, and keeps one of those
that are the same. Nothing depends on the time or the folder: the same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import emulated

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "wheels"
GLIBC = "2.17"
TAG = "manylinux2014"
MACHINES = ("x86_64", "aarch64")
MOST_BYTES = 1_400_000
# The first moment that a ZIP file can hold: wheels are the same whenever they are made.
EPOCH = "315532800"
# A few minutes under emulation; the whole lists are Tests/python/functional, nn, models, persistence.
TESTS = [
    "functional/test_gru.py",
    "functional/test_linear.py",
    "functional/test_convolution.py",
    "nn/layers/test_linear.py",
]


def run(*command: str | Path, **options) -> str:
    """Run a command; when it fails show what it printed and stop."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}\nfailed with {done.returncode}")
    return done.stdout + done.stderr


def swift_tools() -> Path:
    """Return the folder of the Swift toolchain's clang and lld, or stop with what is missing."""
    swift = shutil.which(os.environ.get("SERIATIM_SWIFT", "swift"))
    if swift is None:
        sys.exit("missing: swift. Get 6.3 or newer from https://www.swift.org/install/linux and put it on PATH.")
    info = run(Path(swift).with_name("swiftc"), "-print-target-info")
    folder = Path(re.search(r'"runtimeResourcePath": "(.*)"', info)[1]).parents[1] / "bin"
    for name in ("clang", "ld.lld", "llvm-objcopy"):
        if not (folder / name).exists():
            sys.exit(f"missing: {folder / name}, which the toolchains of swift.org have.")
    return folder


def libraries(machine: str) -> list[Path]:
    """Return what the extension is linked with: Zig's run-time functions, and stand-ins of glibc with its versions."""
    cache, made = WORK / "zig" / machine, WORK / "lib" / machine
    made.mkdir(parents=True, exist_ok=True)
    nothing = made / "nothing.c"
    nothing.write_text("int srt_nothing;\n")
    env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
    run(*zig(machine), "-O2", "-shared", nothing, "-o", made / "nothing.so", env=env)
    names = ("libcompiler_rt.a", "libc_nonshared.a", "libc.so.6", "libpthread.so.0", "libld.so.2")
    found = [next(iter(sorted(cache.glob(f"o/*/{name}"))), None) for name in names]
    if None in found:
        sys.exit(f"Zig left no {names[found.index(None)]} in {cache}: take the version that requirements.txt names.")
    # `-lpthread` finds it by this name.
    shutil.copy(found[3], made / "libpthread.so")
    return found


def zig(machine: str) -> list[str]:
    """Return the C compiler for a machine."""
    return [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{GLIBC}"]


def environment(machine: str) -> dict[str, str]:
    """Return the environment in which setup.py builds for a machine."""
    link = [
        str(swift_tools() / "clang"), f"--target={machine}-linux-gnu", "-fuse-ld=lld", "-nostdlib", "-shared",
        "-Wl,--as-needed,--hash-style=gnu,--icf=all,--bp-compression-sort=function,--build-id=none",
        f"-L{WORK / 'lib' / machine}",
        *map(str, libraries(machine)),
    ]  # fmt: skip
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX")).replace(os.uname().machine, machine)
    return {
        **os.environ,
        "CC": " ".join([*zig(machine), "-g0", f"-ffile-prefix-map={ROOT}=."]),
        "LDSHARED": " ".join(link),
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
        "SETUPTOOLS_EXT_SUFFIX": suffix,
        "SOURCE_DATE_EPOCH": EPOCH,
    }


def build(machine: str) -> Path:
    """Build the wheel for a machine and return its path."""
    # What setuptools left there of an earlier build would be in the wheel.
    for left in [*(ROOT / "build").glob("lib*"), *(ROOT / "build").glob("bdist*"), WORK / machine]:
        shutil.rmtree(left, ignore_errors=True)
    run(
        sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", WORK / machine,
        f"--config-settings=--build-option=--plat-name={TAG}_{machine}", ROOT, env=environment(machine),
    )  # fmt: skip
    return next((WORK / machine).glob("*.whl"))


class Patient:
    """What `zipfile` compresses with: the smallest deflate that any reader understands, at a hundred times the time."""

    def __init__(self, *_: int | None) -> None:
        self.data = b""

    def compress(self, data: bytes) -> bytes:
        """Keep the data."""
        self.data += data
        return b""

    def flush(self) -> bytes:
        """Return all of it, without the frame of zlib."""
        import zopfli.zlib

        return zopfli.zlib.compress(self.data, numiterations=15)[2:-4]


def squeeze(wheel: Path, folder: Path) -> Path:
    """Write a wheel's members anew, in order and with one date, compressed with patience."""
    made = folder / wheel.name
    zipfile._get_compressor = Patient
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        # RECORD comes last, as it was.
        for item in sorted(old.infolist(), key=lambda item: (".dist-info/" in item.filename, item.filename)):
            fresh = zipfile.ZipInfo(item.filename)
            fresh.compress_type = zipfile.ZIP_DEFLATED
            fresh.external_attr = (0o100755 if item.filename.endswith(".so") else 0o100644) << 16
            new.writestr(fresh, old.read(item))
    return made


def check(wheel: Path, machine: str) -> None:
    """Hold a wheel against its tags, its size and the rules of the index."""
    tools = Path(sys.executable).parent
    size = wheel.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{wheel.name} has {size:,} bytes, more than {MOST_BYTES:,}")
    shown = run(sys.executable, "-m", "auditwheel", "show", wheel)
    found = re.search(rf'platform\s+tag: "manylinux_(\d+)_(\d+)_{machine}"', shown)
    if not found or tuple(map(int, found.groups())) > tuple(map(int, GLIBC.split("."))):
        sys.exit(f"auditwheel does not find that {wheel.name} runs on glibc {GLIBC}:\n{shown}")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel)
    run(tools / "check-wheel-contents", wheel)
    if "abi3" in wheel.name:
        run(tools / "abi3audit", "--strict", wheel)
    with zipfile.ZipFile(wheel) as members:
        for name in members.namelist():
            if str(ROOT).encode() in members.read(name):
                sys.exit(f"{name} in {wheel.name} names the folder it was built in")
    print(f"{wheel.name}: {size:,} bytes; auditwheel, twine and check-wheel-contents find nothing", flush=True)


def test(wheel: Path, machine: str) -> None:
    """Run a small set of tests with the installed wheel, and none of the checkout's Python."""
    tests = [ROOT / "Tests" / "python" / name for name in TESTS]
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    if machine == os.uname().machine:
        env = WORK / "env"
        run(sys.executable, "-m", "venv", "--clear", env)
        python = [str(env / "bin" / "python")]
        run(*python, "-m", "pip", "install", "-q", wheel, "pytest", "hypothesis")
    else:
        python = emulated.python(wheel, machine)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    clean["OMP_NUM_THREADS"] = "2"
    print(run(*python, ROOT / "Packaging" / "first_steps.py", cwd=WORK, env=clean).strip(), flush=True)
    print(run(*python, "-m", "pytest", *options, *tests, cwd=ROOT, env=clean).strip().splitlines()[-1], flush=True)


def main() -> None:
    """Build, check and test the wheels of the machines that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machines", nargs="*", default=MACHINES, help=f"some of {', '.join(MACHINES)}; all without")
    parser.add_argument("--no-tests", action="store_true", help="build and check alone")
    wanted = parser.parse_args()
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    for machine in wanted.machines:
        if machine not in MACHINES:
            parser.error(f"expected some of {', '.join(MACHINES)}, got {machine}")
        if not wanted.no_tests and machine != os.uname().machine:
            emulated.require(machine)
        print(f"{machine}: building", flush=True)
        wheel = squeeze(build(machine), dist)
        check(wheel, machine)
        if not wanted.no_tests:
            test(wheel, machine)


if __name__ == "__main__":
    main()
