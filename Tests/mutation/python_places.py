"""Finds the places of Python sources that a mutant can be made of, by their syntax tree."""

from __future__ import annotations

import ast
import random
from pathlib import Path

from places import Place, number_of

COMPARISONS: dict[type[ast.cmpop], list[str]] = {
    ast.Lt: ["<=", ">="], ast.LtE: ["<", ">"], ast.Gt: [">=", "<="], ast.GtE: [">", "<"], ast.Eq: ["!="],
    ast.NotEq: ["=="], ast.Is: ["is not"], ast.IsNot: ["is"], ast.In: ["not in"], ast.NotIn: ["in"],
}  # fmt: skip
SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "//", ast.Pow: "*",
}  # fmt: skip


class Finder(ast.NodeVisitor):
    """Collects (node, new text, kind, whether it runs at import)."""

    def __init__(self, source: bytes, chance: random.Random) -> None:
        self.source, self.chance = source, chance
        self.starts = [0]
        for line in source.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.found: list[tuple[ast.AST, str, str, bool]] = []
        self.depth = 0

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node's text lies."""
        start = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> str:
        """Return a node's text in brackets."""
        start, end = self.span(node)
        return "(" + self.source[start:end].decode() + ")"

    def add(self, node: ast.AST, new: str, kind: str) -> None:
        """Note a place."""
        self.found.append((node, new, kind, self.depth == 0))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Bodies run later; defaults run now."""
        if any("overload" in ast.unparse(decorator) for decorator in node.decorator_list):
            return
        for default in [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]:
            self.visit(default)
        self.depth += 1
        for statement in node.body:
            self.visit(statement)
        self.depth -= 1

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """As a function."""
        self.depth += 1
        self.visit(node.body)
        self.depth -= 1

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Names of bases are no places."""
        before, self.depth = self.depth, 0
        for statement in node.body:
            self.visit(statement)
        self.depth = before

    def skip(self, node: ast.AST) -> None:
        """Words for people, and what no interpreter runs."""

    visit_Raise = visit_Assert = visit_JoinedStr = visit_Import = visit_ImportFrom = skip  # type: ignore[assignment]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Annotations are no code."""
        if node.value:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        """Conditions; what is for type checkers alone is no code."""
        if "TYPE_CHECKING" in ast.unparse(node.test):
            return
        self.add(node.test, f"not {self.text(node.test)}", "condition")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """Conditions, except of loops without end."""
        if not isinstance(node.test, ast.Constant):
            self.add(node.test, f"not {self.text(node.test)}", "condition")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """Conditions."""
        self.add(node.test, f"not {self.text(node.test)}", "condition")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Calls that are statements; not warnings, which are words, nor docstrings."""
        if isinstance(node.value, ast.Call) and not ast.unparse(node.value.func).endswith("warn"):
            self.add(node, "", "statement")
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Assignments, except of `__all__`."""
        if ast.unparse(node.targets[0]) == "__all__":
            return
        self.add(node, "", "statement")
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """`x += y`."""
        if type(node.op) in SIGNS:
            self.add(
                node, f"{self.text(node.target)[1:-1]} {SIGNS[type(node.op)]}= {self.text(node.value)}", "augmented"
            )
        self.visit(node.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Arithmetic."""
        if type(node.op) in SIGNS:
            self.add(node, f"{self.text(node.left)} {SIGNS[type(node.op)]} {self.text(node.right)}", "operator")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """`and`, `or`."""
        word = " or " if isinstance(node.op, ast.And) else " and "
        self.add(node, word.join(map(self.text, node.values)), "operator")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """`not x`, `-x`."""
        if isinstance(node.op, (ast.Not, ast.USub)):
            self.add(node, self.text(node.operand), "not" if isinstance(node.op, ast.Not) else "operator")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Comparisons: one of a chain."""
        at = self.chance.randrange(len(node.ops))
        words = [ast.unparse(ast.Compare(ast.Name("a"), [op], [ast.Name("b")]))[2:-2] for op in node.ops]
        words[at] = self.chance.choice(COMPARISONS[type(node.ops[at])])
        right = [f" {word} {self.text(value)}" for word, value in zip(words, node.comparators, strict=True)]
        self.add(node, self.text(node.left) + "".join(right), "operator")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Numbers and truth values."""
        if isinstance(node.value, bool):
            self.add(node, str(not node.value), "boolean")
        elif isinstance(node.value, (int, float)):
            self.add(node, number_of(repr(node.value), self.chance), "number")

    def visit_Call(self, node: ast.Call) -> None:
        """Smallest and largest, and the bounds of ranges."""
        name = ast.unparse(node.func)
        if name.endswith("warn"):
            return
        arguments = ", ".join(map(self.text, node.args))
        if name in ("min", "max") and not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args):
            plain = arguments if len(node.args) > 1 else arguments[1:-1]
            self.add(node, f"{'max' if name == 'min' else 'min'}({plain})", "extreme")
        if name == "range":
            last = min(len(node.args), 2) - 1
            ends = [
                self.text(a) + (self.chance.choice([" + 1", " - 1"]) if i == last else "")
                for i, a in enumerate(node.args)
            ]
            self.add(node, f"range({', '.join(ends)})", "bound")
        self.generic_visit(node)


def of_python(path: Path, name: str, chance: random.Random) -> list[Place]:
    """Return the places of a Python file."""
    source = path.read_bytes()
    finder = Finder(source, chance)
    finder.visit(ast.parse(source))
    places = []
    for node, new, kind, at_import in finder.found:
        start, end = finder.span(node)
        old = source[start:end].decode()
        if kind == "statement" and "\n" in old and '"""' in old:
            continue
        places.append(Place(name, node.lineno, start, end, old, new, kind, "Python", at_import))  # type: ignore[attr-defined]
    return places
