"""Writes all mutants of Swift and Python into one copy of the sources: which of them is on is chosen at run time.

A mutant of Swift is an operator of its own, with the precedence of the one it stands for, or a conditional expression;
of Python a conditional expression. Each asks `srt_is(number)`, which also notes that it was reached. C is compiled anew
for each mutant, which takes a second; here its functions only note that they were reached.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from places import Place, masked

PRECEDENCE = {
    "Addition": "+ - &+ &- | ^ .|", "Multiplication": "* / % &* & .&", "BitwiseShift": "<< >>",
    "Comparison": "< <= > >= == != .< .<= .> .>= .== .!=", "LogicalConjunction": "&&", "LogicalDisjunction": "||",
    "RangeFormation": "..<", "Assignment": "+= -= *= /= &+= &-=",
}  # fmt: skip
POINTERS = ("UnsafePointer<T>", "UnsafeMutablePointer<T>")
HOOK = """
extern int srt_mutant;
extern unsigned char srt_reached[];
static inline _Bool srt_is(int number) {
  srt_reached[number] = 1;
  return __builtin_expect(srt_mutant == number, 0);
}
"""
CHOICE = """#include <stdlib.h>
int srt_mutant;
unsigned char srt_reached[4096];
void srt_reach(int number) { srt_reached[number] = 1; }
__attribute__((constructor)) static void choose(void) {
  const char *number = getenv("SERIATIM_MUTANT");
  if (number) srt_mutant = atoi(number);
}
"""
PYTHON_HOOK = '''"""Which mutant is on, and which were reached."""

import builtins
import os

chosen = int(os.environ.get("SERIATIM_MUTANT", "0"))
reached = set()


def is_mutant(number):
    reached.add(number)
    return number == chosen


builtins.__srt_is__ = is_mutant
'''


def operator_name(number: int) -> str:
    """Return an operator of Swift that is nobody's: a ring and digits."""
    return "\u2218" + "".join(chr(0x22A0 + int(digit)) for digit in str(number))


def _body(old: str, new: str, number: int) -> str:
    """Return what an operator computes of a and b."""
    if old == "..<":
        moved = "b &+ 1" if new.endswith("+") else "Swift.max(a, b &- 1)"
        return f"srt_is({number}) ? a..<({moved}) : a..<b"
    if old in ("&&", "||"):
        return f"srt_is({number}) ? a {new} b() : a {old} b()"
    if old.endswith("=") and old[:-1] in ("+", "-", "*", "/", "&+", "&-"):
        return f"if srt_is({number}) {{ a {new} b }} else {{ a {old} b }}"
    return f"srt_is({number}) ? a {new} b : a {old} b"


def _signatures(old: str) -> list[str]:
    """Return the generic clauses, arguments and results that an operator has to take."""
    numbers = [
        ("<T: FixedWidthInteger>", "T", "T"),
        ("", "Float", "Float"),
        ("", "Double", "Double"),
        ("", "Lanes", "Lanes"),
    ]
    if old == "..<":
        return ["(a: Int, b: Int) -> Range<Int>"]
    if old in ("&&", "||"):
        return ["(a: Bool, b: @autoclosure () -> Bool) -> Bool"]
    if old in ("+=", "-=", "*=", "/="):
        kinds = [f"{g}(a: inout {a}, b: {a})" for g, a, _ in numbers]
        return kinds + [f"<T>(a: inout {p}, b: Int)" for p in POINTERS if old in ("+=", "-=")]
    if old in ("&+=", "&-="):
        return ["<T: FixedWidthInteger>(a: inout T, b: T)"]
    if old in ("+", "-", "*", "/", "%"):
        kinds = [f"{g}(a: {a}, b: {a}) -> {r}" for g, a, r in (numbers if old != "%" else numbers[:1])]
        return kinds + [f"<T>(a: {p}, b: Int) -> {p}" for p in POINTERS if old in ("+", "-")]
    if old in ("&+", "&-", "&*", "|", "&", "^"):
        vector = "<T: SIMD>(a: T, b: T) -> T where T.Scalar: FixedWidthInteger"
        return ["<T: FixedWidthInteger>(a: T, b: T) -> T", vector]
    if old in ("<<", ">>"):
        return ["<T: FixedWidthInteger>(a: T, b: Int) -> T", "<T: FixedWidthInteger>(a: T, b: T) -> T"]
    if old in ("<", "<=", ">", ">="):
        return ["<T: Comparable>(a: T, b: T) -> Bool"]
    if old in ("==", "!="):
        return ["<T: Equatable>(a: T, b: T) -> Bool", "<T>(a: T?, b: _OptionalNilComparisonType) -> Bool"]
    mask = "SIMDMask<SIMD16<Int32>>"
    if old in (".|", ".&"):
        return [f"(a: {mask}, b: {mask}) -> {mask}"]
    return [f"(a: Lanes, b: Lanes) -> {mask}"]


def operators(places: list[Place]) -> str:
    """Return the Swift file that declares the operators of mutants."""
    lines = ["import CSeriatim", "import SeriatimSystem", ""]
    for place in places:
        if place.kind == "extreme":
            for names in (["a", "b"], ["a", "b", "c"]):
                given, passed = ", ".join(f"_ {name}: T" for name in names), ", ".join(names)
                chosen = f"srt_is({place.number}) ? Swift.{place.new}({passed}) : Swift.{place.old}({passed})"
                lines.append(
                    f"@_transparent\nfunc srtExtreme{place.number}<T: Comparable>({given}) -> T {{ {chosen} }}"
                )
        if place.kind not in ("operator", "bound"):
            continue
        name, group = operator_name(place.number), next(k for k, v in PRECEDENCE.items() if place.old in v.split())
        lines.append(f"infix operator {name}: {group}Precedence")
        for signature in _signatures(place.old):
            lines.append(f"@_transparent\nfunc {name} {signature} {{ {_body(place.old, place.new, place.number)} }}")
    return "\n".join(lines) + "\n"


