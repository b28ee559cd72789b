"""Builds the Swift kernels once per instruction-set level and links them into one extension, ``seriatim._core``.

Per level: ``swiftc`` in Embedded mode gives one object; ``ld -r`` dissolves its section groups; ``objcopy`` keeps only
the names of the C ABI visible and appends the level to them. Without that, the linker would merge the levels'
copies of shared Swift generics, and the baseline kernels would call AVX code. Bindings/dispatch.c picks a level at import.
SERIATIM_LEVELS names the levels to build where not all are wanted: "v3" is that and the baseline.

Everything else about the package is in pyproject.toml.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import PlatformError

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "Sources"
HEADER = ROOT / "Bindings" / "include" / "seriatim.h"
SYSTEM = SOURCES / "SeriatimSystem" / "include"
# `@_cdecl @implementation`, which holds SeriatimC to the header, is of 6.3.
WANTED_SWIFT = (6, 3)

# Instruction-set levels of a machine: name -> (-march, Swift flag). The names are those of SERIATIM_LEVEL.
LEVELS = {
    "x86_64": {
        "baseline": ("x86-64", "BASELINE"),
        "v3": ("x86-64-v3", "AVX2"),
        "v4": ("x86-64-v4", "AVX512"),
    },
    "aarch64": {"neon": ("armv8-a", "NEON")},
}


def machine_levels() -> dict[str, tuple[str, str]]:
    """Return the levels that are built on this machine: all, or the first and those that SERIATIM_LEVELS names."""
    machine = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    if not sys.platform.startswith("linux") or machine not in LEVELS:
        raise PlatformError(
            f"seriatim builds on Linux, on {' and '.join(LEVELS)}; this is {sys.platform} on {machine}."
        )
    levels = LEVELS[machine]
    named = [name for name in re.split(r"[,\s]+", os.environ.get("SERIATIM_LEVELS", "")) if name]
    unknown = sorted(set(named) - set(levels))
    if unknown:
        raise PlatformError(f"SERIATIM_LEVELS: expected some of {', '.join(levels)}, got {', '.join(unknown)}")
    # The first is the one that every CPU can run.
    return {name: how for i, (name, how) in enumerate(levels.items()) if i == 0 or not named or name in named}


def find_swift() -> Path:
    """Return the path of a Swift compiler that can build the kernels, or raise an error that says what to do."""
    named = os.environ.get("SERIATIM_SWIFT", "swift")
    path = shutil.which(named)
    wanted = ".".join(map(str, WANTED_SWIFT))
    how = (
        f"seriatim's kernels are compiled from Swift, which needs Swift {wanted} or newer at build time (not at run "
        "time). Get it from https://www.swift.org/install/linux and put it on PATH, or name the program in the "
        "environment variable SERIATIM_SWIFT."
    )
    if path is None:
        raise PlatformError(f"no Swift compiler: '{named}' was not found. {how}")
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Swift version (\d+)\.(\d+)", text)
    if not found or tuple(map(int, found.groups())) < WANTED_SWIFT:
        raise PlatformError(f"'{path}' is too old: {text.strip() or 'it gives no version'}. {how}")
    compiler = Path(path).with_name(Path(path).name.replace("swift", "swiftc", 1))
    if not compiler.exists():
        raise PlatformError(f"'{compiler}', which belongs beside '{path}', was not found. {how}")
    return compiler


def abi_names() -> list[str]:
    """Return the functions of the C ABI, from the one list there is of them."""
    text = HEADER.read_text()
    block = text[text.index("#define SRT_FUNCTIONS(X)") :].split("\n\n", 1)[0]
    return re.findall(r"^\s+X\((\w+)\)", block, flags=re.MULTILINE)


def swift_sources() -> list[Path]:
    """Return the Swift files of the kernels and of the C ABI."""
    return sorted(path for part in ("SeriatimKernels", "SeriatimC") for path in (SOURCES / part).rglob("*.swift"))


def fingerprint(command: list[str | Path]) -> str:
    """Return what a level's object depends on as one number: the command and the files that it reads."""
    state = hashlib.sha256("\n".join(map(str, command)).encode())
    for path in [*swift_sources(), *sorted(SYSTEM.iterdir()), *sorted(HEADER.parent.iterdir()), Path(__file__)]:
        state.update(path.read_bytes())
    return state.hexdigest()


