// Reads arguments by tables: the only place that checks NumPy arrays and words what is wrong with them.
#include "binding.h"

#include <string.h>

// The places of parameters as a set.
#define SRT_PLACE(place) ((uint64_t)1 << (place))

static bool is_array(uint8_t kind) { return kind >= SRT_FLOATS && kind <= SRT_WRITTEN_STRIDED; }
static bool is_written(uint8_t kind) { return kind == SRT_WRITTEN || kind == SRT_WRITTEN_STRIDED; }
static bool has_any_shape(uint8_t kind) { return kind == SRT_ELEMENTS || kind == SRT_PLACES; }

static inline int type_of(uint8_t kind) {
  static const uint8_t types[] = {
      [SRT_FLOATS] = NPY_FLOAT32,   [SRT_INTEGERS] = NPY_INT64,         [SRT_STRIDED] = NPY_FLOAT32,
      [SRT_ELEMENTS] = NPY_FLOAT32, [SRT_PLACES] = NPY_INT32,           [SRT_BATCH_SIZES] = NPY_INT64,
      [SRT_OFFSETS] = NPY_INT64,    [SRT_WRITTEN] = NPY_FLOAT32,        [SRT_WRITTEN_STRIDED] = NPY_FLOAT32,
      [SRT_RESULT] = NPY_FLOAT32,   [SRT_RESULT_LIKE] = NPY_FLOAT32,    [SRT_RESULT_PLACES] = NPY_INT32,
      [SRT_DOUBLES] = NPY_FLOAT64,  [SRT_RESULT_DOUBLES] = NPY_FLOAT64,
  };
  return types[kind];
}

static const char *type_name(int type) {
  return type == NPY_FLOAT32 ? "float32" : type == NPY_FLOAT64 ? "float64" : type == NPY_INT64 ? "int64" : "int32";
}

static bool is_known(const srt_frame *f, int dimension) { return dimension < 0 || f->known & SRT_BIT(dimension); }
static ptrdiff_t size(const srt_frame *f, int dimension) { return dimension < 0 ? -dimension : f->sizes[dimension]; }

static void *field(srt_frame *f, uint16_t at) { return (char *)f + at; }
static void set_pointer(srt_frame *f, uint16_t at, void *pointer) { memcpy(field(f, at), &pointer, sizeof pointer); }
static void set_size(srt_frame *f, uint16_t at, ptrdiff_t value) { memcpy(field(f, at), &value, sizeof value); }

// Whether the field is set: pointers and flags have the same size.
static bool is_set(srt_frame *f, uint16_t at) {
  ptrdiff_t value;
  memcpy(&value, field(f, at), sizeof value);
  return value != 0;
}

// ---- Messages

// "(rows, 13)": known sizes as numbers, others by name.
static void describe_shape(char *text, size_t room, const srt_frame *f, const srt_parameter *p) {
  const int count = p->axes;
  size_t used = (size_t)snprintf(text, room, "(");
  for (int i = 0; i < count && used < room; i++) {
    const int dimension = p->dimensions[i];
    const char *comma = i + 1 < count ? ", " : count == 1 ? "," : "";
    if (p->kind == SRT_OFFSETS) {
      used += (size_t)snprintf(text + used, room - used, "n + 1%s", comma);
    } else if (is_known(f, dimension)) {
      used += (size_t)snprintf(text + used, room - used, "%td%s", size(f, dimension), comma);
    } else {
      used += (size_t)snprintf(text + used, room - used, "%s%s", f->signature->symbols[dimension], comma);
    }
  }
  if (used < room) snprintf(text + used, room - used, ")");
}

