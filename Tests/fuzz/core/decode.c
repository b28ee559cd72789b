// Arguments that fit, as far as a table says what fits.
#include "fuzz.h"

static const uint8_t SMALL[] = {3, 1, 2, 4, 5, 6, 7, 8},
                     LARGE[] = {9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 65, 0};
static const uint8_t TINY[] = {1, 2, 1, 3, 1, 2, 4, 0}, PADDING[] = {0, 0, 1, 0, 2, 0, 1, 3};

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

static uint32_t seed_of(const execution *e, int place) {
  return 2463534242u + 977u * e->value[place] + 131071u * (unsigned)place;
}

static int64_t small_size(const char *symbol, uint8_t byte) {
  static const char *const tiny[] = {"kernel", "stride", "dilation", "groups", "out_height", "out_width"};
  if (!strcmp(symbol, "kind")) return byte % 7;
  if (!strcmp(symbol, "options")) return byte < 160 ? 0 : byte < 240 ? 1 << byte % 6 : byte % 64;
  if (!strcmp(symbol, "proj_size")) return byte < 208 ? 0 : 1 + byte % 5;
  if (strstr(symbol, "padding")) return PADDING[byte % sizeof PADDING];
  for (size_t i = 0; i < sizeof tiny / sizeof *tiny; i++) {
    if (strstr(symbol, tiny[i])) return TINY[byte % sizeof TINY];
  }
  return byte < 208 ? SMALL[byte % sizeof SMALL] : LARGE[byte % sizeof LARGE];
}

static int64_t length(const execution *e, int dimension) { return dimension < 0 ? -dimension : e->size[dimension]; }

static bool is_array(row_kind kind) { return kind <= WRITTEN_STRIDED; }

// Makes the largest sizes smaller until every array is small: an execution takes microseconds.
static void bound_sizes(execution *e) {
  for (int place = 0; place < e->f->rows; place++) {
    const row *r = &e->f->row[place];
    if (!is_array(r->kind) || r->kind == BATCH_SIZES || r->kind == OFFSETS) continue;
    for (;;) {
      int64_t count = 1;
      int largest = -1;
      for (int i = 0; i < r->axes; i++) {
        count *= length(e, r->dimensions[i]);
        const bool is_more = r->dimensions[i] >= 0 && (largest < 0 || e->size[r->dimensions[i]] > e->size[largest]);
        if (is_more) largest = r->dimensions[i];
      }
      if (count <= MOST_ELEMENTS || largest < 0) break;
      e->size[largest] /= 2;
    }
  }
}

// How many rows a packed batch has: the same numbers that fill_batch_sizes writes.
static int64_t batch_size(const execution *e, int place, int64_t steps, int64_t step) {
  const int64_t most = 1 + e->value[place] % 5, last = e->mode[place] % 3 ? 1 : most;
  return steps < 2 ? most : most - (most - last) * step / (steps - 1);
}

void read_execution(execution *e, const function *f, input *from) {
  memset(e, 0, sizeof *e);
  e->f = f;
  e->has = -1;
  for (int i = 0; i < f->symbols; i++) e->size[i] = small_size(f->symbol[i], next_byte(from));
  for (int i = 0; i < f->rows; i++) {
    e->mode[i] = next_byte(from);
    e->value[i] = next_byte(from);
  }
  e->fault = next_byte(from);
  e->place = next_byte(from);
  e->how = next_byte(from);
  e->twice = next_byte(from);
  bound_sizes(e);
  for (int i = 0; i < f->rows; i++) {
    const row *r = &f->row[i];
    if (r->kind != BATCH_SIZES) continue;
    const int64_t steps = e->size[r->dimensions[0]];
    int64_t rows = 0;
    for (int64_t step = 0; step < steps; step++) rows += batch_size(e, i, steps, step);
    e->size[r->dimensions[1]] = rows;
    e->size[r->dimensions[2]] = steps ? batch_size(e, i, steps, 0) : 0;
  }
}

// ---- What is in an array

static double some_number(uint8_t mode, int64_t i, uint32_t *random) {
  static const double special[] = {0, -0.0, NAN, INFINITY, -INFINITY, 1e30, -1e30, 1e-42, 3.4e38, 1, -1, 88.8};
  const double plain = (double)(next_random(random) % 4096) / 1024 - 2;
  switch (mode & 7) {
  case 0:
    return (double)(i % 7) / 4 - 0.7;
  case 1:
  case 2:
    return plain;
  case 3:
    return 0;
  case 4:
    return 1e30 * plain;
  case 5:
    return fabs(plain) + 1e-3;
  case 7:  // what int8 holds
    return (double)(next_random(random) % 255) - 127;
  default:
    return next_random(random) % 4 ? plain : special[next_random(random) % (sizeof special / sizeof *special)];
  }
}

