"""Compiles the C code and checks the Swift code for macOS on arm64, from Linux: as far as that goes without a Mac.

``python Packaging/darwin.py``, after ``make wheels``. Apple's headers are those that Zig brings. Swift has no Embedded
mode for macOS here, but for the same CPU and file format without a system: types and calls are checked, no more.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[1]
ZIG = [sys.executable, "-m", "ziglang"]


def run(*command: str | Path) -> None:
    """Run a command and stop where it finds something."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def check_c(scratch: Path) -> None:
    """Compile the bindings and SeriatimSystem."""
    # NumPy's headers, which are Linux's here, ask for one that macOS has by another name.
    (scratch / "endian.h").write_text("#include <machine/endian.h>\n")
    folders = ["Bindings/include", "Sources/SeriatimSystem/include", sysconfig.get_path("include"), numpy.get_include()]
    for source in [*ROOT.glob("Bindings/*.c"), *ROOT.glob("Sources/SeriatimSystem/*.c")]:
        run(
            *ZIG, "cc", "-target", "aarch64-macos.11.0", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror",
            "-DSRT_HAS_NEON=1", "-DPy_LIMITED_API=0x030A0000", "-DNPY_NO_DEPRECATED_API=NPY_1_22_API_VERSION",
            "-DNPY_TARGET_VERSION=NPY_1_22_API_VERSION", *(f"-I{folder}" for folder in [*folders, scratch]),
            "-c", source, "-o", scratch / "made.o",
        )  # fmt: skip


def check_swift(scratch: Path) -> None:
    """Check kernels and C ABI."""
    import ziglang

    libc = Path(ziglang.__file__).parent / "lib" / "libc" / "include" / "any-darwin-any"
    modules = scratch / "module.modulemap"
    header = ROOT / "Sources" / "SeriatimSystem" / "include" / "SeriatimSystem.h"
    modules.write_text(f'module SeriatimSystem {{ header "{header}" export * }}\n')
    options = [
        "-D__APPLE__", "-D__arm64__=1", "-nostdlibinc", "-idirafter", libc, f"-fmodule-map-file={modules}",
        "-fmodule-map-file=Bindings/include/module.modulemap",
    ]  # fmt: skip
    run(
        "swiftc", "-typecheck", "-target", "arm64-apple-none-macho", "-module-name", "SeriatimKernels", "-DNEON",
        "-parse-as-library", "-wmo", "-swift-version", "6", "-enable-experimental-feature", "Embedded",
        "-enable-experimental-feature", "BuiltinModule", "-module-cache-path", scratch / "cache",
        *(part for option in options for part in ("-Xcc", option)),
        *sorted([*ROOT.glob("Sources/SeriatimKernels/**/*.swift"), *ROOT.glob("Sources/SeriatimC/*.swift")]),
    )  # fmt: skip


with tempfile.TemporaryDirectory() as folder:
    check_c(Path(folder))
    check_swift(Path(folder))
print("C compiles and Swift type-checks for arm64 macOS; nothing was linked or run")
