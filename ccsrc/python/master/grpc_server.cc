#include "grpc/grpc_server.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <tuple>

#include "python/master/bindings.h"
#include "python/master/dispatcher.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mindspore::serving {
namespace {

using Pem = std::tuple<nb::bytes, nb::bytes, nb::bytes>;  // certificate chain, private key, authorities of the clients

std::optional<TlsOptions> TlsFrom(const std::optional<Pem> &pem) {
  if (!pem.has_value()) {
    return std::nullopt;
  }
  auto text = [](const nb::bytes &bytes) { return std::string(bytes.c_str(), bytes.size()); };
  return TlsOptions{text(std::get<0>(*pem)), text(std::get<1>(*pem)), text(std::get<2>(*pem))};
}

}  // namespace

void BindGrpcServer(nb::module_ &module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<GrpcServer>(module, "GrpcServer", "The public gRPC end point (MSService.Predict) on threads of its own.")
    .def(
      "__init__",
      [](GrpcServer *self, MasterDispatcher &dispatcher, std::string address, size_t max_message_bytes, const std::optional<Pem> &tls) {
        GrpcServerOptions options = {std::move(address), max_message_bytes, TlsFrom(tls), 0};
        nb::gil_scoped_release released;
        new (self) GrpcServer(&dispatcher.dispatcher(), options);
      },
      "dispatcher"_a, "address"_a, "max_message_bytes"_a, "tls"_a = nb::none(), nb::keep_alive<1, 2>())
    .def_prop_ro("port", &GrpcServer::port)
    .def("stop", &GrpcServer::Stop, "grace_s"_a, Released());
}

}  // namespace mindspore::serving
