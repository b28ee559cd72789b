"""Sphinx configuration. From the checkout's root: ``sphinx-build -W --keep-going -n docs build/docs``."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

from sphinx.util.inspect import stringify_signature

# Pictures and examples must not depend on how many processors the building machine has to spare.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What several pictures share.
sys.path.insert(0, str(Path(__file__).parent / "gallery"))

# Before torch is mocked below: scikit-learn and SciPy ask whether arrays are torch's.
import sklearn.utils  # noqa: F401

import seriatim

project = "Seriatim"
author = "the Seriatim developers"
copyright = author
version = release = seriatim.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
nitpicky = True
# Names that a docstring links to and that have no page.
nitpick_ignore = []

# Markdown
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The reference: signatures without types (the docstrings have them), every name of a module's __all__.
autodoc_typehints = "none"
# Not needed to build these pages; installed or not, what they document stays out.
autodoc_mock_imports = ["aeon", "sktime", "torch"]
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Pictures
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 110)]
plot_rcparams = {
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.bbox": None,
}
plot_apply_rcparams = True

# Pages
html_theme = "furo"
html_baseurl = "https://seriatim.readthedocs.io/en/latest/"
html_title = f"Seriatim {release}"
html_copy_source = False
html_static_path = ["_static"]
# The live page, as it is; `make web` puts its kernels there.
html_extra_path = ["web"]
html_css_files = ["seriatim.css"]
html_search_scorer = str(Path(__file__).parent / "_static/scorer.js")
# Nothing to copy from what a block prints.
copybutton_selector = "div:not(.highlight-text) > div.highlight pre"
html_show_sphinx = False
pygments_style = "tango"


def _resolve(app, env, node, contnode):
    """``seriatim.Sequences`` is described as ``seriatim.sequences.Sequences``."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    if module != "seriatim" or name not in seriatim._HOME:
        return None
    home = f"{seriatim._HOME[name]}.{name}"
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, node["reftype"], home, node, contnode)


def _skip(app, what, name, obj, skip, options):
    """Leave out what scikit-learn adds to every estimator; its own documentation has it."""
    module = getattr(inspect.unwrap(obj) if callable(obj) else obj, "__module__", None) or ""
    if what == "class" and (module.startswith("sklearn.") or (name.startswith("set_") and name.endswith("_request"))):
        return True
    return None


def _signature(app, what, name, obj, options, signature, return_annotation):
    """Show what ``__init__`` takes where ``__new__``, nn.Module's or a mocked base's, takes anything."""
    if what == "class" and signature == "(*args, **kwargs)":
        taken = inspect.signature(obj.__init__)
        own = taken.replace(parameters=list(taken.parameters.values())[1:])
        return stringify_signature(own, show_annotation=False, show_return_annotation=False), None
    return None


def setup(app):
    """Connect the functions above."""
    app.connect("autodoc-process-signature", _signature)
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-skip-member", _skip)
