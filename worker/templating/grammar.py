"""The language that mails are written in: the part of Jinja that cannot run away.

Printing, conditions, loops, blocks, layouts and includes. No calls, macros or captures: without
them no text can feed on itself, so that counting loop rounds and printed characters bounds what a
mail may cost. Everything else is told with its line, all at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateAssertionError
from jinja2.visitor import NodeTransformer

from worker.kernel.errors import Problem, did_you_mean
from worker.templating.context import (
    AccountView,
    ContactView,
    FeedbackView,
    LicenceView,
    ScoreView,
    SenderView,
    SurveyView,
    TotalView,
)

VIEWS: dict[str, type] = {
    "account": AccountView,
    "contact": ContactView,
    "feedback": FeedbackView,
    "licence": LicenceView,
    "sender": SenderView,
    "survey": SurveyView,
}
LISTS: dict[str, type] = {"licences": LicenceView, "sums": TotalView, "scores": ScoreView}
VARIABLES = frozenset(
    {
        *VIEWS,
        *LISTS,
        *("licence_count", "more", "auto_renewing", "expired", "renew_url"),
        *("first_on", "last_on", "first_notice_on"),
        *("today", "step", "language", "mail_class"),
        *("unsubscribe", "answer_url", "preferences_url"),
    }
)
FIELDS: dict[type, frozenset[str]] = {
    view: frozenset(field.name for field in fields(view))
    for view in {*VIEWS.values(), *LISTS.values()}
}
OWN_FILTERS = frozenset({"date", "money", "days", "number", "plural"})
FILTERS = OWN_FILTERS | {
    *("abs", "capitalize", "count", "d", "default", "e", "escape", "first", "groupby", "int"),
    *("join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
    *("reverse", "round", "select", "selectattr", "sort", "sum", "title", "trim", "truncate"),
    *("unique", "upper", "urlencode"),
}
ROUNDS, JOINED = "each of", "joined"
"""Names of the filters that the generated code passes loops, includes and ``~`` through. They
hold a space, so that no template can name them."""

_ALLOWED = frozenset(
    {
        *("Template", "Output", "TemplateData", "Block", "Extends", "Include", "If", "For"),
        *("Assign", "With", "Name", "Const", "Tuple", "List", "Getattr", "Getitem", "Slice"),
        *("CondExpr", "Compare", "Operand", "And", "Or", "Not", "Neg", "Pos", "Add", "Sub"),
        *("Mul", "Div", "FloorDiv", "Mod", "Pow", "Concat", "Filter", "Test", "Keyword"),
    }
)
_SPOKEN = {
    "AssignBlock": "a set … endset block",
    "CallBlock": "a call block",
    "FilterBlock": "a filter block",
    "FromImport": "an import",
    "Import": "an import",
    "NSRef": "a namespace",
    "ScopedEvalContextModifier": "a switch of escaping",
    "Dict": "a dictionary",
}
_SAME_THINGS = frozenset({"sort", "selectattr", "rejectattr", "list", "unique", "reverse"})


def problems(
    tree: nodes.Template, shown: str, templates: Collection[str], tests: Collection[str]
) -> list[Problem]:
    """All that is wrong with a parsed template, in the order of its lines.

    ``shown`` is the file as people know it, ``templates`` what may be extended or included,
    ``tests`` the known words after ``is``.
    """
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    known = VARIABLES | own | {"loop"}
    views = VIEWS | dict(_loop_names(tree))
    found: list[Problem] = []
    for node in _walk(tree):
        told = (
            _construct(node)
            or _name(node, known)
            or _attribute(node, views)
            or _word(node, tests)
            or _reference(node, shown, templates)
        )
        if told:
            code, path, expected, got, hint = told
            found.append(Problem(shown, node.lineno, 0, path, code, expected, got, hint))
    return sorted(found, key=lambda problem: problem.line)


_Told = tuple[str, str, str, str, str] | None


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    """Every node but the insides of those that are refused, so that each is told once."""
    for child in node.iter_child_nodes():
        if not (isinstance(child, nodes.Call) and _is_super(child)):
            yield child
            if type(child).__name__ in _ALLOWED:
                yield from _walk(child)


def _is_super(node: nodes.Call) -> bool:
    bare = not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
    return bare and isinstance(node.node, nodes.Name) and node.node.name == "super"


def _construct(node: nodes.Node) -> _Told:
    kind = type(node).__name__
    if kind == "For" and isinstance(node, nodes.For) and node.recursive:
        kind = "recursive loop"
    elif kind in _ALLOWED:
        return None
    got = _SPOKEN.get(kind, f"a {kind.lower()}")
    if isinstance(node, nodes.Call):
        called = node.node
        name = getattr(called, "name", None) or getattr(called, "attr", None) or "…"
        got = f"the call {name}(…)"
    hint = "templates print, test and loop; filters such as | date do the rest"
    return "not-allowed", "", "no calls, macros, imports or captures", got, hint


def _name(node: nodes.Node, known: Collection[str]) -> _Told:
    if not isinstance(node, nodes.Name) or node.ctx != "load" or node.name in known:
        return None
    return (
        "unknown-variable",
        node.name,
        "a known variable",
        f"'{node.name}'",
        did_you_mean(node.name, sorted(known), otherwise=f"there are {_list(VARIABLES)}"),
    )


def _attribute(node: nodes.Node, views: dict[str, type]) -> _Told:
    if not isinstance(node, nodes.Getattr) or not isinstance(node.node, nodes.Name):
        return None
    view = views.get(node.node.name)
    if view is None or node.attr in FIELDS[view]:
        return None
    path = f"{node.node.name}.{node.attr}"
    known = FIELDS[view]
    hint = did_you_mean(node.attr, sorted(known), otherwise=f"there are {_list(known)}")
    return "unknown-variable", path, f"a field of {node.node.name}", f"'{node.attr}'", hint


def _word(node: nodes.Node, tests: Collection[str]) -> _Told:
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        kind, known = "filter", FILTERS
    elif isinstance(node, nodes.Test) and node.name not in tests:
        kind, known = "test", frozenset(tests)
    else:
        return None
    name = str(getattr(node, "name", ""))
    hint = did_you_mean(name, sorted(known), otherwise=f"there are {_list(known)}")
    return f"unknown-{kind}", "", f"a known {kind}", f"'{name}'", hint


def _reference(node: nodes.Node, shown: str, templates: Collection[str]) -> _Told:
    if not isinstance(node, nodes.Extends | nodes.Include):
        return None
    verb = type(node).__name__.lower().removesuffix("s")
    if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
        return f"unknown-{verb}", "", f"one quoted file name to {verb}", "an expression", ""
    name = node.template.value
    if name in templates:
        return _other_kind(verb, shown, name)
    hint = did_you_mean(name, sorted(templates), otherwise="paths count from templates/")
    return f"unknown-{verb}", "", f"a file to {verb}", f"'{name}'", hint


def _other_kind(verb: str, shown: str, name: str) -> _Told:
    """Only the data of .html files is escaped: the kinds must not be mixed."""
    kind = shown.rpartition(".")[2]
    if name.endswith(f".{kind}"):
        return None
    hint = "names from the book are escaped in .html files only"
    return f"other-{verb}", "", f"a .{kind} file to {verb}", f"'{name}'", hint


def _loop_names(tree: nodes.Template) -> Iterator[tuple[str, type]]:
    """Names of loop variables that stand for a licence or a sum, with what they stand for."""
    for loop in tree.find_all(nodes.For):
        items = loop.iter
        while isinstance(items, nodes.Filter) and items.node and items.name in _SAME_THINGS:
            items = items.node
        view = LISTS.get(items.name) if isinstance(items, nodes.Name) else None
        if view and isinstance(loop.target, nodes.Name) and loop.target.name not in VARIABLES:
            yield loop.target.name, view


def _list(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


class RefusedError(TemplateAssertionError):
    """A template uses what the language does not have; ``problem`` is the first of it."""

    def __init__(self, problem: Problem, name: str) -> None:
        super().__init__(str(problem), problem.line, name, problem.file)
        self.problem = problem


class _Bounded(NodeTransformer):
    """Passes every loop and ``~`` through a filter that counts."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  # Jinja's name
        node.iter = self._through(ROUNDS, node.iter)  # type: ignore[arg-type]  # typed as any node
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # Jinja's name
        self.generic_visit(node)
        return self._through(JOINED, nodes.List(node.nodes, lineno=node.lineno))

    def _through(self, name: str, node: nodes.Expr) -> nodes.Filter:
        passed = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        passed.set_environment(self._environment)
        return passed


class BoundedCodeGenerator(CodeGenerator):
    """Compiles only what the language has, and counts what could run away."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802  # Jinja's name
        name = self.name or ""
        templates = self.environment.loader.list_templates() if self.environment.loader else []
        found = problems(node, f"templates/{name}", templates, self.environment.tests)
        if found:
            raise RefusedError(found[0], name)
        _Bounded(self.environment).visit(node)
        super().visit_Template(node, frame)

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:  # noqa: N802  # Jinja's name
        self.writeline("yield from environment.included(context, ", node)
        self.visit(node.template, frame)
        self.write(f", {self.dump_local_context(frame)})")
