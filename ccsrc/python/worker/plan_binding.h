#pragma once

#include <nanobind/nanobind.h>

namespace mindspore::serving {

/// Binds the classes that describe what the executor runs.
void BindPlan(nanobind::module_ *module);

}  // namespace mindspore::serving
