#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "execute/executor.h"
#include "python/log/binding.h"
#include "python/worker/engine_binding.h"
#include "python/worker/model_runner.h"
#include "python/worker/plan_binding.h"
#include "python/worker/stage_runner.h"
#include "shm/channel.h"

#define SERVING_IMPORT_NUMPY
#include "python/worker/numpy_api.h"

namespace mindspore::serving {
namespace {

namespace nb = nanobind;
using nb::literals::operator""_a;

std::shared_ptr<Channel> Attach(const std::vector<int> &fds) { return Channel::Attach(fds); }

void RunPythonLane(Executor *executor, std::vector<nb::object> functions, nb::object on_error, nb::object on_batch) {
  StageRunner(executor, std::move(functions), std::move(on_error), std::move(on_batch)).Run();
}

void BindExecutor(nb::module_ *module) {
  nb::class_<Executor>(*module, "Executor")
    .def(
      "__init__",
      [](Executor *self, const std::vector<int> &channel_fds, std::vector<Model> models, std::vector<Method> methods) {
        new (self) Executor(Attach(channel_fds), Plan{std::move(models), std::move(methods)});
      },
      "channel_fds"_a, "models"_a, "methods"_a)
    .def("run_python_lane", &RunPythonLane, "functions"_a, "on_error"_a, "on_batch"_a.none())
    .def("next_model_batch", &NextModelBatch, "lane"_a)
    .def("call_model", &CallModel, "model"_a, "subgraph"_a, "instances"_a)
    .def("stop", &Executor::Stop, nb::call_guard<nb::gil_scoped_release>());
  nb::class_<ModelBatch>(*module, "ModelBatch")
    .def_prop_ro("model", &ModelBatch::model)
    .def_prop_ro("subgraph", &ModelBatch::subgraph)
    .def_prop_ro("count", &ModelBatch::count)
    .def("inputs", &ModelBatch::Inputs)
    .def("complete", &ModelBatch::Complete, "outputs"_a)
    .def("fail", &ModelBatch::Fail, "text"_a);
}

// import_array is a macro that returns from the function it stands in.
bool ImportNumpy() {
  import_array1(false);
  return true;
}

}  // namespace

NB_MODULE(_core, module) {
  if (!ImportNumpy()) {
    throw nb::python_error();
  }
  BindPlan(&module);
  BindExecutor(&module);
  BindEngines(&module);
  BindLog(module);
}

}  // namespace mindspore::serving