def run(*command: str | Path) -> None:
    """Run a build step and show what it printed when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise PlatformError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def build_level(swiftc: Path, level: str, march: str, flag: str) -> Path:
    """Compile the kernels for one level into one object whose only global names are `srt_<function>_<level>`.

    Kernels and C ABI are compiled as one module: in Embedded mode the module of the ABI would hold a second copy of every
    kernel, which costs as much time as the first and is thrown away by the linker. For the same reason there is no
    debugging information. -Osize keeps the inner loops as they are written and does not copy what surrounds them.
    """
    scratch = ROOT / "build" / "swift" / level
    scratch.mkdir(parents=True, exist_ok=True)
    compiled, whole, renamed = scratch / "kernels.o", scratch / "whole.o", scratch / f"seriatim_{level}.o"
    modules = ROOT / "build" / "swift" / "module.modulemap"
    command = [
        swiftc, "-module-name", "SeriatimKernels", "-parse-as-library", "-wmo", "-swift-version", "6",
        "-Osize", "-gnone", "-enforce-exclusivity=unchecked", f"-D{flag}",
        "-enable-experimental-feature", "Embedded", "-enable-experimental-feature", "BuiltinModule",
        # A section for each function lets the linker drop what nobody calls.
        "-Xfrontend", "-function-sections",
        "-Xcc", "-fPIC", "-Xcc", f"-march={march}", "-Xcc", f"-fmodule-map-file={modules}",
        "-Xcc", f"-fmodule-map-file={HEADER.parent / 'module.modulemap'}",
        "-module-cache-path", ROOT / "build" / "swift" / "cache",
        "-c", *swift_sources(), "-o", compiled,
    ]  # fmt: skip
    names = abi_names()
    keep, renames, made_from = scratch / "keep.txt", scratch / "renames.txt", scratch / "made_from.txt"
    key = fingerprint(command)
    if renamed.exists() and made_from.exists() and made_from.read_text() == key:
        return renamed
    run(*command)
    keep.write_text("".join(f"srt_{name}\n" for name in names))
    renames.write_text("".join(f"srt_{name} srt_{name}_{level}\n" for name in names))
    run("ld", "-r", "--unique", "--force-group-allocation", compiled, "-o", whole)
    run("objcopy", f"--keep-global-symbols={keep}", whole)
    run("objcopy", "--strip-debug", f"--redefine-syms={renames}", whole, renamed)
    made_from.write_text(key)
    return renamed


class BuildExtension(build_ext):
    """Builds the Swift objects first, then the extension around them."""

    def finalize_options(self) -> None:
        """Never reuses a binary: it may have been made with other NumPy headers."""
        super().finalize_options()
        self.force = True

    def build_extension(self, ext: Extension) -> None:
        """Compiles every level, then links."""
        import numpy

        swiftc = find_swift()
        levels = machine_levels()
        # SwiftPM writes this map of SeriatimSystem by itself.
        modules = ROOT / "build" / "swift" / "module.modulemap"
        modules.parent.mkdir(parents=True, exist_ok=True)
        modules.write_text(f'module SeriatimSystem {{ header "{SYSTEM / "SeriatimSystem.h"}" export * }}\n')
        # One compiler is busy with one level for a minute or two, on one core.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = pool.map(lambda level: build_level(swiftc, level, *levels[level]), levels)
            ext.extra_objects = [str(made) for made in objects]
        ext.define_macros += [(f"SRT_HAS_{level.upper()}", "1") for level in levels]
        ext.include_dirs.append(numpy.get_include())
        exports = ROOT / "build" / "exports.map"
        exports.write_text("{ global: PyInit__core; local: *; };\n")
        ext.extra_link_args.append(f"-Wl,--version-script={exports}")
        super().build_extension(ext)


free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
macros: list[tuple[str, str | None]] = [
    ("NPY_NO_DEPRECATED_API", "NPY_1_22_API_VERSION"),
    ("NPY_TARGET_VERSION", "NPY_1_22_API_VERSION"),
]
if not free_threaded:
    macros.append(("Py_LIMITED_API", "0x030A0000"))

sources = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("Bindings", "Sources/SeriatimSystem")
    for path in ROOT.glob(f"{folder}/*.c")
)
watched = [
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "Bindings/**/*.h",
        "Bindings/**/*.modulemap",
        "Sources/**/*.swift",
        "Sources/**/*.[ch]",
        "Package.swift",
    )
    for path in sorted(ROOT.glob(pattern))
]

setup(
    license="MIT",
    cmdclass={"build_ext": BuildExtension},
    ext_modules=[
        Extension(
            "seriatim._core",
            sources=sources,
            depends=watched,
            include_dirs=["Bindings/include", "Bindings", "Sources/SeriatimSystem/include"],
            define_macros=macros,
            py_limited_api=not free_threaded,
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
            extra_link_args=[
                "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL", "-Wl,-z,relro,-z,now", "-Wl,-s", "-lpthread",
            ],
        )
    ],
    options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp310"}},
)  # fmt: skip
