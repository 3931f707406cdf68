#include "python/worker/stage_runner.h"

#include <array>
#include <chrono>
#include <utility>

#include "python/worker/values.h"

namespace mindspore::serving {
namespace {

namespace nb = nanobind;

constexpr int kPythonLane = 0;
// Copying less than this takes less time than giving the GIL up and taking it again.
constexpr uint64_t kLongCopyBytes = 256 * 1024;
constexpr size_t kMaxStackArguments = 8;
// For so long a turn of short calls may hold back what goes on to models of this process. Told of each instance at once, a
// model that is quicker than the function would run them one by one.
constexpr auto kHoldTime = std::chrono::microseconds(600);

std::string TypeName(PyObject *object) {
  return nb::str(nb::handle(reinterpret_cast<PyObject *>(Py_TYPE(object)))).c_str();
}

std::string FunctionName(PyObject *function) {
  PyObject *name = PyObject_GetAttrString(function, "__qualname__");
  if (name == nullptr) {
    PyErr_Clear();
    return "?";
  }
  return nb::str(nb::steal(name)).c_str();
}

/// The arguments of a call, on the stack where they are few.
class Arguments {
 public:
  explicit Arguments(size_t count) : many_(count > kMaxStackArguments ? count : 0) {}
  ~Arguments() {
    for (size_t i = 0; i < size_; ++i) {
      Py_DECREF(data()[i]);
    }
  }
  Arguments(const Arguments &) = delete;
  Arguments &operator=(const Arguments &) = delete;

  void Append(PyObject *object) { data()[size_++] = object; }
  PyObject **data() { return many_.empty() ? few_.data() : many_.data(); }
  size_t size() const { return size_; }

 private:
  std::array<PyObject *, kMaxStackArguments> few_;
  std::vector<PyObject *> many_;
  size_t size_ = 0;
};

/// The pending exception with its traceback, which is taken. A new reference.
PyObject *RaisedException() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type = nullptr;
  PyObject *value = nullptr;
  PyObject *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) {
    PyException_SetTraceback(value, traceback);
  }
  Py_XDECREF(traceback);
  Py_DECREF(type);
  return value;
#endif
}

/// The inputs of one instance as a tuple; nullptr with Python's error set.
PyObject *InputTuple(Instance *instance) {
  const auto count = instance->stage().inputs.size();
  PyObject *tuple = PyTuple_New(static_cast<Py_ssize_t>(count));
  for (size_t i = 0; tuple != nullptr && i < count; ++i) {
    PyObject *input = ToPython(&instance->input(i));
    if (input == nullptr) {
      Py_CLEAR(tuple);
    } else {
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), input);
    }
  }
  return tuple;
}

}  // namespace

std::string TakeException(PyObject **exception) {
  PyObject *value = RaisedException();
  std::string text;
  if (PyObject *str = PyObject_Str(value)) {
    Py_ssize_t size = 0;
    if (const char *data = PyUnicode_AsUTF8AndSize(str, &size)) {
      text.assign(data, static_cast<size_t>(size));
    }
    Py_DECREF(str);
  }
  // An exception without a text is told by its type; one whose text cannot be had, too.
  PyErr_Clear();
  if (text.empty()) {
    text = Py_TYPE(value)->tp_name;
  }
  *exception = value;
  return text;
}

void CompleteInstance(Executor *executor, InstancePtr instance, std::span<Value> outputs, Bells *bells) {
  uint64_t size_bytes = 0;
  for (const Value &output : outputs) {
    size_bytes += output.size_bytes;
  }
  if (size_bytes < kLongCopyBytes) {
    executor->Complete(std::move(instance), outputs, bells);
    return;
  }
  nb::gil_scoped_release release;
  executor->Complete(std::move(instance), outputs, bells);
}

StageRunner::StageRunner(Executor *executor, std::vector<nb::object> functions, nb::object on_error,
                         nb::object on_batch)
    : executor_(executor),
      functions_(std::move(functions)),
      on_error_(std::move(on_error)),
      on_batch_(std::move(on_batch)) {}

void StageRunner::Run() {
  DroppedReferences::Get().ThisThreadClears();
  for (;;) {
    if (!executor_->TryNext(kPythonLane, &batch_) && !Sleep()) {
      return;
    }
    RunTurn();
  }
}

bool StageRunner::Sleep() {
  DroppedReferences::Get().NobodyClears();
  bool found = false;
  {
    nb::gil_scoped_release release;
    found = executor_->WaitNext(kPythonLane, &batch_);
  }
  if (found) {
    DroppedReferences::Get().ThisThreadClears();
  }
  return found;
}

void StageRunner::RunTurn() {
  const auto begin = Clock::now();
  told_at_ = begin;
  const size_t count = batch_.instances.size();
  if (stage().per_instance) {
    RunPerInstance();
  } else {
    RunAsBatch();
  }
  executor_->Ring(&bells_);
  DroppedReferences::Get().Clear();
  const auto spent = Clock::now() - begin;
  executor_->NoteTime(batch_, spent / static_cast<int64_t>(count));
  if (!on_batch_.is_none()) {
    on_batch_(batch_.method->name.c_str(), batch_.stage_index + 1, count, std::chrono::duration<double>(spent).count());
  }
}

void StageRunner::RunPerInstance() {
  const size_t inputs = stage().inputs.size();
  for (size_t i = 0; i < batch_.instances.size(); ++i) {
    Arguments arguments(inputs);
    for (size_t k = 0; k < inputs; ++k) {
      PyObject *input = ToPython(&batch_.instances[i]->input(k));
      if (input == nullptr) {
        break;
      }
      arguments.Append(input);
    }
    PyObject *result = nullptr;
    if (arguments.size() == inputs) {
      result = PyObject_Vectorcall(function(), arguments.data(), inputs, nullptr);
    }
    Accept(i, result);
    Tell();
  }
}

