#include "python/worker/engine_binding.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/model_lane.h"
#include "engine/onnxruntime_session.h"
#include "python/worker/values.h"

namespace mindspore::serving {
namespace {

namespace nb = nanobind;
using nb::literals::operator""_a;

std::shared_ptr<OnnxSession> LoadFile(const std::string &library, const std::string &path, int threads) {
  nb::gil_scoped_release release;
  return OnnxSession::FromFile(OnnxRuntime::Get(library), path, {threads});
}

std::shared_ptr<OnnxSession> LoadBytes(const std::string &library, const nb::bytes &content, int threads) {
  const std::span bytes(reinterpret_cast<const std::byte *>(content.c_str()), content.size());
  nb::gil_scoped_release release;
  return OnnxSession::FromBytes(OnnxRuntime::Get(library), bytes, {threads});
}

nb::list Describe(const std::vector<GraphTensor> &tensors) {
  nb::list list;
  for (const GraphTensor &tensor : tensors) {
    const std::string dtype(NumpyName(tensor.dtype));
    list.append(nb::make_tuple(tensor.name, dtype.empty() ? nb::none() : nb::cast(dtype), tensor.type,
                               nb::tuple(nb::cast(tensor.dims))));
  }
  return list;
}

std::vector<Value> ValuesOf(const nb::sequence &arrays) {
  std::vector<Value> values;
  for (nb::handle array : arrays) {
    auto value = FromPython(array.ptr(), nullptr);
    if (!value) {
      throw nb::python_error();
    }
    values.push_back(std::move(*value));
  }
  return values;
}

nb::list ArraysOf(std::vector<Value> values) {
  nb::list list;
  for (Value &value : values) {
    nb::object array = nb::steal(ToPython(&value));
    if (!array.is_valid()) {
      throw nb::python_error();
    }
    list.append(array);
  }
  return list;
}

nb::list Run(Graph *graph, const nb::sequence &arrays) {
  const std::vector<Value> inputs = ValuesOf(arrays);
  std::vector<Value> outputs;
  {
    nb::gil_scoped_release release;
    outputs = graph->Run(inputs);
  }
  return ArraysOf(std::move(outputs));
}

nb::list Try(OnnxSession *session, const nb::sequence &arrays, double limit_s) {
  const std::vector<Value> inputs = ValuesOf(arrays);
  std::vector<Value> outputs;
  {
    nb::gil_scoped_release release;
    outputs = session->Try(inputs, std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit_s)));
  }
  return ArraysOf(std::move(outputs));
}

// Calls from threads that have nobody to tell of an exception.
template <typename... Arguments>
void CallBack(const nb::object &function, const Arguments &...arguments) {
  nb::gil_scoped_acquire gil;
  try {
    function(arguments...);
  } catch (nb::python_error &error) {
    error.discard_as_unraisable(function);
  }
}

void InitLane(ModelLane *self, Executor *executor, int lane, std::map<uint32_t, ModelLane::Graphs> models,
              const nb::object &on_error, const nb::object &on_run) {
  ModelLane::OnRun told;
  if (!on_run.is_none()) {
    told = [on_run](uint32_t model, uint32_t subgraph, size_t instances, std::chrono::duration<double> spent) {
      CallBack(on_run, model, subgraph, instances, spent.count());
    };
  }
  auto failed = [on_error](uint32_t model, uint32_t subgraph, const std::string &text) {
    CallBack(on_error, model, subgraph, text);
  };
  new (self) ModelLane(executor, lane, std::move(models), std::move(failed), std::move(told));
}

}  // namespace

void BindEngines(nb::module_ *module) {
  nb::class_<Graph>(*module, "Graph").def("run", &Run, "inputs"_a);
  nb::class_<OnnxSession, Graph>(*module, "OnnxSession")
    .def_prop_ro("inputs", [](const OnnxSession &session) { return Describe(session.inputs()); })
    .def_prop_ro("outputs", [](const OnnxSession &session) { return Describe(session.outputs()); })
    .def("try_run", &Try, "inputs"_a, "limit_s"_a);
  module->def("load_onnx_file", &LoadFile, "library"_a, "path"_a, "threads"_a);
  module->def("load_onnx", &LoadBytes, "library"_a, "content"_a, "threads"_a);
  nb::class_<ModelLane>(*module, "ModelLane")
    .def("__init__", &InitLane, "executor"_a, "lane"_a, "models"_a, "on_error"_a, "on_run"_a.none(),
         nb::keep_alive<1, 2>())
    .def("serve", &ModelLane::Serve, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace mindspore::serving