static int64_t some_integer(const execution *e, int place, int64_t i, int64_t count, uint32_t *random) {
  static const int64_t extreme[] = {-1, 0, 1, INT32_MAX, 1LL << 31, 1LL << 60, 1LL << 62, INT64_MAX, INT64_MIN};
  const uint8_t value = e->value[place];
  int64_t most = value < 128 || !e->f->symbols ? 1 + value % 8 : e->size[value % e->f->symbols];
  if (most < 1) most = 1;
  switch (e->mode[place] & 15) {
  case 0:
    return i % most;
  case 1:
    return 1;
  case 2:
    return i;
  case 3:
  case 4:
    return next_random(random) % most;
  case 5:
  case 6:
    return 1 + next_random(random) % most;
  case 7:
    return count - 1 - i;
  case 8:
    return most - i > 0 ? most - i : 1;
  case 9:
    return i * most / (count > 1 ? count - 1 : 1);
  case 10:
    return (i * (2 * most + 1) + value) % (count ? count : 1);
  case 11:
    return 0;
  case 12:
    return i ? most : 0;
  case 13:
    return -(int64_t)(next_random(random) % 2);
  default:
    return next_random(random) % 4 ? next_random(random) % most : extreme[next_random(random) % 9];
  }
}

static void fill_offsets(const execution *e, int place, int64_t *data, int64_t count) {
  const int64_t rows = e->size[e->f->row[place].dimensions[0]];
  uint32_t random = seed_of(e, place);
  for (int64_t i = 0; i < count; i++) {
    data[i] = i == count - 1            ? rows
              : e->mode[place] & 1 && i ? next_random(&random) % (rows + 1)
                                        : i * rows / (count - 1);
  }
  data[0] = 0;
  for (int64_t i = 1; i < count; i++) {  // sorted
    for (int64_t j = i; j > 1 && data[j] < data[j - 1]; j--) {
      const int64_t other = data[j];
      data[j] = data[j - 1];
      data[j - 1] = other;
    }
  }
}

static void fill(const execution *e, int place, PyArrayObject *array) {
  const row *r = &e->f->row[place];
  const int64_t count = PyArray_SIZE(array);
  void *data = PyArray_DATA(array);
  uint32_t random = seed_of(e, place);
  const bool is_int8 = e->has > 0 && e->has & 1 << 8 && !strncmp(r->name, "weight", 6);
  const uint8_t mode = is_int8 ? 7 : e->mode[place];
  if (r->kind == OFFSETS && PyArray_TYPE(array) == NPY_INT64) {
    if (count) fill_offsets(e, place, data, count);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    switch (PyArray_TYPE(array)) {
    case NPY_FLOAT32:
      ((float *)data)[i] = (float)some_number(mode, i, &random);
      break;
    case NPY_FLOAT64:
      ((double *)data)[i] = some_number(mode, i, &random);
      break;
    case NPY_INT32:
      ((int32_t *)data)[i] = (int32_t)some_integer(e, place, i, count, &random);
      break;
    case NPY_INT64:
      ((int64_t *)data)[i] =
          r->kind == BATCH_SIZES ? batch_size(e, place, count, i) : some_integer(e, place, i, count, &random);
      break;
    default:
      memset(data, (int)(i & 1), (size_t)PyArray_NBYTES(array));
      return;
    }
  }
}

// ---- Arguments

static int type_of(row_kind kind) {
  if (kind == DOUBLES) return NPY_FLOAT64;
  if (kind == PLACES) return NPY_INT32;
  return kind == INTEGERS || kind == BATCH_SIZES || kind == OFFSETS ? NPY_INT64 : NPY_FLOAT32;
}

static PyObject *new_array(const execution *e, int place, int type, int axes, const npy_intp *shape) {
  PyObject *array = PyArray_SimpleNew(axes, shape, type);
  if (array) fill(e, place, (PyArrayObject *)array);
  return array;
}

PyObject *make_array(const execution *e, int place, int type) {
  const row *r = &e->f->row[place];
  npy_intp shape[MOST_AXES];
  int axes = r->kind == BATCH_SIZES || r->kind == OFFSETS ? 1 : r->axes;
  for (int i = 0; i < axes; i++) shape[i] = (npy_intp)length(e, r->dimensions[i]);
  if (r->kind == OFFSETS) shape[0] = (npy_intp)length(e, r->dimensions[1]) + 1;
  const bool is_split = r->kind == ELEMENTS && shape[0] % 2 == 0;
  if (is_split) {
    shape[axes++] = 2;
    shape[0] /= 2;
  }
  const bool is_strided = (r->kind == STRIDED || r->kind == WRITTEN_STRIDED) && axes == 2 && e->mode[place] & 32;
  if (!is_strided) return new_array(e, place, type < 0 ? type_of(r->kind) : type, axes, shape);
  // The left columns of a matrix; the last row ends where its memory ends, or before.
  const npy_intp columns = shape[1];
  shape[1] += 1 + e->value[place] % 3;
  PyObject *whole = new_array(e, place, NPY_FLOAT32, 2, shape);
  if (!whole) return NULL;
  const npy_intp first = e->value[place] & 64 ? 0 : shape[1] - columns;
  PyObject *part = PyArray_New(&PyArray_Type, 2, (npy_intp[]){shape[0], columns}, NPY_FLOAT32,
                               PyArray_STRIDES((PyArrayObject *)whole),
                               (float *)PyArray_DATA((PyArrayObject *)whole) + first, 0, NPY_ARRAY_WRITEABLE, NULL);
  if (!part || PyArray_SetBaseObject((PyArrayObject *)part, whole) < 0) Py_CLEAR(part);
  return part;
}

