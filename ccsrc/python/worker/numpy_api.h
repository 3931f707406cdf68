#pragma once

#include <Python.h>

// One table of numpy's functions for all files of the module; module.cc fills it.
#define PY_ARRAY_UNIQUE_SYMBOL mindspore_serving_worker_numpy
#ifndef SERVING_IMPORT_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
