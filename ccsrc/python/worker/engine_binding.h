#pragma once

#include <nanobind/nanobind.h>

namespace mindspore::serving {

/// Engines that run without the interpreter, and the lanes that run their graphs.
void BindEngines(nanobind::module_ *module);

}  // namespace mindspore::serving
