#include "grpc/grpc_server.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "python/master/bindings.h"
#include "python/master/dispatcher.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mindspore::serving {

void BindGrpcServer(nb::module_ &module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<GrpcServer>(module, "GrpcServer", "The public gRPC end point (MSService.Predict) on threads of its own.")
    .def(
      "__init__",
      [](GrpcServer *self, MasterDispatcher &dispatcher, std::string address, size_t max_message_bytes) {
        nb::gil_scoped_release released;
        new (self) GrpcServer(&dispatcher.dispatcher(), {std::move(address), max_message_bytes, 0});
      },
      "dispatcher"_a, "address"_a, "max_message_bytes"_a, nb::keep_alive<1, 2>())
    .def_prop_ro("port", &GrpcServer::port)
    .def("stop", &GrpcServer::Stop, "grace_s"_a, Released());
}

}  // namespace mindspore::serving