static bool __attribute__((cold, noinline)) wrong(const srt_frame *f, const srt_parameter *p, PyArrayObject *array,
                                                  const char *also) {
  const ptrdiff_t place = p - f->signature->parameters;
  char text[256], elements[64];
  PyObject *shape = PyObject_GetAttrString((PyObject *)array, "shape");
  if (!shape) return false;
  const char *type = f->written & SRT_PLACE(place) ? "writeable float32" : type_name(type_of(p->kind));
  if (has_any_shape(p->kind)) {
    if (is_known(f, p->dimensions[0])) {
      snprintf(elements, sizeof elements, "%td", size(f, p->dimensions[0]));
    } else {
      snprintf(elements, sizeof elements, "%s", f->signature->symbols[p->dimensions[0]]);
    }
    PyErr_Format(PyExc_ValueError, "%s: expected a%s %s array of %s elements%s, got %S of shape %S", p->name,
                 *type == 'i' ? "n" : "", type, elements, also, PyArray_DESCR(array), shape);
  } else {
    describe_shape(text, sizeof text, f, p);
    PyErr_Format(PyExc_ValueError, "%s: expected a%s %s array of shape %s%s, got %S of shape %S", p->name,
                 *type == 'i' ? "n" : "", type, text, also, PyArray_DESCR(array), shape);
  }
  Py_DECREF(shape);
  return false;
}

// Puts the argument's name in front of the error that is set, if it is of one of the plain kinds. Gives false.
static bool __attribute__((cold, noinline)) blame(const char *name) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  const bool no_memory = PyErr_GivenExceptionMatches(type, PyExc_MemoryError);
  if (value && (no_memory || type == PyExc_TypeError || type == PyExc_ValueError || type == PyExc_OverflowError)) {
    PyErr_Format(no_memory ? PyExc_MemoryError : type, "%s: %S", name, value);
    Py_DECREF(type);
    Py_DECREF(value);
    Py_XDECREF(trace);
  } else {
    PyErr_Restore(type, value, trace);
  }
  return false;
}

bool srt_product(const char *name, int count, const ptrdiff_t *factors) {
  ptrdiff_t product = 1;
  bool is_bounded = true;
  for (int i = 0; i < count; i++)
    is_bounded &= factors[i] >= 0 && !__builtin_mul_overflow(product, factors[i], &product);
  if (is_bounded && product < (ptrdiff_t)1 << 50) return true;
  char text[128];
  size_t used = 0;
  for (int i = 0; i < count && used < sizeof text; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%td", i ? " x " : "", factors[i]);
  }
  PyErr_Format(PyExc_ValueError, "%s: expected sizes that memory can be thought of for, got %s", name, text);
  return false;
}

// ---- Numbers

// An integer from `least` to below 2^31. `part` says which of a tuple's it is, or is NULL.
static bool integer(PyObject *object, const char *name, const char *part, ptrdiff_t least, ptrdiff_t *value) {
  const Py_ssize_t number = PyNumber_AsSsize_t(object, PyExc_OverflowError);
  const bool is_huge = number == -1 && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred() && !is_huge) return blame(name);
  if (!is_huge && number >= least && number <= INT32_MAX) {
    *value = number;
    return true;
  }
  const char *wanted = least ? "a positive integer" : "zero or a positive integer";
  const char *below = number > INT32_MAX || is_huge ? " below 2**31" : "";
  const char *comma = part ? ", " : "";
  if (!part) part = "";
  if (is_huge) {
    PyErr_Clear();
    PyErr_Format(PyExc_OverflowError, "%s%s%s: expected %s%s, got one of more than 63 bits", name, comma, part, wanted,
                 below);
  } else {
    PyErr_Format(PyExc_ValueError, "%s%s%s: expected %s%s, got %zd", name, comma, part, wanted, below, number);
  }
  return false;
}

// A size by symbol, below 2^31: products of two sizes cannot overflow.
static bool read_size(srt_frame *f, PyObject *object, const char *tuple, int symbol) {
  const uint32_t bit = SRT_BIT(symbol);
  const bool may_be_zero = (f->signature->zero | f->signature->empty) & bit;
  const char *name = f->signature->symbols[symbol];
  if (!integer(object, tuple ? tuple : name, tuple ? name : NULL, !may_be_zero, &f->sizes[symbol])) return false;
  f->is_empty |= f->sizes[symbol] == 0 && f->signature->empty & bit;
  f->known |= bit;
  return true;
}

static bool read_number(PyObject *object, const char *name, double *value) {
  *value = PyFloat_AsDouble(object);
  if (*value != -1.0 || !PyErr_Occurred()) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected a number, got %S", name, Py_TYPE(object));
  return false;
}

