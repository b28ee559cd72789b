"""Finds the places of Swift and C that a mutant can be made of: an operator, a number, a condition, a statement."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Place:
    """A change of one place: `text[start:end]`, in bytes, is `old` and would be `new`."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str
    kind: str
    language: str
    at_import: bool = False
    number: int = 0


# What an operator may become. Of ranges the upper bound moves.
SWAPS = {
    "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["/"],
    "&+": ["&-"], "&-": ["&+"], "&*": ["&+"],
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"], "..<": ["..<+", "..<-"],
    ".<": [".<=", ".>"], ".>": [".>=", ".<"], ".<=": [".<"], ".>=": [".>"], ".==": [".!="], ".!=": [".=="],
    ".|": [".&"], ".&": [".|"], "|": ["&"], "&": ["|"], ">>": ["<<"], "<<": [">>"], "^": ["|"],
    "+=": ["-="], "-=": ["+="], "*=": ["+="], "/=": ["*="], "&+=": ["&-="], "&-=": ["&+="],
}  # fmt: skip
OPERATOR = re.compile(r"(?<= )(" + "|".join(map(re.escape, sorted(SWAPS, key=len, reverse=True))) + r")(?= |$)")
RANGE = re.compile(r"(?<=[\w)\]])\.\.<(?=[\w(\-])")
NUMBER = re.compile(r"(?<![\w.$#])(\d[\d_]*\.\d+(?:[eE]-?\d+)?|\d[\d_]*)(?![\w.]|\.\d)")
BOOLEAN = re.compile(r"(?<![\w.])(true|false)(?!\w)")
EXTREME = re.compile(r"(?<![\w.])(min|max)(?=\()")
# How registers and tiles lie in memory: were these not constants, all kernels would be compiled otherwise.
LAYOUT = re.compile(r"^(public )?let (laneCount|panelRegisters|panelWidth|tileRows)\b|^private let a, b\b")
# Not code, or code of another machine; and words for people.
NO_CODE = re.compile(r"^\s*(import |#|@|precondition|fatalError|assert|//|case |typealias |infix )")
WORDS = re.compile(r"PyErr_\w+\(|snprintf\(|PyUnicode_FromFormat\(")


def masked(text: str, ends_at_line: bool = True) -> str:
    """Return the text with blanks in the place of comments and of what strings say."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', blank, text, flags=re.S)


def number_of(text: str, chance: random.Random) -> str:
    """Return another number: beside a whole one, half as much again of a broken one."""
    plain = text.replace("_", "")
    if "." in plain or "e" in plain.lower():
        return repr(float(plain) * 1.5) if float(plain) else "1.0"
    return "1" if plain == "0" else str(int(plain) + chance.choice([-1, 1]))


def _statement(line: str, before: str, language: str) -> re.Match[str] | None:
    """Return the match of a call or an assignment that is the whole of a line, if the line is one."""
    if before.rstrip()[-1:] not in ("{", "}", ";", ":", ")", "") and language == "C":
        return None
    if language == "Swift":
        if re.search(r"([,(\[=&|+*/?:\-]|\belse|\breturn|\bin)\s*$", before):
            return None
        found = re.match(r"^\s*((?:[\w.!]+(?:\[[^=]*\])?) (?:[&*+/\-]*=) [^{}]+|[\w.]+\([^{}]*\))\s*$", line)
        head = r"(return|guard|let|var|if|while|for|private|func|else|init|super|case|switch|in)\b"
    else:
        found = re.match(
            r"^\s*([\w.>\-*]+(?:\[[^=]*\])? (?:[&|*+/\-]*=) [^;{}]+;|\w+\([^;{}]*\);|[\w.>\-]+(?:\+\+|--);)\s*$", line
        )
        head = r"(return|if|while|for|static|const|else|case|switch|goto|do|extern|enum|typedef)\b"
    if not found or re.match(head, found.group(1)):
        return None
    return found if all(found.group(1).count(a) == found.group(1).count(b) for a, b in ("()", "[]")) else None


def _condition(line: str, language: str) -> re.Match[str] | None:
    """Return the match of the condition of a line that opens a block or guards a statement, if it is whole."""
    if language == "Swift":
        found = re.match(r"^\s*(?:\} else )?(?:if|while|guard) ([^{},]+?)(?: else)? \{", line)
    else:
        found = re.match(r"^\s*(?:\} else )?(?:if|while) \((.+)\) (?:\{|[\w*].*;)\s*$", line)
    if not found or re.search(r"\b(let|var|case)\b", found.group(1)) or "{" in found.group(1):
        return None
    return found if found.group(1).count("(") == found.group(1).count(")") else None


def _of_line(line: str, before: str, language: str, chance: random.Random) -> list[tuple[int, int, str, str]]:
    """Return (start, end, new, kind) of all that a line has."""
    found = []
    for match in OPERATOR.finditer(line):
        found.append((*match.span(1), chance.choice(SWAPS[match[1]]), "operator"))
    if language == "Swift":
        found += [(*match.span(), chance.choice(SWAPS["..<"]), "bound") for match in RANGE.finditer(line)]
    for match in NUMBER.finditer(line):
        found.append((*match.span(1), number_of(match[1], chance), "number"))
    for match in BOOLEAN.finditer(line):
        found.append((*match.span(1), "false" if match[1] == "true" else "true", "boolean"))
    for match in EXTREME.finditer(line):
        found.append((*match.span(1), "max" if match[1] == "min" else "min", "extreme"))
    statement, condition = _statement(line, before, language), _condition(line, language)
    if statement:
        found.append((*statement.span(1), "", "statement"))
    if condition:
        found.append((*condition.span(1), f"!({condition[1]})", "condition"))
    return found


def _words(text: str) -> set[int]:
    """Return the numbers of the lines of C that word an error."""
    lines: set[int] = set()
    for match in WORDS.finditer(text):
        end = text.find(";", match.start())
        lines.update(range(text.count("\n", 0, match.start()), text.count("\n", 0, end) + 1))
    return lines


def of_text(path: Path, name: str, language: str, chance: random.Random) -> list[Place]:
    """Return the places of a Swift or C file. Swift's are those that the level with AVX-512 compiles."""
    text = path.read_text()
    code, found, offset, before, skip, taken = masked(text), [], 0, "", [], []
    words = _words(text) if language == "C" else set()
    macro = False
    for number, (line, shown) in enumerate(zip(text.split("\n"), code.split("\n"), strict=True)):
        bare = shown.strip()
        directive = re.match(r"#(if|elseif|else|endif)\b(.*)", bare) if language == "Swift" else None
        if directive and directive[1] == "if":
            taken.append("AVX512" in directive[2] and "!" not in directive[2])
            skip.append(not taken[-1])
        elif directive and directive[1] in ("else", "elseif"):
            skip[-1], taken[-1] = taken[-1] or directive[1] == "elseif", True
        elif directive:
            skip.pop(), taken.pop()
        macro = language == "C" and (macro or bare.startswith("#"))
        if not (NO_CODE.match(shown) or number in words or any(skip) or macro or LAYOUT.match(shown)):
            base = len(text[:offset].encode())
            for start, end, new, kind in _of_line(shown, before, language, chance):
                a, b = (base + len(line[:at].encode()) for at in (start, end))
                found.append(Place(name, number + 1, a, b, line[start:end], new, kind, language))
        macro = macro and bare.endswith("\\")
        offset += len(line) + 1
        before = shown if bare else before
    return found
