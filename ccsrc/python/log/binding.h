#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>
#include <utility>

#include "base/log.h"

namespace mindspore::serving {

/// Each extension module has a log of its own, with the settings of the Python half.
inline void BindLog(nanobind::module_ &module) {
  module.def(
    "set_up_log",
    [](int level, int console_level, std::string file, std::string process_name) {
      SetUpLog(
        {static_cast<LogLevel>(level), static_cast<LogLevel>(console_level), std::move(file), std::move(process_name)});
    },
    nanobind::arg("level"), nanobind::arg("console_level"), nanobind::arg("file"), nanobind::arg("process_name"),
    "Takes what log.native_settings() gives.");
}

}  // namespace mindspore::serving
