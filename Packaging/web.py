"""Compiles the kernels for web pages: ``docs/web/live/seriatim.wasm``, which the site's live page runs.

    python Packaging/web.py [FILE.wasm]        (or: make web)

The sources are the extension's, compiled by the same compiler in Embedded mode, for WebAssembly with SIMD128: four
lanes and no fused multiply-add, as at the level ``baseline``, so that a page has its bits. In ``Sources/SeriatimWeb``
are stand-ins for a system, and ``web.c``, whose functions alone are exported: ``wasm-ld`` drops what those do not call.

Nothing is compiled that was made of the same sources. Wanted: Swift (SERIATIM_SWIFT, or on PATH) with its clang, of
https://www.swift.org/install/linux, and wasm-ld, which is there too, or in Debian's package lld.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "Sources"
WEB = SOURCES / "SeriatimWeb"
HEADERS = ROOT / "Bindings" / "include"
SYSTEM = SOURCES / "SeriatimSystem" / "include"
BUILD = ROOT / "build" / "web"
MADE = ROOT / "docs" / "web" / "live" / "seriatim.wasm"
TARGET = "wasm32-unknown-none-wasm"
# A page loads it.
MOST_BYTES = 200_000


def tool(name: str, swift: Path, how: str) -> Path:
    """Return a program that lies beside Swift or on PATH, or end with what to do."""
    for found in (swift.with_name(name), shutil.which(name)):
        if found and Path(found).exists():
            return Path(found)
    sys.exit(f"missing: {name}. {how}")


def tools() -> tuple[Path, Path, Path]:
    """Return Swift's compiler, clang and the linker; end where one is missing, or does not know WebAssembly."""
    get = (
        "Get Swift 6.3 or newer from https://www.swift.org/install/linux and put it on PATH, or name the program in "
        "the environment variable SERIATIM_SWIFT"
    )
    named = os.environ.get("SERIATIM_SWIFT", "swift")
    found = shutil.which(named)
    if found is None:
        sys.exit(f"missing: {named}. The kernels are compiled from Swift. {get}.")
    swift = Path(found).resolve()
    swiftc = tool("swiftc", swift, f"{get}.")
    clang = tool("clang", swift, f"{get}.")
    linker = tool("wasm-ld", swift, f"{get}; Debian has it in a package of its own: apt-get install lld.")
    home = swiftc.resolve().parents[1]
    if not (home / "lib" / "swift" / "embedded" / "Swift.swiftmodule" / f"{TARGET}.swiftmodule").exists():
        sys.exit(f"missing: the standard library for {TARGET} in {home}. {get}.")
    return swiftc, clang, linker


def swift_sources() -> list[Path]:
    """Return the Swift files of the kernels and of the C ABI, those of the extension."""
    parts = ("SeriatimKernels", "SeriatimC")
    return sorted(path for part in parts for path in (SOURCES / part).rglob("*.swift"))


def run(*command: str | Path) -> None:
    """Run a build step, and end with what it printed if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def once(made: Path, command: list[str | Path], read: list[Path]) -> None:
    """Run a command that makes a file, unless it was made by this command of these files."""
    state = hashlib.sha256("\n".join(map(str, command)).encode())
    for path in read:
        state.update(path.read_bytes())
    key = made.with_suffix(".txt")
    if made.exists() and key.exists() and key.read_text() == state.hexdigest():
        return
    run(*command)
    key.write_text(state.hexdigest())


def build(made: Path) -> None:
    """Compile and link."""
    swiftc, clang, linker = tools()
    BUILD.mkdir(parents=True, exist_ok=True)
    modules = BUILD / "module.modulemap"
    modules.write_text(f'module SeriatimSystem {{ header "{SYSTEM / "SeriatimSystem.h"}" export * }}\n')
    headers = sorted(path for folder in (HEADERS, SYSTEM, WEB / "include") for path in folder.iterdir())
    kernels = BUILD / "kernels.o"
    # As setup.py compiles them for a level; clang's stack protector would call libc.
    compiling: list[str | Path] = [
        swiftc, "-target", TARGET, "-module-name", "SeriatimKernels", "-parse-as-library", "-wmo",
        "-swift-version", "6", "-suppress-warnings", "-Osize", "-gnone", "-enforce-exclusivity=unchecked", "-DWEB",
        "-enable-experimental-feature", "Embedded", "-enable-experimental-feature", "BuiltinModule",
        "-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector",
        "-Xcc", "-msimd128", "-Xcc", f"-I{WEB / 'include'}", "-Xcc", f"-fmodule-map-file={modules}",
        "-Xcc", f"-fmodule-map-file={HEADERS / 'module.modulemap'}", "-module-cache-path", BUILD / "cache",
        "-c", *swift_sources(), "-o", kernels,
    ]  # fmt: skip
    began = time.monotonic()
    once(kernels, compiling, [*swift_sources(), *headers])
    objects = [kernels]
    for source in sorted(WEB.glob("*.c")):
        objects.append(BUILD / f"{source.stem}.o")
        compiling = [
            clang, f"--target={TARGET}", "-msimd128", "-ffreestanding", "-std=c11", "-Os",
            "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
            f"-I{WEB / 'include'}", f"-I{HEADERS}", f"-I{SYSTEM}", "-c", source, "-o", objects[-1],
        ]  # fmt: skip
        once(objects[-1], compiling, [source, *headers])
    # The stack lies below everything else: one that is too deep ends the call, and overwrites nothing.
    run(
        linker, "--no-entry", "--gc-sections", "--strip-all", "--fatal-warnings", "-O2", "--stack-first",
        "-z", "stack-size=262144", *objects, "-o", made,
    )  # fmt: skip
    content = made.read_bytes()
    size, packed = len(content), len(gzip.compress(content, 9, mtime=0))
    print(f"{made.name}: {size:,} bytes, {packed:,} gzipped, {time.monotonic() - began:.0f} s")
    if size > MOST_BYTES:
        made.unlink()
        sys.exit(f"{made.name}: expected at most {MOST_BYTES:,} bytes, got {size:,}")


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else MADE)
