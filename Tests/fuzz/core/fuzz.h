// Calls of `_core` made of bytes, by the tables that `_core.signatures()` gives: module.c has the loops, fuzz.c the calls, decode.c makes arguments
// that fit, spoil.c some that do not, guard.c the memory of all arrays.
#ifndef SRT_FUZZ_H
#define SRT_FUZZ_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL srt_fuzz_array_api
#ifndef SRT_FUZZ_MAIN
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

enum { MOST_ROWS = 48, MOST_SYMBOLS = 40, MOST_AXES = 10, MOST_FUNCTIONS = 96, MOST_ELEMENTS = 1 << 12 };

typedef enum {
  FLOATS,
  DOUBLES,
  INTEGERS,
  STRIDED,
  ELEMENTS,
  PLACES,
  BATCH_SIZES,
  OFFSETS,
  WRITTEN,
  WRITTEN_STRIDED,
  SIZE,
  SIZES,
  CHOICE,
  FLAG,
  NUMBER,
  NUMBERS,
  WORD,
  OBJECT,
  GROUP,
  KINDS
} row_kind;

typedef struct {
  char name[40];
  row_kind kind;
  int axes, limit;
  bool optional;
  int dimensions[MOST_AXES];  // symbols, or -n for n
} row;

typedef struct {
  char name[40];
  PyObject *call;
  int rows, symbols, parameters;  // rows without groups
  row row[MOST_ROWS];
  char symbol[MOST_SYMBOLS][32];
  uint64_t executions, calls, returned;
} function;

// The bytes of one execution; behind their end there are zeros.
typedef struct {
  const uint8_t *at, *end;
} input;

static inline uint8_t next_byte(input *from) { return from->at < from->end ? *from->at++ : 0; }

// One execution: a size for each symbol, two bytes for each row, and what is wrong with one of them.
typedef struct {
  const function *f;
  int64_t size[MOST_SYMBOLS];
  uint8_t mode[MOST_ROWS], value[MOST_ROWS];
  uint8_t fault, place, how, twice;
  int32_t has;  // parameters of the recurrent cell: SRT_HAS_* bits; -1: no cell
} execution;

// decode.c
void read_execution(execution *e, const function *f, input *from);
PyObject *make_argument(const execution *e, int place);
PyObject *make_array(const execution *e, int place, int type);

// spoil.c: `value` or what stands for it; takes its reference.
PyObject *spoiled(const execution *e, int place, PyObject *value, PyObject **all);

// fuzz.c
extern function functions[MOST_FUNCTIONS];
extern int function_count;
extern bool verbose;
extern PyObject *describe_cell;
bool read_table(PyObject *core, PyObject *table);
void watch_signals(void);
// Whether the last call gave a result. A fault ends the process.
int run_bytes(function *f, const uint8_t *data, size_t size);

// guard.c: arrays that end at memory that nobody may touch. `live_blocks` says how many there are.
bool use_guards(bool system);
extern int64_t live_blocks, fail_in;
extern uint8_t fill_byte;

#endif