static PyObject *make_sequences(const execution *e, int place) {
  uint32_t random = seed_of(e, place);
  const uint8_t mode = e->mode[place];
  const npy_intp features = 1 + mode % 5;
  PyObject *list = PyList_New(1 + e->value[place] % 4);
  for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
    const npy_intp shape[2] = {1 + next_random(&random) % 6, features};
    const int type = mode & 64 ? NPY_FLOAT64 : mode & 128 && i ? NPY_FLOAT64 : NPY_FLOAT32;
    PyObject *array = new_array(e, place, type, features == 1 && mode & 32 ? 1 : 2, shape);
    if (array) {
      PyList_SET_ITEM(list, i, array);
    } else {
      Py_CLEAR(list);
    }
  }
  return list;
}

static PyObject *make_object(const execution *e, int place) {
  const row *r = &e->f->row[place];
  static const int types[] = {NPY_FLOAT32, NPY_FLOAT64, NPY_HALF, NPY_INT8};
  if (!strcmp(r->name, "name")) return PyUnicode_FromString("x");
  if (!strcmp(r->name, "sequences")) return make_sequences(e, place);
  const npy_intp shape[2] = {1 + e->value[place] % 16, 1 + e->mode[place] % 5};
  return new_array(e, place, types[e->mode[place] >> 6], 2, shape);
}

static PyObject *make_number(uint8_t value) {
  static const double numbers[] = {0.5, 0,   1,    0.1,   0.9,  1e-8, -1,       2,
                                   -9,  100, -0.0, 1e-30, 1e30, NAN,  INFINITY, -INFINITY};
  return PyFloat_FromDouble(value < 224 ? numbers[value % 10] : numbers[value % 16]);
}

// Parameters of recurrent layers are there if the cell has them; other arrays may be missing one time in four.
static bool is_missing(const execution *e, int place) {
  static const char *const names[] = {"weight_hh", "bias_hh", "weight_hr", "weight_ch", "norm_ih", "norm_hh",
                                      "norm_c",    "bias_c",  "scale_ih",  "scale_hh",  "scale_hr"};
  static const int16_t bits[] = {1, 2, 4, 8, 16, 16, 32, 32, 1 << 8, 1 << 8, 1 << 8};
  const row *r = &e->f->row[place];
  if (!r->optional) return false;
  const char *name = strncmp(r->name, "grad_", 5) ? r->name : r->name + 5;
  for (size_t i = 0; e->has >= 0 && i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i])) continue;
    const bool is_bias = !strncmp(name, "bias", 4);
    const bool is_empty = !strcmp(name, "scale_hr") && length(e, r->dimensions[0]) == 0;
    return !(e->has & bits[i]) || is_empty || (is_bias && e->mode[place] >= 192);
  }
  if (e->has >= 0 && !strcmp(name, "weight_ih")) return false;
  for (int i = 0; i < r->axes; i++) {
    if (length(e, r->dimensions[i]) == 0) return true;
  }
  return e->mode[place] >= 192;
}

PyObject *make_argument(const execution *e, int place) {
  const row *r = &e->f->row[place];
  const uint8_t value = e->value[place];
  PyObject *tuple;
  if (is_missing(e, place)) return Py_NewRef(Py_None);
  switch (r->kind) {
  case SIZE:
    return PyLong_FromLongLong(e->size[r->dimensions[0]]);
  case SIZES:
    tuple = PyTuple_New(r->axes);
    for (int i = 0; tuple && i < r->axes; i++) {
      PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(e->size[r->dimensions[i]]));
    }
    return tuple;
  case CHOICE:
    return PyLong_FromLong(value % r->limit);
  case FLAG:
    return PyBool_FromLong(value & 1);
  case NUMBER:
    return make_number(value);
  case NUMBERS:
    tuple = PyTuple_New(r->limit);
    for (int i = 0; tuple && i < r->limit; i++) PyTuple_SET_ITEM(tuple, i, make_number((uint8_t)(value * (2 * i + 1))));
    return tuple;
  case WORD:
    return PyLong_FromUnsignedLongLong(value * 0x9E3779B97F4A7C15u);
  case OBJECT:
    return make_object(e, place);
  default:
    return make_array(e, place, -1);
  }
}