static bool is_tuple(PyObject *object, const char *name, int count, const char *of) {
  if (PyTuple_Check(object) && PyTuple_Size(object) == count) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected a tuple of %d %s, got %R", name, count, of, object);
  return false;
}

static bool read_value(srt_frame *f, const srt_parameter *p, PyObject *object) {
  switch (p->kind) {
  case SRT_SIZE:
    return read_size(f, object, NULL, p->dimensions[0]);
  case SRT_SIZES:
    if (!is_tuple(object, p->name, p->limit, "integers")) return false;
    for (int i = 0; i < p->limit; i++) {
      if (!read_size(f, PyTuple_GetItem(object, i), p->name, p->dimensions[0] + i)) return false;
    }
    return true;
  case SRT_CHOICE: {
    ptrdiff_t value;
    if (!integer(object, p->name, NULL, 0, &value)) return false;
    if (value >= p->limit) {
      PyErr_Format(PyExc_ValueError, "%s: expected a number from 0 to %d, got %zd", p->name, p->limit - 1,
                   (Py_ssize_t)value);
      return false;
    }
    set_size(f, p->at, value);
    return true;
  }
  case SRT_FLAG: {
    const int truth = PyObject_IsTrue(object);
    if (truth < 0) return blame(p->name);
    set_size(f, p->at, truth);
    return true;
  }
  case SRT_NUMBER:
    return read_number(object, p->name, field(f, p->at));
  case SRT_NUMBERS:
    if (!is_tuple(object, p->name, p->limit, "numbers")) return false;
    for (int i = 0; i < p->limit; i++) {
      if (!read_number(PyTuple_GetItem(object, i), p->name, (double *)field(f, p->at) + i)) return false;
    }
    return true;
  case SRT_WORD: {
    const uint64_t value = PyLong_AsUnsignedLongLong(object);
    if (value == (uint64_t)-1 && PyErr_Occurred()) {
      PyErr_Format(PyExc_ValueError, "%s: expected an integer from 0 to 2**64 - 1, got %R", p->name, object);
      return false;
    }
    memcpy(field(f, p->at), &value, sizeof value);
    return true;
  }
  default:
    set_pointer(f, p->at, object);
    return true;
  }
}

// ---- Arrays

static bool is_right(PyArrayObject *array, int type) {
  return PyArray_TYPE(array) == type && PyArray_ISCARRAY_RO(array);
}

static bool is_real(PyArrayObject *array) {
  const char kind = PyArray_DESCR(array)->kind;
  return kind == 'f' || kind == 'i' || kind == 'u' || kind == 'b';
}

// What seriatim._arrays, which reads what users give for all of Python, makes of the object: an array of real numbers, or
// its error. New reference.
static PyArrayObject *__attribute__((cold, noinline)) entered(PyObject *object, const char *name) {
  PyObject *module = PyImport_ImportModule("seriatim._arrays");
  PyObject *array = module ? PyObject_CallMethod(module, "as_numbers", "sO", name, object) : NULL;
  Py_XDECREF(module);
  return (PyArrayObject *)array;
}

PyArrayObject *srt_numbers(PyObject *object, const char *name) {
  if (Py_TYPE(object) != &PyArray_Type || !is_real((PyArrayObject *)object)) return entered(object, name);
  return (PyArrayObject *)Py_NewRef(object);
}

// Whether real numbers are of a kind that fits: true, or false with TypeError.
static bool holds_numbers(PyArrayObject *array, const char *name, int type) {
  if (type == NPY_FLOAT32 || type == NPY_FLOAT64 || PyArray_DESCR(array)->kind != 'f') return true;
  PyErr_Format(PyExc_TypeError, "%s: expected an array of numbers that fit %s, got %S", name, type_name(type),
               PyArray_DESCR(array));
  return false;
}

static PyArrayObject *converted(PyArrayObject *array, const char *name, int type) {
  PyObject *copy;
  do {
    PyErr_Clear();
    copy = PyArray_FROM_OTF((PyObject *)array, type, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST);
  } while (!copy && PyErr_ExceptionMatches(PyExc_MemoryError) && srt_give_back());
  if (!copy) blame(name);
  return (PyArrayObject *)copy;
}

