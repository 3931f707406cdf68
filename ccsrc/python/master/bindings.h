#pragma once

#include <nanobind/nanobind.h>

namespace mindspore::serving {

void BindChannel(nanobind::module_ &module);
void BindDispatcher(nanobind::module_ &module);
void BindGrpcServer(nanobind::module_ &module);
void BindSignalWatch(nanobind::module_ &module);

}  // namespace mindspore::serving
