// Optimisers over flat buffers, in place: see Optimisers in include/seriatim.h.
#include "binding.h"

// parameters, first, second, gradients, step_size, second_scale, beta1, beta2, eps, decay, shrink
SRT_FUNCTION(adam_step) {
  SRT_TAKES(adam_step, 11);
  srt_call call = {0};
  float *parameters, *first, *second;
  const float *gradients;
  double numbers[7];
  static const char *names[7] = {"step_size", "second_scale", "beta1", "beta2", "eps", "decay", "shrink"};
  ptrdiff_t size = -1;
  for (int i = 0; i < 7; i++) {
    if (!srt_number(args[4 + i], names[i], &numbers[i])) return NULL;
  }
  if (!(srt_output(&call, args[0], "parameters", &parameters, 1, &size, "size") &&
        srt_output(&call, args[1], "exp_avg", &first, 1, &size, "size") &&
        srt_output(&call, args[2], "exp_avg_sq", &second, 1, &size, "size") &&
        srt_floats(&call, args[3], "gradients", &gradients, 1, &size, "size")))
    return srt_fail(&call);
  SRT_RUN(status, srt->adam_step(parameters, first, second, gradients, size, (float)numbers[0], (float)numbers[1],
                                 (float)numbers[2], (float)numbers[3], (float)numbers[4], (float)numbers[5],
                                 (float)numbers[6]));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

// parameters, momentum_buffer | None, gradients, lr, momentum, dampening, decay, nesterov, is_first
SRT_FUNCTION(sgd_step) {
  SRT_TAKES(sgd_step, 9);
  srt_call call = {0};
  float *parameters, *buffer;
  const float *gradients;
  double numbers[4];
  static const char *names[4] = {"lr", "momentum", "dampening", "weight_decay"};
  ptrdiff_t size = -1;
  int32_t nesterov, is_first;
  for (int i = 0; i < 4; i++) {
    if (!srt_number(args[3 + i], names[i], &numbers[i])) return NULL;
  }
  if (!(srt_flag(args[7], "nesterov", &nesterov) && srt_flag(args[8], "is_first", &is_first) &&
        srt_output(&call, args[0], "parameters", &parameters, 1, &size, "size") &&
        srt_maybe_output(&call, args[1], "momentum_buffer", &buffer, 1, &size, "size") &&
        srt_floats(&call, args[2], "gradients", &gradients, 1, &size, "size")))
    return srt_fail(&call);
  SRT_RUN(status, srt->sgd_step(parameters, buffer, gradients, size, (float)numbers[0], (float)numbers[1],
                                (float)numbers[2], (float)numbers[3], nesterov, is_first));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

// parameters, square_avg, momentum_buffer | None, grad_avg | None, gradients, lr, alpha, eps, decay, momentum
SRT_FUNCTION(rmsprop_step) {
  SRT_TAKES(rmsprop_step, 10);
  srt_call call = {0};
  float *parameters, *square, *buffer, *mean;
  const float *gradients;
  double numbers[5];
  static const char *names[5] = {"lr", "alpha", "eps", "weight_decay", "momentum"};
  ptrdiff_t size = -1;
  for (int i = 0; i < 5; i++) {
    if (!srt_number(args[5 + i], names[i], &numbers[i])) return NULL;
  }
  if (!(srt_output(&call, args[0], "parameters", &parameters, 1, &size, "size") &&
        srt_output(&call, args[1], "square_avg", &square, 1, &size, "size") &&
        srt_maybe_output(&call, args[2], "momentum_buffer", &buffer, 1, &size, "size") &&
        srt_maybe_output(&call, args[3], "grad_avg", &mean, 1, &size, "size") &&
        srt_floats(&call, args[4], "gradients", &gradients, 1, &size, "size")))
    return srt_fail(&call);
  SRT_RUN(status, srt->rmsprop_step(parameters, square, buffer, mean, gradients, size, (float)numbers[0],
                                    (float)(1 - numbers[1]), (float)numbers[2], (float)numbers[3], (float)numbers[4]));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

// average, data, decay: in place
SRT_FUNCTION(average_step) {
  SRT_TAKES(average_step, 3);
  srt_call call = {0};
  float *average;
  const float *data;
  double decay;
  ptrdiff_t size = -1;
  if (!(srt_number(args[2], "decay", &decay) && srt_output(&call, args[0], "average", &average, 1, &size, "size") &&
        srt_floats(&call, args[1], "data", &data, 1, &size, "size")))
    return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, Py_NewRef(Py_None));
  SRT_RUN(status, srt->average_step(average, data, size, (float)(1 - decay)));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

SRT_FUNCTION(sum_of_squares) {
  SRT_TAKES(sum_of_squares, 1);
  srt_call call = {0};
  const float *x;
  float *scratch;
  double result = 0;
  ptrdiff_t size;
  if (!(srt_flat(&call, args[0], "x", &x, &size, NULL) && srt_scratch(&call, &scratch, srt->sum_of_squares_scratch(size))))
    return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, PyFloat_FromDouble(0));
  SRT_RUN(status, srt->sum_of_squares(&result, x, size, scratch));
  return srt_finish(&call, status, PyFloat_FromDouble(result));
}

// x, factor: in place
SRT_FUNCTION(scale) {
  SRT_TAKES(scale, 2);
  srt_call call = {0};
  float *x;
  double factor;
  ptrdiff_t size = -1;
  if (!(srt_number(args[1], "factor", &factor) && srt_output(&call, args[0], "x", &x, 1, &size, "size")))
    return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, Py_NewRef(Py_None));
  SRT_RUN(status, srt->scale(x, (float)factor, size));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

PyMethodDef srt_optimizer_methods[] = {
    SRT_METHOD(adam_step, "One step of Adam or AdamW."),
    SRT_METHOD(sgd_step, "One step of SGD."),
    SRT_METHOD(rmsprop_step, "One step of RMSprop."),
    SRT_METHOD(average_step, "average += (1 - decay) (data - average)."),
    SRT_METHOD(sum_of_squares, "The squared norm of an array."),
    SRT_METHOD(scale, "x *= factor."),
    {NULL, NULL, 0, NULL},
};