def _swift_text(place: Place) -> str:
    """Return what stands in the place of a mutant's text."""
    number = place.number
    if place.kind == "statement":
        return f"if !srt_is({number}) {{ {place.old} }}"
    if place.kind == "condition":
        return f"(srt_is({number}) != ({place.old}))"
    if place.kind == "extreme":
        return f"srtExtreme{number}"
    if place.kind in ("operator", "bound"):
        return f" {operator_name(number)} " if place.kind == "bound" else operator_name(number)
    return f"(srt_is({number}) ? {place.new} : {place.old})"


def _python_text(place: Place, source: bytes) -> str:
    """The same for Python."""
    if place.kind == "augmented":
        indent = source[source.rfind(b"\n", 0, place.start) + 1 : place.start].decode()
        return f"if __srt_is__({place.number}): {place.new}\n{indent}else: {place.old}"
    if place.kind == "statement":
        return f"if not __srt_is__({place.number}): {place.old}"
    return f"(({place.new}) if __srt_is__({place.number}) else ({place.old}))"


def _edited(text: bytes, edits: list[tuple[int, int, str]]) -> bytes:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new.encode() + text[end:]
    return text


def write_swift(root: Path, tree: Path, places: list[Place]) -> None:
    """Write the mutants of Swift into `tree`, whose sources are those of `root` otherwise. Lines keep their numbers."""
    by_file = defaultdict(list)
    for place in places:
        by_file[place.file].append(place)
    header = tree / "Sources/SeriatimSystem/include/SeriatimSystem.h"
    plain = (root / "Sources/SeriatimSystem/include/SeriatimSystem.h").read_text()
    if "srt_is" not in header.read_text():
        header.write_text(plain.replace("\n#if defined(__x86_64__)", HOOK + "\n#if defined(__x86_64__)", 1))
    for source in sorted((root / "Sources").rglob("*.swift")):
        name = source.relative_to(root).as_posix()
        text = _edited(source.read_bytes(), [(p.start, p.end, _swift_text(p)) for p in by_file.get(name, [])])
        if name in by_file:
            # A constant of a file that is chosen at run time is computed where it is used.
            lines = [
                _computed(line) if "srt_is" in line or "\u2218" in line else line for line in text.decode().split("\n")
            ]
            text = ("import SeriatimSystem; " + "\n".join(lines)).encode()
        target = tree / name
        if not target.exists() or target.read_bytes() != text:
            target.write_bytes(text)
    # Kernels and C ABI are compiled as one module.
    (tree / "Sources/SeriatimKernels/Mutants.swift").write_text(operators(places))


def _computed(line: str) -> str:
    found = re.match(r"^(public |private |fileprivate )?let (\w+)(?:: (\w+))? = (.*)$", line)
    return f"{found[1] or ''}var {found[2]}: {found[3] or 'Int'} {{ {found[4]} }}" if found else line


def write_python(root: Path, tree: Path, places: list[Place]) -> None:
    """Write the mutants of Python into `tree`."""
    by_file = defaultdict(list)
    for place in places:
        by_file[place.file].append(place)
    (tree / "python" / "srt_mutation.py").write_text(PYTHON_HOOK)
    for name, mine in by_file.items():
        source = (root / name).read_bytes()
        text = _edited(source, [(p.start, p.end, _python_text(p, source)) for p in mine])
        compile(text, name, "exec")
        (tree / name).write_bytes(text)
    first = tree / "python/seriatim/__init__.py"
    first.write_text(
        re.sub(r"^import importlib$", "import srt_mutation; import importlib", first.read_text(), count=1, flags=re.M)
    )


def write_c(root: Path, tree: Path, places: list[Place]) -> None:
    """Write into `tree` what notes which functions of C with a mutant were reached."""
    by_file = defaultdict(list)
    for place in places:
        by_file[place.file].append(place)
    (tree / "Bindings" / "mutants.c").write_text(CHOICE)
    (tree / "Bindings" / "mutants.h").write_text("void srt_reach(int number);\n")
    for name, mine in by_file.items():
        text = (root / name).read_text()
        shown, lines = masked(text).split("\n"), text.split("\n")
        for place in mine:
            line = _function_line(shown, place.line - 1)
            if line is not None:
                at = shown[line].index("{", max(shown[line].rfind(") {"), 0)) + 1
                lines[line] = f"{lines[line][:at]} srt_reach({place.number});{lines[line][at:]}"
                shown[line] = f"{shown[line][:at]} srt_reach({place.number});{shown[line][at:]}"
        (tree / name).write_text("\n".join(lines))


def _function_line(lines: list[str], line: int) -> int | None:
    """Return the line with the brace that opens the function around a line, if it is in one."""
    if re.match(r"^\w.*\) \{.*\}$", lines[line]):
        return line
    for i in range(line, -1, -1):
        if lines[i].startswith("}") and i != line:
            return None
        opens = lines[i].endswith(") {") and not re.match(r"^\s*(\} else )?(if|for|while|switch)\b", lines[i])
        if opens and re.match(r"^(\w| {12,})", lines[i]):
            return i
    return None