PyObject *srt_as_floats(PyObject *object, const char *name) {
  PyArrayObject *array = srt_numbers(object, name);
  if (!array || is_right(array, NPY_FLOAT32)) return (PyObject *)array;
  PyArrayObject *copy = converted(array, name, NPY_FLOAT32);
  Py_DECREF(array);
  return (PyObject *)copy;
}

// True when only the distance between rows keeps the matrix from being C-contiguous.
static bool has_rows(PyArrayObject *array) {
  return PyArray_NDIM(array) == 2 && PyArray_TYPE(array) == NPY_FLOAT32 && PyArray_ISALIGNED(array) &&
         PyArray_ISNOTSWAPPED(array) && PyArray_STRIDE(array, 1) == (npy_intp)sizeof(float) &&
         PyArray_STRIDE(array, 0) % (npy_intp)sizeof(float) == 0 &&
         PyArray_STRIDE(array, 0) >= PyArray_DIM(array, 1) * (npy_intp)sizeof(float);
}

static bool can_be_written(PyArrayObject *array, uint8_t kind) {
  return PyArray_TYPE(array) == NPY_FLOAT32 && PyArray_ISWRITEABLE(array) && PyArray_ISBEHAVED(array) &&
         (PyArray_IS_C_CONTIGUOUS(array) || (kind == SRT_WRITTEN_STRIDED && has_rows(array)));
}

// Holds one size against its symbol, or learns it.
static inline bool agrees(srt_frame *f, int dimension, ptrdiff_t value) {
  if (is_known(f, dimension)) return size(f, dimension) == value;
  if (f->signature->derived & SRT_BIT(dimension)) {
    f->is_partly_checked = true;
    return true;
  }
  f->sizes[dimension] = value;
  f->known |= SRT_BIT(dimension);
  return true;
}

static bool __attribute__((cold, noinline)) may_be_zero(srt_frame *f, int dimension) {
  if (dimension < 0 || f->signature->derived & SRT_BIT(dimension)) return true;
  f->is_empty |= (f->signature->empty & SRT_BIT(dimension)) != 0;
  return (f->signature->empty | f->signature->zero) & SRT_BIT(dimension);
}

// Whether the array has the shape that is wanted, as far as that is known; learns the rest of it. After an error the
// symbols of this array that were not known are still unknown.
static bool fits_anyhow(srt_frame *f, const srt_parameter *p, PyArrayObject *array) {
  if (p->kind == SRT_OFFSETS) return PyArray_NDIM(array) == 1 || wrong(f, p, array, "");
  const ptrdiff_t count = PyArray_SIZE(array);
  if (!agrees(f, p->dimensions[0], count)) return wrong(f, p, array, "");
  return count || may_be_zero(f, p->dimensions[0]) || wrong(f, p, array, ", at least one");
}

static bool fits(srt_frame *f, const srt_parameter *p, PyArrayObject *array) {
  if (has_any_shape(p->kind) || p->kind == SRT_OFFSETS) return fits_anyhow(f, p, array);
  if (PyArray_NDIM(array) != p->axes) return wrong(f, p, array, "");
  const npy_intp *lengths = PyArray_DIMS(array);
  const uint32_t known = f->known;
  for (int i = 0; i < p->axes; i++) {
    const int dimension = p->dimensions[i];
    if (!agrees(f, dimension, lengths[i])) {
      f->known = known;
      return wrong(f, p, array, "");
    }
    if (lengths[i] == 0 && !may_be_zero(f, dimension)) {
      f->known = known;
      return wrong(f, p, array, p->kind == SRT_BATCH_SIZES ? ", at least one step" : " without empty axes");
    }
  }
  return true;
}

