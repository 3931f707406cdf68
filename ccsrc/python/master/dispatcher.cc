#include "python/master/dispatcher.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <fcntl.h>
#include <malloc.h>

#include <tuple>

#include "python/master/bindings.h"
#include "python/master/channel.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mindspore::serving {
namespace {

using MethodTuple = std::tuple<std::string, std::vector<std::string>, std::vector<std::string>, int, uint32_t, bool>;

uint64_t AddWorker(MasterDispatcher &self, const MasterChannel &channel, const std::string &servable, uint64_t version,
                   const std::vector<MethodTuple> &methods, bool own_device, std::string label,
                   std::vector<std::string> remote_methods, int process) {
  UniqueFd own_process(process >= 0 ? ::fcntl(process, F_DUPFD_CLOEXEC, 0) : -1);
  std::vector<MethodInfo> infos;
  for (const auto &[name, inputs, outputs, lane, credit, only_model_stages] : methods) {
    if (lane < 0 || lane >= kMaxLanes) {
      throw nb::value_error("a method's lane is out of range");
    }
    infos.push_back({name, inputs, outputs, lane, credit, only_model_stages});
  }
  nb::gil_scoped_release released;
  return self.dispatcher().AddWorker(channel.channel, servable, version, std::move(infos), own_device, std::move(label),
                                     std::move(remote_methods), std::move(own_process));
}

std::tuple<uint64_t, uint64_t, double> Load(MasterDispatcher &self, uint64_t worker) {
  const WorkerLoad load = self.dispatcher().Load(worker);
  return {load.in_flight, load.completed, load.seconds_since_progress};
}

std::tuple<uint64_t, uint64_t> LookAtMemory(MasterDispatcher &self, uint64_t worker) {
  const RequestMemory memory = self.dispatcher().LookAtMemory(worker);
  return {memory.kept_bytes, memory.total_bytes};
}

// The body is borrowed for the time of the call, so the GIL may go.
uint64_t SubmitJson(MasterDispatcher &self, std::string servable, std::string method, uint64_t version,
                    const nb::bytes &body) {
  const ByteSpan bytes = {static_cast<const std::byte *>(body.data()), body.size()};
  nb::gil_scoped_release released;
  return self.json().Submit({std::move(servable), std::move(method), version}, bytes);
}

// HTTP status and text; the status is 200 where the content has to be looked at.
std::tuple<int, std::string> CheckTarget(MasterDispatcher &self, std::string servable, std::string method,
                                         uint64_t version) {
  Error refusal = self.dispatcher().CheckTarget({std::move(servable), std::move(method), version});
  return {HttpStatus(refusal.kind), std::move(refusal.text)};
}

nb::list TakeCompletions(MasterDispatcher &self) {
  nb::list completions;
  for (const auto &completion : self.json().TakeCompletions()) {
    completions.append(nb::make_tuple(completion.call, completion.http_status,
                                      nb::bytes(completion.body.data(), completion.body.size())));
  }
  return completions;
}

}  // namespace

void BindDispatcher(nb::module_ &module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<MasterDispatcher>(
    module, "Dispatcher",
    "Admits requests, spreads their instances over the workers, and completes each call exactly once. Thread-safe.")
    .def(nb::init<uint64_t>(), "max_enqueued_requests"_a = 10000)
    .def_prop_rw(
      "max_enqueued_requests", [](MasterDispatcher &self) { return self.dispatcher().max_enqueued_requests(); },
      [](MasterDispatcher &self, uint64_t limit) { self.dispatcher().set_max_enqueued_requests(limit); })
    .def_prop_ro("in_flight", [](MasterDispatcher &self) { return self.dispatcher().in_flight(); })
    .def("add_worker", AddWorker, "channel"_a, "servable"_a, "version"_a, "methods"_a, "own_device"_a, "label"_a,
         "remote_methods"_a = std::vector<std::string>(), "process"_a = -1)
    .def(
      "declare_servable",
      [](MasterDispatcher &self, const std::string &servable) { self.dispatcher().DeclareServable(servable); },
      "servable"_a, Released())
    .def(
      "drain_worker", [](MasterDispatcher &self, uint64_t worker) { self.dispatcher().DrainWorker(worker); },
      "worker"_a, Released())
    .def(
      "remove_worker",
      [](MasterDispatcher &self, uint64_t worker, const std::string &end) {
        self.dispatcher().RemoveWorker(worker, end);
      },
      "worker"_a, "end"_a = "", Released())
    .def(
      "set_starting",
      [](MasterDispatcher &self, const std::string &servable, uint64_t version, int workers) {
        self.dispatcher().SetStarting(servable, version, workers);
      },
      "servable"_a, "version"_a, "workers"_a, Released())
    .def(
      "fail_waiting",
      [](MasterDispatcher &self, const std::string &servable, uint64_t version) {
        self.dispatcher().FailWaiting(servable, version);
      },
      "servable"_a, "version"_a, Released())
    .def("worker_load", Load, "worker"_a)
    .def("look_at_memory", LookAtMemory, "worker"_a)
    .def(
      "set_json_limits",
      [](MasterDispatcher &self, size_t max_instances, size_t max_name_bytes, size_t max_json_depth) {
        self.json().set_limits({max_instances, max_name_bytes, max_json_depth});
      },
      "max_instances"_a, "max_name_bytes"_a, "max_json_depth"_a)
    .def("check_target", CheckTarget, "servable"_a, "method"_a, "version"_a)
    .def("submit_json", SubmitJson, "servable"_a, "method"_a, "version"_a, "body"_a)
    .def(
      "cancel", [](MasterDispatcher &self, uint64_t call) { self.json().Cancel(call); }, "call"_a, Released())
    .def(
      "give_memory_back",
      [](MasterDispatcher &self) {
        if (self.dispatcher().in_flight() == 0) {
          ::malloc_trim(0);
        }
      },
      Released())
    .def("completion_fd", [](MasterDispatcher &self) { return self.json().completion_fd(); })
    .def("take_completions", TakeCompletions)
    .def("stop", &MasterDispatcher::Stop, Released());
}

}  // namespace mindspore::serving
