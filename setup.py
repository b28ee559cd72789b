"""Builds the Swift kernels once per instruction-set level and links them into one extension, ``seriatim._core``.

Per level: ``swiftc`` in Embedded mode gives one object; ``ld -r`` dissolves its section groups; ``objcopy`` keeps only
the names of the C ABI visible and appends the level to them. Without that, the linker would merge the levels'
copies of shared Swift generics, and the baseline kernels would call AVX code. Bindings/dispatch.c picks a level at import.
SERIATIM_LEVELS names the levels to build where not all are wanted: "v3" is that and the baseline.

The machine that is built for is the one that Python's own variable for cross-building, _PYTHON_HOST_PLATFORM, names, or
this one; `make wheels` (Packaging/wheels.py) builds for others that way, with the C compiler that CC and LDSHARED name.
On macOS, where nothing of this has been run yet, there is one level and its names stay as they are.

Everything else about the package is in pyproject.toml.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
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
# Swift has Embedded mode for its own system, and for others as a bare machine alone.
BARE = {"aarch64": "aarch64-none-none-elf"}


def target() -> tuple[str, str]:
    """Return the system and the machine that are built for."""
    system, _, machine = sysconfig.get_platform().partition("-")
    if system.startswith("win"):
        raise PlatformError(
            "seriatim does not build on Windows: its kernels need POSIX threads. It works in WSL, the Windows Subsystem for "
            "Linux: run `wsl --install` once, and there `pip install seriatim`. See https://learn.microsoft.com/windows/wsl/install."
        )
    machine = machine.rpartition("-")[2].replace("arm64", "aarch64")
    if system not in ("linux", "macosx") or machine not in LEVELS:
        raise PlatformError(
            f"seriatim builds on Linux and macOS, on {' and '.join(LEVELS)}; this is {system} on {machine}."
        )
    return system, machine


def wanted_levels(system: str, machine: str) -> dict[str, tuple[str, str]]:
    """Return the levels to build: all, or the first and those that SERIATIM_LEVELS names."""
    levels = LEVELS[machine]
    if system == "macosx":
        # Apple's linker cannot rename: there is room for one, which every CPU must be able to run.
        levels = dict([next(iter(levels.items()))])
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


def say(text: str) -> None:
    """Tell how far the build is, which `pip -v` shows; levels speak at the same time, so a line is written at once."""
    sys.stdout.write(f"seriatim: {text}\n")
    sys.stdout.flush()


def run(*command: str | Path) -> None:
    """Run a build step and show what it printed when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise PlatformError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def libc_folders() -> list[str]:
    """Return the folders in which the C compiler finds the headers of its target's libc."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    done = subprocess.run([*compiler, "-E", "-v", "-x", "c", os.devnull], capture_output=True, text=True, check=True)
    listed = done.stderr.split("#include <...> search starts here:")[-1].split("End of search list.")[0].split("\n")
    # Swift brings the compiler's own headers.
    return [name for line in listed if (name := line.strip()) and not Path(name, "stddef.h").exists()]


def target_flags(system: str, machine: str) -> list[str]:
    """Return what tells swiftc which machine to compile for, where that is not this one."""
    if system == "macosx":
        sdk = subprocess.run(["xcrun", "--show-sdk-path"], capture_output=True, text=True, check=True).stdout.strip()
        flags = ["-target", f"{machine.replace('aarch64', 'arm64')}-apple-macosx11.0", "-sdk", sdk]
    elif machine == platform.machine() and sys.platform == "linux":
        flags = []
    elif machine in BARE:
        headers = [part for folder in libc_folders() for part in ("-isystem", folder)]
        options = ["-D__linux__", "-Wno-macro-redefined", *headers]
        flags = ["-target", BARE[machine], *(part for option in options for part in ("-Xcc", option))]
    else:
        raise PlatformError(f"seriatim is cross-built for {', '.join(BARE)}, not for {machine}.")
    return flags


def tool(swiftc: Path, own: str, others: str) -> Path | str:
    """Return Swift's own tool, which knows every machine, or where the toolchain has none the system's."""
    return path if (path := swiftc.resolve().with_name(own)).exists() else others


def localise(swiftc: Path, level: str, compiled: Path, made: Path) -> None:
    """Hide all names but those of the C ABI, to which the level is appended, and dissolve section groups."""
    link, copy = tool(swiftc, "ld.lld", "ld"), tool(swiftc, "llvm-objcopy", "objcopy")
    whole, keep, renames = (compiled.with_name(name) for name in ("whole.o", "keep.txt", "renames.txt"))
    names = abi_names()
    keep.write_text("".join(f"srt_{name}\n" for name in names))
    renames.write_text("".join(f"srt_{name} srt_{name}_{level}\n" for name in names))
    run(link, "-r", "--unique", "--force-group-allocation", compiled, "-o", whole)
    run(copy, f"--keep-global-symbols={keep}", whole)
    run(copy, "--strip-debug", f"--redefine-syms={renames}", whole, made)


def refuse_allocations(swiftc: Path, made: Path) -> None:
    """Raise an error if kernels call what takes memory from the system: Swift ends the process where there is none."""
    # Linked alone, it keeps what is called: Swift's own functions, which may allocate, are in every object.
    linked = made.with_name("alone.so")
    run(tool(swiftc, "ld.lld", "ld"), "-shared", "--gc-sections", made, "-o", linked)
    command = [tool(swiftc, "llvm-nm", "nm"), "--dynamic", "--undefined-only", linked]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    calls = sorted(set(listed.split()) & {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "free"})
    if calls:
        made.unlink()
        raise PlatformError(
            f"a kernel allocates, by {', '.join(calls)}: all its memory is the caller's, or of the stack by withStack "
            "(Sources/SeriatimKernels/Machinery/Scratch.swift)"
        )


def build_level(swiftc: Path, level: str, march: str, flag: str) -> Path:
    """Compile the kernels for one level into one object whose only global names are `srt_<function>_<level>`.

    Kernels and C ABI are compiled as one module: in Embedded mode the module of the ABI would hold a second copy of every
    kernel, which costs as much time as the first and is thrown away by the linker. For the same reason there is no
    debugging information. -Osize keeps the inner loops as they are written and does not copy what surrounds them.
    """
    system, machine = target()
    swift = ROOT / "build" / "swift"
    scratch = swift / (level if system == "linux" else f"{level}-{system}")
    scratch.mkdir(parents=True, exist_ok=True)
    # SwiftPM writes this map of SeriatimSystem by itself.
    modules = scratch / "module.modulemap"
    modules.write_text(f'module SeriatimSystem {{ header "{SYSTEM / "SeriatimSystem.h"}" export * }}\n')
    compiled, made = scratch / "kernels.o", scratch / f"seriatim_{level}.o"
    command = [
        swiftc, *target_flags(system, machine),
        "-module-name", "SeriatimKernels", "-parse-as-library", "-wmo", "-swift-version", "6",
        "-Osize", "-gnone", "-enforce-exclusivity=unchecked", f"-D{flag}",
        "-enable-experimental-feature", "Embedded", "-enable-experimental-feature", "BuiltinModule",
        # A section for each function lets the linker drop what nobody calls.
        "-Xfrontend", "-function-sections",
        "-Xcc", "-fPIC", "-Xcc", f"-march={march}", "-Xcc", f"-fmodule-map-file={modules}",
        "-Xcc", f"-fmodule-map-file={HEADER.parent / 'module.modulemap'}",
        "-module-cache-path", swift / "cache",
        "-c", *swift_sources(), "-o", compiled,
    ]  # fmt: skip
    made_from, key = scratch / "made_from.txt", fingerprint(command)
    if made.exists() and made_from.exists() and made_from.read_text() == key:
        say(f"kernels for {level} are as they were")
        return made
    began = time.monotonic()
    say(f"compiling the kernels for {level} ({machine}), up to a minute of one core ...")
    run(*command)
    if system == "linux":
        localise(swiftc, level, compiled, made)
        refuse_allocations(swiftc, made)
    else:
        compiled.replace(made)
    made_from.write_text(key)
    say(f"kernels for {level}: {time.monotonic() - began:.0f} s")
    return made


class BuildExtension(build_ext):
    """Builds the Swift objects first, then the extension around them."""

    def finalize_options(self) -> None:
        """Never reuses a binary: it may have been made with other NumPy headers."""
        super().finalize_options()
        self.force = True

    def build_extension(self, ext: Extension) -> None:
        """Compiles every level, then links."""
        import numpy

        system, machine = target()
        swiftc = find_swift()
        levels = wanted_levels(system, machine)
        # One compiler is busy with one level, on one core.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = pool.map(lambda level: build_level(swiftc, level, *levels[level]), levels)
            ext.extra_objects = [str(made) for made in objects]
        ext.define_macros += [(f"SRT_HAS_{level.upper()}", "1") for level in levels]
        ext.include_dirs.append(numpy.get_include())
        if system == "linux":
            exports = ROOT / "build" / "exports.map"
            exports.write_text("{ global: PyInit__core; local: *; };\n")
            ext.extra_link_args += [
                "-Wl,--gc-sections", "-Wl,-z,relro,-z,now", "-Wl,-s", f"-Wl,--version-script={exports}", "-lpthread",
            ]  # fmt: skip
        else:
            ext.define_macros += [(f"srt_{name}_{level}", f"srt_{name}") for level in levels for name in abi_names()]
            ext.extra_link_args += ["-Wl,-dead_strip", "-Wl,-x", "-Wl,-exported_symbol,_PyInit__core"]
        super().build_extension(ext)


if sys.platform == "darwin" and "_PYTHON_HOST_PLATFORM" not in os.environ:
    # Python may be for both kinds of Mac; the kernels are for one.
    os.environ["ARCHFLAGS"] = f"-arch {platform.machine()}"
    os.environ["MACOSX_DEPLOYMENT_TARGET"] = "11.0"
    os.environ["_PYTHON_HOST_PLATFORM"] = f"macosx-11.0-{platform.machine()}"

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
            # Not Bindings itself: a header of ours would hide the system's of the same name.
            include_dirs=["Bindings/include", "Sources/SeriatimSystem/include"],
            define_macros=macros,
            py_limited_api=not free_threaded,
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-ffunction-sections"],
        )
    ],
    options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp310"}},
)  # fmt: skip