// batch_sizes of a packed ragged batch: gives the number of rows and sequences.
static bool read_batch_sizes(srt_frame *f, int place) {
  const srt_parameter *p = &f->signature->parameters[place];
  const int64_t *sizes = PyArray_DATA((PyArrayObject *)f->objects[place]);
  const ptrdiff_t steps = f->sizes[p->dimensions[0]], rows = f->sizes[p->dimensions[1]];
  int64_t total = 0;
  for (ptrdiff_t step = 0; step < steps; step++) {
    if (sizes[step] < 1 || (step > 0 && sizes[step] > sizes[step - 1])) {
      PyErr_Format(PyExc_ValueError, "%s: expected positive sizes that never grow, got %lld at step %zd", p->name,
                   (long long)sizes[step], (Py_ssize_t)step);
      return false;
    }
    // Row numbers are kept as 32-bit integers by backward.
    if (sizes[step] > INT32_MAX || (total += sizes[step]) > INT32_MAX) {
      PyErr_Format(PyExc_ValueError, "%s: expected fewer than 2**31 rows in all", p->name);
      return false;
    }
  }
  if (is_known(f, p->dimensions[1]) && total != rows) {
    PyErr_Format(PyExc_ValueError, "%s: expected sizes that sum up to the %zd rows of the data, got a sum of %lld",
                 p->name, (Py_ssize_t)rows, (long long)total);
    return false;
  }
  f->sizes[p->dimensions[1]] = (ptrdiff_t)total;
  f->sizes[p->dimensions[2]] = (ptrdiff_t)sizes[0];
  f->known |= SRT_BIT(p->dimensions[1]) | SRT_BIT(p->dimensions[2]);
  return true;
}

static bool read_offsets(srt_frame *f, int place) {
  const srt_parameter *p = &f->signature->parameters[place];
  const int64_t *offsets = PyArray_DATA((PyArrayObject *)f->objects[place]);
  const ptrdiff_t ends = PyArray_DIM((PyArrayObject *)f->objects[place], 0);
  const ptrdiff_t rows = f->sizes[p->dimensions[0]];
  bool grows = ends >= 1 && offsets[0] == 0 && offsets[ends - 1] == rows;
  for (ptrdiff_t i = 1; grows && i < ends; i++) grows = offsets[i] >= offsets[i - 1];
  if (!grows) {
    PyErr_Format(PyExc_ValueError, "%s: expected numbers that grow from 0 to the %zd rows of x", p->name,
                 (Py_ssize_t)rows);
    return false;
  }
  f->sizes[p->dimensions[1]] = ends - 1;
  f->known |= SRT_BIT(p->dimensions[1]);
  f->is_empty |= ends == 1 && f->signature->empty & SRT_BIT(p->dimensions[1]);
  return true;
}

// Sets the field of an array whose shape is right, and the stride; converts it if it must be. Arguments live as long as
// the call; the call keeps what is made here.
static bool use(srt_frame *f, int place, PyArrayObject *array) {
  const srt_parameter *p = &f->signature->parameters[place];
  const int type = type_of(p->kind);
  if (!is_right(array, type) && !(f->written & SRT_PLACE(place)) && !(p->stride && has_rows(array))) {
    array = converted(array, p->name, type);
    if (!srt_keep(&f->call, (PyObject *)array)) return false;
  }
  f->objects[place] = (PyObject *)array;
  set_pointer(f, p->at, PyArray_DATA(array));
  if (p->stride) {
    const ptrdiff_t apart = PyArray_STRIDE(array, 0) / (npy_intp)sizeof(float);
    set_size(f, p->stride, PyArray_IS_C_CONTIGUOUS(array) ? PyArray_DIM(array, 1) : apart);
  }
  return true;
}

