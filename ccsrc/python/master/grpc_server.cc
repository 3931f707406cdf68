#include "grpc/grpc_server.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
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

int Milliseconds(double seconds) { return std::max(1, static_cast<int>(seconds * 1000)); }

}  // namespace

void BindGrpcServer(nb::module_ &module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<GrpcServer>(module, "GrpcServer", "The public gRPC end point (MSService.Predict) on threads of its own.")
    .def(
      "__init__",
      [](GrpcServer *self, MasterDispatcher &dispatcher, std::string address, size_t max_message_bytes,
         const std::optional<Pem> &tls, size_t max_buffered_bytes, size_t max_instances, size_t max_name_bytes,
         int max_metadata_bytes, double handshake_timeout_s, double idle_timeout_s) {
        GrpcServerOptions options = {
          .address = std::move(address), .max_message_bytes = max_message_bytes, .tls = TlsFrom(tls)};
        options.max_buffered_bytes = max_buffered_bytes;
        options.limits.max_instances = max_instances;
        options.limits.max_name_bytes = max_name_bytes;
        options.max_metadata_bytes = max_metadata_bytes;
        options.handshake_timeout_ms = Milliseconds(handshake_timeout_s);
        options.idle_timeout_ms = Milliseconds(idle_timeout_s);
        nb::gil_scoped_release released;
        new (self) GrpcServer(&dispatcher.dispatcher(), options);
      },
      "dispatcher"_a, "address"_a, "max_message_bytes"_a, "tls"_a = nb::none(), nb::kw_only(), "max_buffered_bytes"_a,
      "max_instances"_a, "max_name_bytes"_a, "max_metadata_bytes"_a, "handshake_timeout_s"_a, "idle_timeout_s"_a,
      nb::keep_alive<1, 2>())
    .def_prop_ro("port", &GrpcServer::port)
    .def("stop", &GrpcServer::Stop, "grace_s"_a, Released());
}

}  // namespace mindspore::serving
