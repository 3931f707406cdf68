#include "base/signal_watch.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "python/master/bindings.h"

namespace nb = nanobind;

namespace mindspore::serving {

void BindSignalWatch(nb::module_ &module) {
  nb::class_<SignalWatch>(module, "SignalWatch", "Catches signals at C level and tells of them through a descriptor.")
    .def(
      "__init__", [](SignalWatch *self, const std::vector<int> &signals) { new (self) SignalWatch(signals); },
      nb::arg("signals"))
    .def("fileno", &SignalWatch::fd)
    .def("take", &SignalWatch::Take)
    .def("restore", &SignalWatch::Restore);
}

}  // namespace mindspore::serving