// An array in place: the shape, and the field if the shape depends on no derived symbol.
static bool read_array(srt_frame *f, int place, PyObject *object, uint64_t *unchecked) {
  const srt_parameter *p = &f->signature->parameters[place];
  if (object == Py_None && p->optional) {
    set_pointer(f, p->at, NULL);
    return true;
  }
  const bool writes = is_written(p->kind) && (!p->when || is_set(f, p->when));
  const bool as_it_is = writes || p->kind == SRT_PLACES;
  if (writes) f->written |= SRT_PLACE(place);
  const int type = type_of(p->kind);
  PyArrayObject *array = (PyArrayObject *)object;
  if (as_it_is && !PyArray_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s: expected a NumPy array%s, got %S", p->name, writes ? " to write to" : "",
                 Py_TYPE(object));
    return false;
  }
  if (Py_TYPE(object) != &PyArray_Type || !is_real(array)) {
    PyArrayObject *entry = entered(object, p->name);
    if (!srt_keep(&f->call, (PyObject *)entry)) return false;
    // What is written to is the caller's own memory.
    if (!as_it_is) array = entry;
  }
  if (as_it_is) {
    const bool right = p->kind == SRT_PLACES ? is_right(array, type) : can_be_written(array, p->kind);
    if (!right) {
      return wrong(f, p, array, p->kind == SRT_WRITTEN_STRIDED ? " with contiguous rows" : " that is C-contiguous");
    }
  } else if (!holds_numbers(array, p->name, type)) {
    return false;
  }
  f->is_partly_checked = false;
  if (!fits(f, p, array)) return false;
  if (f->is_partly_checked) {
    f->objects[place] = (PyObject *)array;
    *unchecked |= SRT_PLACE(place);
    return true;
  }
  if (!use(f, place, array)) return false;
  if (p->kind == SRT_BATCH_SIZES) return read_batch_sizes(f, place);
  return p->kind != SRT_OFFSETS || read_offsets(f, place);
}

// ---- Memory that is written to

typedef struct {
  const char *begin, *end;
  ptrdiff_t row, stride;  // bytes of a row and from row to row
} extent;

static extent extent_of(PyArrayObject *array) {
  const npy_intp *lengths = PyArray_DIMS(array);
  const int dimensions = PyArray_NDIM(array);
  const char *begin = PyArray_DATA(array);
  ptrdiff_t bytes = PyArray_ITEMSIZE(array);
  for (int i = 0; i < dimensions; i++) bytes *= lengths[i];
  extent e = {begin, begin + bytes, bytes, bytes};
  if (bytes && !PyArray_IS_C_CONTIGUOUS(array)) {
    e.row = lengths[1] * (ptrdiff_t)sizeof(float);
    e.stride = PyArray_STRIDE(array, 0);
    e.end = begin + (lengths[0] - 1) * e.stride + e.row;
  }
  return e;
}

static bool overlap(const extent *a, const extent *b) {
  if (a->begin >= b->end || b->begin >= a->end || a->begin == a->end || b->begin == b->end) return false;
  if (a->stride != b->stride) return true;
  // Columns of one matrix side by side.
  ptrdiff_t apart = (b->begin - a->begin) % a->stride;
  if (apart < 0) apart += a->stride;
  return apart < a->row || apart + b->row > a->stride;
}

// Raises unless what is written to is apart from all other arrays.
static bool are_apart(srt_frame *f, uint64_t arrays) {
  extent extents[SRT_MOST_PARAMETERS];
  uint64_t given = 0;
  for (uint64_t left = arrays; left; left &= left - 1) {
    const int place = __builtin_ctzll(left);
    if (!f->objects[place]) continue;
    extents[place] = extent_of((PyArrayObject *)f->objects[place]);
    given |= SRT_PLACE(place);
  }
  for (uint64_t written = f->written & given; written; written &= written - 1) {
    const int i = __builtin_ctzll(written);
    given &= ~SRT_PLACE(i);
    for (uint64_t left = given; left; left &= left - 1) {
      const int j = __builtin_ctzll(left);
      if (!overlap(&extents[i], &extents[j])) continue;
      PyErr_Format(PyExc_ValueError, "%s: expected memory of its own to write to, got some that %s uses too",
                   f->signature->parameters[i].name, f->signature->parameters[j].name);
      return false;
    }
  }
  return true;
}

// ---- Results

static bool new_array(srt_frame *f, const srt_parameter *p, int dimensions, const npy_intp *shape, PyObject **result) {
  void *data = NULL;
  *result = srt_new_array(&f->call, p->name, &data, type_of(p->kind), dimensions, shape);
  set_pointer(f, p->at, data);
  return *result != NULL;
}

