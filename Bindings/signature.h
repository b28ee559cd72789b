// Shapes as data: every function of `_core` has one table that says what it takes and gives, and srt_read is the only
// place that reads arguments by it, holds them against each other, words what is wrong and allocates results.
//
// A file of an operator has
//   - `enum` of symbols, from 1, and their names: the sizes that shapes are made of;
//   - `arguments`, a struct that begins with an srt_frame, with a field for each pointer, stride, flag and number;
//   - for each function SRT_SIGNATURE(function, ...), its table, and SRT_OPERATOR(function, kernel call).
//
// srt_read goes through the table so:
//   1. numbers, flags and sizes;
//   2. arrays, those with FIRST before others: a symbol that is not known is learned from the first array that has it, any
//      other must match. Symbols in `derived` are not learned: what they belong to is checked in step 4;
//   3. `derive` computes those;
//   4. derived dimensions are checked, arrays converted, and arrays that are written to held against all others' memory;
//   5. `check` looks at contents;
//   6. results and scratch are allocated, and all else that could fail once the kernel has written to an argument.
// A size of 0 is refused unless the symbol is in `zero` (a size as any other) or in `empty`: then sums of nothing are given
// without a kernel call: new results are zeros, and what is written to becomes zeros unless it is to be added to.
#ifndef SRT_SIGNATURE_H
#define SRT_SIGNATURE_H

#include "memory.h"

enum { SRT_MOST_SYMBOLS = 32, SRT_MOST_PARAMETERS = 44, SRT_MOST_DIMENSIONS = 5 };

// What a row of a table is, with the type of its field in `arguments`.
typedef enum {
  SRT_END,
  // Arrays that are read. Any array or nested list of numbers will do: what is not C-contiguous, aligned and native in
  // the wanted type is converted once; what is right is used without a copy.
  SRT_FLOATS,       // const float *
  SRT_DOUBLES,      // const double *
  SRT_INTEGERS,     // const int64_t *
  SRT_STRIDED,      // const float *, and its stride: a matrix; rows that lie apart are used without a copy
  SRT_ELEMENTS,     // const float *: an array of any shape, whose number of elements is the one dimension
  SRT_PLACES,       // const int32_t *: the same of indices that this library gave; never converted
  SRT_BATCH_SIZES,  // const int64_t *: of steps, rows, batch: sizes of a packed batch; positive, never growing
  SRT_OFFSETS,      // const int64_t *: of rows, sequences: numbers that grow from 0 to rows
  // Arrays that are written to: already float32, aligned, writeable and C-contiguous, or with rows that lie apart.
  SRT_WRITTEN,          // float *
  SRT_WRITTEN_STRIDED,  // float *, and its stride
  // Numbers.
  SRT_SIZE,     // no field: the value of a symbol, which names it
  SRT_SIZES,    // no field: a tuple, the values of `limit` symbols from the first on
  SRT_CHOICE,   // ptrdiff_t: from 0 to below `limit`
  SRT_FLAG,     // ptrdiff_t
  SRT_NUMBER,   // double
  SRT_NUMBERS,  // double[limit]: a tuple
  SRT_WORD,     // uint64_t
  SRT_OBJECT,   // PyObject *, borrowed, for `check` to read
  SRT_GROUP,    // no field: a tuple, whose items are the next `limit` rows
  // Results, in their order, behind all parameters. The field says where the kernel writes; NULL for one that is not wanted (WHEN).
  SRT_RESULT,          // float *; the array that a parameter with the same field was given, if it was
  SRT_RESULT_LIKE,     // float *: the shape of the array of parameter number `limit`
  SRT_RESULT_DOUBLES,  // double *
  SRT_RESULT_PLACES,   // int32_t *
  SRT_RESULT_NUMBER,   // double, 0 before the call
  SRT_RESULT_OBJECT,   // PyObject *, made by `check`, which keeps it with srt_keep
  // Memory for the time of the call, behind the results: float *.
  SRT_SCRATCH,
} srt_kind;

static inline bool srt_is_result(uint8_t kind) { return kind >= SRT_RESULT && kind <= SRT_RESULT_OBJECT; }

typedef struct {
  const char *name;
  uint8_t kind, axes, limit;
  bool optional;  // None gives NULL
  bool first;
  int8_t dimensions[SRT_MOST_DIMENSIONS];  // symbols; -3 stands for 3; 0 ends them
  uint16_t at, stride, when;               // where the fields are in `arguments`; 0: none
  const char *type;                        // of an object, in Python
} srt_parameter;

typedef struct {
  const char *name, *doc;
  const char *const *symbols;
  const srt_parameter *parameters;
  uint32_t derived, zero, empty;  // sets of symbols: SRT_BIT(ROWS) | ...
  uint16_t accumulate;            // where the flag is that adds to what is written; 0: empty calls leave that alone
  // Whether numbers and FIRST arrays are all that `derive` needs: then it runs before other arrays are read, so that
  // messages name every size.
  bool early;
  bool (*derive)(void *arguments, ptrdiff_t *n);
  bool (*check)(void *arguments, const ptrdiff_t *n);
} srt_signature;

// What a call has read; the first member of every `arguments`.
typedef struct {
  srt_call call;
  const srt_signature *signature;
  int results;      // the place of the first result
  PyObject *tuple;  // of several results; made before the kernel writes, for then nothing may fail any more
  bool is_empty, is_partly_checked;
  uint32_t known;                          // symbols that have a value
  uint64_t written;                        // places of arrays that the kernel writes to
  ptrdiff_t sizes[SRT_MOST_SYMBOLS];       // by symbol
  PyObject *objects[SRT_MOST_PARAMETERS];  // arrays and results by their place in the table, borrowed; NULL for none
} srt_frame;

