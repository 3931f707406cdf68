#include "python/master/channel.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <system_error>

#include "python/master/bindings.h"

namespace nb = nanobind;

namespace mindspore::serving {
namespace {

std::shared_ptr<Channel> MakeChannel(size_t request_bytes, size_t reply_bytes, uint32_t ring_entries) {
  try {
    return Channel::Create({request_bytes, reply_bytes, ring_entries});
  } catch (const std::system_error &error) {
    PyErr_SetObject(PyExc_OSError, nb::make_tuple(error.code().value(), error.what()).ptr());
    throw nb::python_error();
  }
}

}  // namespace

void BindChannel(nb::module_ &module) {
  const ChannelOptions defaults;
  nb::class_<MasterChannel>(module, "Channel",
                            "The master's end of the shared memory that connects it with one worker.")
    .def(
      "__init__",
      [](MasterChannel *self, size_t request_bytes, size_t reply_bytes, uint32_t ring_entries) {
        new (self) MasterChannel{MakeChannel(request_bytes, reply_bytes, ring_entries)};
      },
      nb::arg("request_bytes") = defaults.request_bytes, nb::arg("reply_bytes") = defaults.reply_bytes,
      nb::arg("ring_entries") = defaults.ring_entries)
    .def(
      "peer_fds", [](const MasterChannel &self) { return self.channel->peer_fds(); },
      "The descriptors a worker must inherit, in the order it attaches them.")
    .def("close", [](const MasterChannel &self) { self.channel->Close(); });
}

}  // namespace mindspore::serving