static bool make_result(srt_frame *f, int place, int parameters) {
  const srt_parameter *table = f->signature->parameters, *p = &table[place];
  if (p->when && !is_set(f, p->when)) {
    set_pointer(f, p->at, NULL);
    return true;
  }
  if (p->kind == SRT_RESULT_NUMBER) {
    *(double *)field(f, p->at) = 0;
    return true;
  }
  if (p->kind == SRT_RESULT_OBJECT) return true;
  if (p->kind == SRT_SCRATCH) {
    float *data;
    const ptrdiff_t count = f->is_empty ? 0 : size(f, p->dimensions[0]);
    if (!srt_scratch(&f->call, &data, count)) return false;
    set_pointer(f, p->at, data);
    return true;
  }
  if (p->kind == SRT_RESULT_LIKE) {
    PyArrayObject *model = (PyArrayObject *)f->objects[p->limit];
    return new_array(f, p, PyArray_NDIM(model), PyArray_DIMS(model), &f->objects[place]);
  }
  for (int i = 0; i < parameters; i++) {
    if (table[i].at != p->at || !is_array(table[i].kind) || !f->objects[i]) continue;
    f->objects[place] = f->objects[i];
    return true;
  }
  npy_intp shape[SRT_MOST_DIMENSIONS];
  const int count = p->axes;
  for (int i = 0; i < count; i++) {
    if (!is_known(f, p->dimensions[i])) {
      PyErr_Format(PyExc_SystemError, "seriatim: a binding does not say what %s is",
                   f->signature->symbols[p->dimensions[i]]);
      return false;
    }
    shape[i] = size(f, p->dimensions[i]);
  }
  if (p->stride && count) set_size(f, p->stride, shape[count - 1]);
  return new_array(f, p, count, shape, &f->objects[place]);
}

// ---- All of it

// The arguments of all rows, those in tuples too. Gives the number of rows, or -1.
static int spread(const srt_signature *signature, PyObject *const *args, Py_ssize_t count, PyObject **flat) {
  const srt_parameter *table = signature->parameters;
  Py_ssize_t taken = 0;
  int row = 0;
  while (table[row].kind && table[row].kind < SRT_RESULT) {
    const int members = table[row].kind == SRT_GROUP ? table[row].limit : 0;
    if (taken < count) {
      PyObject *object = args[taken];
      if (members && (!PyTuple_Check(object) || PyTuple_Size(object) != members)) {
        PyErr_Format(PyExc_TypeError, "%s: expected a tuple of %d arguments, got %S of %zd", table[row].name, members,
                     Py_TYPE(object), PyTuple_Check(object) ? PyTuple_Size(object) : (Py_ssize_t)0);
        return -1;
      }
      flat[row] = object;
      for (int i = 0; i < members; i++) flat[row + 1 + i] = PyTuple_GetItem(object, i);
    }
    taken++;
    row += 1 + members;
  }
  if (taken == count) return row;
  PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", signature->name, taken, count);
  return -1;
}

// Computes the derived symbols.
static bool derive(srt_frame *f) {
  const srt_signature *signature = f->signature;
  if (signature->derive && !signature->derive(f, f->sizes)) return false;
  for (uint32_t left = signature->derived; left; left &= left - 1) {
    const int symbol = __builtin_ctz(left);
    if (f->sizes[symbol] >= 0) continue;
    PyErr_Format(PyExc_ValueError, "%s: expected sizes that fit together, got %zd for %s",
                 signature->parameters[0].name, (Py_ssize_t)f->sizes[symbol], signature->symbols[symbol]);
    return false;
  }
  f->known |= signature->derived;
  return true;
}

