// The tables as plain data, for make_stub.py and tests: what every function takes and gives.
#include "binding.h"

static const char *const kinds[] = {
    "",        "floats",          "doubles", "integers", "strided", "elements", "places", "batch_sizes", "offsets",
    "written", "written_strided", "size",    "sizes",    "choice",  "flag",     "number", "numbers",     "word",
    "object",  "group",           "floats",  "floats",   "doubles", "places",   "number", "object",      "scratch",
};

static PyObject *describe(const srt_signature *signature, const srt_parameter *p) {
  PyObject *dimensions = PyList_New(0);
  const int count = p->kind == SRT_SIZES ? p->limit : SRT_MOST_DIMENSIONS;
  for (int i = 0; dimensions && i < count; i++) {
    const int dimension = p->kind == SRT_SIZES ? p->dimensions[0] + i : p->dimensions[i];
    if (!dimension) break;
    PyObject *name =
        dimension < 0 ? PyUnicode_FromFormat("%d", -dimension) : PyUnicode_FromString(signature->symbols[dimension]);
    if (!name || PyList_Append(dimensions, name) < 0) Py_CLEAR(dimensions);
    Py_XDECREF(name);
  }
  if (!dimensions) return NULL;
  const char *name = p->kind == SRT_SIZE ? signature->symbols[p->dimensions[0]] : p->name;
  return Py_BuildValue("{s:s,s:s,s:N,s:O,s:i,s:z}", "name", name, "kind", kinds[p->kind], "dimensions", dimensions,
                       "optional", p->optional || (srt_is_result(p->kind) && p->when) ? Py_True : Py_False, "limit",
                       (int)p->limit, "type", p->type);
}

PyObject *srt_describe(const srt_operator *operators) {
  PyObject *all = PyList_New(0);
  for (; all && operators->signature; operators++) {
    const srt_signature *signature = operators->signature;
    PyObject *parameters = PyList_New(0), *results = PyList_New(0), *item = NULL;
    for (const srt_parameter *p = signature->parameters; parameters && results && p->kind; p++) {
      if (p->kind == SRT_SCRATCH) continue;
      PyObject *row = describe(signature, p);
      if (!row || PyList_Append(srt_is_result(p->kind) ? results : parameters, row) < 0) Py_CLEAR(parameters);
      Py_XDECREF(row);
    }
    if (parameters && results) {
      item = Py_BuildValue("{s:s,s:s,s:O,s:O}", "name", signature->name, "doc", signature->doc, "parameters",
                           parameters, "results", results);
    }
    Py_XDECREF(parameters);
    Py_XDECREF(results);
    if (!item || PyList_Append(all, item) < 0) Py_CLEAR(all);
    Py_XDECREF(item);
  }
  return all;
}