void StageRunner::RunAsBatch() {
  for (size_t begin = 0; begin < batch_.instances.size();) {
    begin = CallWithBatch(begin);
  }
}

size_t StageRunner::CallWithBatch(size_t begin) {
  const size_t count = batch_.instances.size();
  nb::object instances = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(count - begin)));
  for (size_t i = begin; i < count; ++i) {
    PyObject *inputs = InputTuple(batch_.instances[i].get());
    if (inputs == nullptr) {
      // It fails before the function has seen any of them; the others are gathered again.
      std::swap(batch_.instances[begin], batch_.instances[i]);
      Accept(begin, nullptr);
      return begin + 1;
    }
    PyTuple_SET_ITEM(instances.ptr(), static_cast<Py_ssize_t>(i - begin), inputs);
  }
  nb::object result = nb::steal(PyObject_CallOneArg(function(), instances.ptr()));
  if (!result.is_valid()) {
    PyObject *exception = nullptr;
    const std::string text = TakeException(&exception);
    FailFrom(begin, text, exception);
    return count;
  }
  if (PyList_Check(result.ptr()) || PyTuple_Check(result.ptr())) {
    return TakeItems(result.ptr(), begin);
  }
  if (PyIter_Check(result.ptr())) {
    return TakeFromIterator(result.ptr(), begin);
  }
  Fail(begin,
       "The function must return or yield one result for each instance, but it returned " + TypeName(result.ptr()));
  return begin + 1;
}

size_t StageRunner::TakeItems(PyObject *items, size_t begin) {
  const size_t count = batch_.instances.size();
  for (size_t i = begin; i < count; ++i) {
    // The size is read each time: converting an item may run the user's code.
    if (static_cast<size_t>(PySequence_Fast_GET_SIZE(items)) <= i - begin) {
      TooFew(i, i - begin);
      break;
    }
    Accept(i, Py_NewRef(PySequence_Fast_GET_ITEM(items, static_cast<Py_ssize_t>(i - begin))));
  }
  return count;
}

size_t StageRunner::TakeFromIterator(PyObject *iterator, size_t begin) {
  const size_t count = batch_.instances.size();
  for (size_t i = begin; i < count; ++i) {
    PyObject *item = PyIter_Next(iterator);
    if (item == nullptr && !PyErr_Occurred()) {
      TooFew(i, i - begin);
      return count;
    }
    const bool raised = item == nullptr;
    Accept(i, item);
    Tell();
    if (raised) {
      return i + 1;
    }
  }
  return count;
}

void StageRunner::Accept(size_t index, PyObject *result) {
  std::string error;
  PyObject *exception = nullptr;
  std::optional<std::vector<Value>> outputs;
  if (result == nullptr) {
    error = TakeException(&exception);
  } else {
    outputs = Outputs(result, *batch_.instances[index], &error, &exception);
    Py_DECREF(result);
  }
  if (outputs) {
    CompleteInstance(executor_, std::move(batch_.instances[index]), *outputs, &bells_);
  } else {
    Fail(index, error, exception);
  }
}

std::optional<std::vector<Value>> StageRunner::Outputs(PyObject *result, const Instance &instance, std::string *error,
                                                       PyObject **exception) {
  // A list is copied: converting an item may run the user's code, which may change it.
  nb::object items = PyList_Check(result) ? nb::steal(PyList_AsTuple(result)) : nb::borrow(result);
  const bool is_sequence = items.is_valid() && PyTuple_Check(items.ptr());
  const size_t count = is_sequence ? static_cast<size_t>(PyTuple_GET_SIZE(items.ptr())) : 1;
  if (count != stage().outputs_count) {
    *error = "The outputs number " + std::to_string(count) + " of one instance returned by function '" +
             FunctionName(function()) + "' is not equal to the outputs count " + std::to_string(stage().outputs_count) +
             " registered in method";
    return std::nullopt;
  }
  std::vector<Value> outputs;
  outputs.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    PyObject *item = is_sequence ? PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i)) : result;
    std::optional<Value> value = FromPython(item, instance.lease);
    if (!value) {
      *error = TakeException(exception);
      return std::nullopt;
    }
    outputs.push_back(std::move(*value));
  }
  return outputs;
}

void StageRunner::Fail(size_t index, const std::string &text, PyObject *exception) {
  const std::string full = "Call " + stage().tag + " Failed, method: '" + batch_.method->name +
                           "', stage index(begin with 1): " + std::to_string(batch_.stage_index + 1) +
                           ", error msg: " + text;
  const nb::object held = exception == nullptr ? nb::none() : nb::steal(exception);
  on_error_(batch_.method->name.c_str(), batch_.stage_index + 1, full.c_str(), held);
  executor_->Fail(std::move(batch_.instances[index]), MakeError(ErrorKind::kStageFailed, full), &bells_);
}

void StageRunner::FailFrom(size_t begin, const std::string &text, PyObject *exception) {
  for (size_t i = begin; i < batch_.instances.size(); ++i) {
    Fail(i, text, i == begin ? exception : nullptr);
  }
}

void StageRunner::TooFew(size_t begin, size_t given) {
  FailFrom(begin, "The number " + std::to_string(given) + " of instances returned by function '" +
                    FunctionName(function()) + "' is less than the number of instances it was called with");
}

void StageRunner::Tell() {
  DroppedReferences::Get().Clear();
  const auto now = Clock::now();
  if (!batch_.may_hold || now - told_at_ >= kHoldTime) {
    executor_->Ring(&bells_);
    told_at_ = now;
  } else if (!batch_.fast) {
    executor_->RingMaster(&bells_);
  }
}

}  // namespace mindspore::serving