bool srt_read(const srt_signature *signature, srt_frame *f, PyObject *const *given, Py_ssize_t count) {
  const srt_parameter *table = signature->parameters;
  f->call.owned_count = f->call.scratch_count = 0;
  f->call.keeps_threads = srt->keep_thread_limit(1);
  f->signature = signature;
  f->is_empty = false;
  f->known = 0;
  f->written = 0;
  f->tuple = NULL;
  memset(f->sizes, 0, sizeof f->sizes);
  PyObject *args[SRT_MOST_PARAMETERS] = {NULL};
  const int parameters = spread(signature, given, count, args);
  if (parameters < 0) return false;
  // 1: numbers. `first` and `later`: the arrays by their place.
  uint64_t first = 0, later = 0, unchecked = 0;
  for (int place = 0; place < parameters; place++) {
    const srt_parameter *p = &table[place];
    f->objects[place] = NULL;
    if (is_array(p->kind)) {
      *(p->first ? &first : &later) |= SRT_PLACE(place);
    } else if (p->kind != SRT_GROUP && !read_value(f, p, args[place])) {
      return false;
    }
  }
  // 2: shapes.
  bool right = true;
  for (uint64_t left = first; right && left; left &= left - 1) {
    const int place = __builtin_ctzll(left);
    right = read_array(f, place, args[place], &unchecked);
  }
  if (right && signature->early) right = derive(f);
  for (uint64_t left = later; right && left; left &= left - 1) {
    const int place = __builtin_ctzll(left);
    right = read_array(f, place, args[place], &unchecked);
  }
  // 3: what follows from them.
  if (right && !signature->early) right = derive(f);
  // 4: the whole shapes, and memory.
  for (; right && unchecked; unchecked &= unchecked - 1) {
    const int place = __builtin_ctzll(unchecked);
    PyArrayObject *array = (PyArrayObject *)f->objects[place];
    right = fits(f, &table[place], array) && use(f, place, array);
  }
  if (right && f->written) right = are_apart(f, first | later);
  // 5: contents.
  if (right && signature->check) right = signature->check(f, f->sizes);
  // 6: results.
  f->results = parameters;
  for (int place = parameters; right && table[place].kind; place++) {
    if (table[place].kind != SRT_RESULT_OBJECT) f->objects[place] = NULL;
    right = make_result(f, place, parameters);
  }
  if (right && srt_is_result(table[parameters].kind) && srt_is_result(table[parameters + 1].kind)) {
    int results = 2;
    while (srt_is_result(table[parameters + results].kind)) results++;
    right = (f->tuple = PyTuple_New(results)) != NULL;
  }
  return right && !f->is_empty;
}

// What a call gives that computes nothing.
static void clear(srt_frame *f) {
  const srt_signature *signature = f->signature;
  const bool clears = signature->accumulate && !is_set(f, signature->accumulate);
  for (int place = 0; signature->parameters[place].kind; place++) {
    const uint8_t kind = signature->parameters[place].kind;
    const bool is_sum = kind == SRT_RESULT || kind == SRT_RESULT_LIKE || kind == SRT_RESULT_DOUBLES;
    if (kind == SRT_SCRATCH || !f->objects[place]) continue;
    if (!is_sum && !(clears && f->written & SRT_PLACE(place))) continue;
    const extent e = extent_of((PyArrayObject *)f->objects[place]);
    for (char *row = (char *)e.begin; row < e.end; row += e.stride) memset(row, 0, (size_t)e.row);
  }
}

PyObject *srt_leave(srt_frame *f) {
  if (PyErr_Occurred()) return srt_fail(&f->call);
  clear(f);
  return srt_return(f, SRT_OK);
}

static PyObject *result(srt_frame *f, int place) {
  const srt_parameter *p = &f->signature->parameters[place];
  if (p->kind == SRT_RESULT_NUMBER) return PyFloat_FromDouble(*(double *)field(f, p->at));
  if (p->kind == SRT_RESULT_OBJECT) {
    memcpy(&f->objects[place], field(f, p->at), sizeof f->objects[place]);
    return Py_XNewRef(f->objects[place]);
  }
  return Py_NewRef(f->objects[place] ? f->objects[place] : Py_None);
}

PyObject *srt_return(srt_frame *f, int32_t status) {
  PyObject *all = f->tuple;
  if (status != SRT_OK || !srt_is_result(f->signature->parameters[f->results].kind)) {
    Py_XDECREF(all);
    all = Py_NewRef(Py_None);
  } else if (!all) {
    all = result(f, f->results);
  } else {
    const Py_ssize_t count = PyTuple_Size(all);
    for (int i = 0; all && i < count; i++) {
      PyObject *one = result(f, f->results + i);
      if (!one || PyTuple_SetItem(all, i, one) < 0) Py_CLEAR(all);
    }
  }
  return srt_finish(&f->call, status, all);
}