// Reads the arguments into the struct that begins with `frame`. False after an error, and when there is nothing to compute:
// srt_leave then gives NULL or the empty results.
bool srt_read(const srt_signature *signature, srt_frame *frame, PyObject *const *args, Py_ssize_t count);
PyObject *srt_leave(srt_frame *frame);

// Gives everything back and the results, or NULL with an exception unless `status` is SRT_OK.
PyObject *srt_return(srt_frame *frame, int32_t status);

// ---- For `derive` and `check`

// Raises ValueError unless memory of as many floats as the product of all sizes can be thought of: before a kernel's own
// arithmetic of sizes, which wraps. `name` is the argument to blame.
#define srt_bounded(name, ...) \
  srt_product(name, sizeof((ptrdiff_t[]){__VA_ARGS__}) / sizeof(ptrdiff_t), (const ptrdiff_t[]){__VA_ARGS__})
bool srt_product(const char *name, int count, const ptrdiff_t *factors);

// ---- What the table's reader and functions outside tables share

// A new reference to an array of real numbers: `object` if it is one, else what seriatim._arrays makes of it, or its error.
PyArrayObject *srt_numbers(PyObject *object, const char *name);

// A new reference to `object` as an array that kernels read, of any shape: itself if it is right, else converted.
PyObject *srt_as_floats(PyObject *object, const char *name);

// A function and its table; `_core` gathers them.
typedef struct {
  const srt_signature *signature;
  PyObject *(*function)(PyObject *self, PyObject *const *args, Py_ssize_t count);
} srt_operator;

// The tables as plain data, for make_stub.py and tests.
PyObject *srt_describe(const srt_operator *operators);

// ---- Rows of tables

#define SRT_BIT(symbol) (1u << (symbol))
#define AT(field) offsetof(arguments, field)

// An array, result or scratch: ARRAY(FLOATS, x, OF(ROWS, IN)), with FIRST, OPTIONAL, STRIDE(field), WHEN(field) behind it:
// a result only when that flag is set or that pointer is not NULL, and an array that is written to only then. TELLING: of batch sizes and offsets.
#define ARRAY(kind_, field, ...) ARRAY_AS(kind_, field, #field, __VA_ARGS__)
#define ARRAY_AS(kind_, field, name_, ...) {.kind = SRT_##kind_, .name = name_, .at = AT(field), __VA_ARGS__}
#define OF(...) .dimensions = {__VA_ARGS__}, .axes = sizeof((int8_t[]){__VA_ARGS__})
#define TELLING(...) .dimensions = {__VA_ARGS__}, .axes = 1
#define FIRST .first = true
#define OPTIONAL .optional = true
#define STRIDE(field) .stride = AT(field)
#define WHEN(field) .when = AT(field)

// A flag, number or word, and numbers of which there are more than one or that are limited.
#define VALUE(kind_, field) {.kind = SRT_##kind_, .name = #field, .at = AT(field)}
#define VALUES(kind_, field, limit_) {.kind = SRT_##kind_, .name = #field, .at = AT(field), .limit = (limit_)}
#define SIZE(symbol)                         \
  {                                          \
    .kind = SRT_SIZE, .dimensions = {symbol} \
  }
#define SIZES(name_, symbol, count) {.kind = SRT_SIZES, .name = name_, .dimensions = {symbol}, .limit = (count)}
#define OBJECT(kind_, field, type_) {.kind = SRT_##kind_, .name = #field, .at = AT(field), .type = type_}
#define GROUP(name_, count) {.kind = SRT_GROUP, .name = name_, .limit = (count)}
#define LIKE(field, name_, place) {.kind = SRT_RESULT_LIKE, .name = name_, .at = AT(field), .limit = (place)}
#define RESULT_NUMBER(field, name_) {.kind = SRT_RESULT_NUMBER, .name = name_, .at = AT(field)}

// One function's table: SRT_SIGNATURE(linear_forward, "What it does.", .derive = ..., TABLE(...)).
#define SRT_SIGNATURE(function, doc_, ...) \
  static const srt_signature function##_signature = {.name = #function, .doc = doc_, .symbols = symbols, __VA_ARGS__};
#define TABLE(...)                        \
  .parameters = (const srt_parameter[]) { \
    __VA_ARGS__, { .kind = SRT_END }      \
  }

// The function itself: read, one kernel call, return. The call sees `a`, the arguments, and `n`, the sizes by symbol.
#define SRT_OPERATOR(function, ...) SRT_CALLING(function, true, __VA_ARGS__)

// The same of what changes arrays in place: a signal waits for its end, so that nobody sees them half changed.
#define SRT_UPDATE(function, ...) SRT_CALLING(function, false, __VA_ARGS__)

#define SRT_CALLING(function, can_end, ...)                                                  \
  static PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t count) {       \
    (void)self;                                                                              \
    arguments a;                                                                             \
    const ptrdiff_t *const n = a.frame.sizes;                                                \
    (void)n;                                                                                 \
    if (!srt_read(&function##_signature, &a.frame, args, count)) return srt_leave(&a.frame); \
    SRT_RUN(status, can_end, __VA_ARGS__);                                                   \
    return srt_return(&a.frame, status);                                                     \
  }

// A function without a kernel: `statement` sets the fields of the results.
#define SRT_PLAIN(function, statement)                                                       \
  static PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t count) {       \
    (void)self;                                                                              \
    arguments a;                                                                             \
    const ptrdiff_t *const n = a.frame.sizes;                                                \
    (void)n;                                                                                 \
    if (!srt_read(&function##_signature, &a.frame, args, count)) return srt_leave(&a.frame); \
    statement;                                                                               \
    return srt_return(&a.frame, SRT_OK);                                                     \
  }

#define SRT_ENTRY(function) {&function##_signature, function}

#endif
