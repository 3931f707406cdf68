#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "execute/instance.h"
#include "execute/value.h"

namespace mindspore::serving {

/// References to Python objects that were dropped by threads without the GIL. While a thread calls Python functions one
/// after the other it clears them in between: a thread that took the GIL for each would have to wait for it, and stop
/// that one each time. Thread-safe.
class DroppedReferences {
 public:
  static DroppedReferences &Get();

  /// Takes over the reference. REQUIRES: not the GIL.
  void Add(PyObject *object);
  /// Ends the references. REQUIRES: the GIL.
  void Clear();
  /// The calling thread will call Clear before long. REQUIRES: the GIL.
  void ThisThreadClears();
  /// It will not any more: each reference ends at once. REQUIRES: the GIL.
  void NobodyClears();

 private:
  std::atomic<bool> someone_clears_ = false;
  std::atomic<size_t> count_ = 0;
  std::mutex mutex_;
  std::vector<PyObject *> objects_;
};

/// Holds one Python object, for values whose memory is that object's. May be dropped by any thread.
class PyOwner : public Owner {
 public:
  /// Takes over the reference. REQUIRES: the GIL.
  explicit PyOwner(PyObject *object) : object_(object) {}
  ~PyOwner() override;

  PyObject *object() const { return object_; }

 private:
  PyObject *object_;
};

/// The value as a stage function gets it: `str` for a string, else a writable array over the value's own memory (bytes:
/// one dimension of uint8). A value whose memory must not be written is first replaced by a copy. Returns a new
/// reference; nullptr with Python's error set.
PyObject *ToPython(Value *value);

/// An array over the value's memory, whatever its type, with another shape of as many elements. Returns a new reference
/// or nullptr.
PyObject *ArrayOver(const Value &value, const Shape &shape);
/// A new array, not initialised. Returns a new reference or nullptr.
PyObject *NewArray(DType dtype, const Shape &shape);

/// What a stage function may return for one output, as a value. Arrays are taken as they are where they are in C order,
/// else copied. Memory of `lease` is recognised, so that the value needs no hold on the Python object. Returns nothing
/// with Python's error set: whatever a conversion raised, or RuntimeError "Get illegal result data with type ...".
std::optional<Value> FromPython(PyObject *object, const std::shared_ptr<RequestLease> &lease);

/// kUnknown for a name that is not one of numpy's for our types, such as "float32".
DType DTypeOfName(std::string_view name);
/// The other way round; empty for kUnknown, kString and kBytes.
std::string_view NumpyName(DType dtype);

}  // namespace mindspore::serving
