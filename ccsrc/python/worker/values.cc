#include "python/worker/values.h"

#include <nanobind/nanobind.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "execute/builtin.h"
#include "python/worker/numpy_api.h"

namespace mindspore::serving {
namespace {

namespace nb = nanobind;

constexpr size_t kManyReferences = 64;
constexpr char kOwnerCapsule[] = "mindspore_serving.memory";

struct TypeRow {
  int numpy_type;
  std::string_view name;
};

// By our own number of the type; bytes are handed out as uint8.
constexpr std::array<TypeRow, kDTypeCount> kTypes = {{
  {NPY_NOTYPE, ""},
  {NPY_BOOL, "bool"},
  {NPY_INT8, "int8"},
  {NPY_UINT8, "uint8"},
  {NPY_INT16, "int16"},
  {NPY_UINT16, "uint16"},
  {NPY_INT32, "int32"},
  {NPY_UINT32, "uint32"},
  {NPY_INT64, "int64"},
  {NPY_UINT64, "uint64"},
  {NPY_FLOAT16, "float16"},
  {NPY_FLOAT32, "float32"},
  {NPY_FLOAT64, "float64"},
  {NPY_NOTYPE, ""},
  {NPY_UINT8, ""},
}};

DType DTypeOf(int numpy_type) {
  switch (numpy_type) {
    // Two C types of the same size are two types in numpy; one of them is missing in the table.
    case NPY_LONGLONG:
      return DType::kInt64;
    case NPY_ULONGLONG:
      return DType::kUint64;
    default:
      for (size_t i = 1; i <= static_cast<size_t>(DType::kFloat64); ++i) {
        if (kTypes[i].numpy_type == numpy_type) {
          return static_cast<DType>(i);
        }
      }
      return DType::kUnknown;
  }
}

void DropOwner(PyObject *capsule) {
  delete static_cast<std::shared_ptr<Owner> *>(PyCapsule_GetPointer(capsule, kOwnerCapsule));
}

PyObject *ArrayOver(const Value &value, int numpy_type, std::span<const int64_t> dims) {
  static_assert(sizeof(npy_intp) == sizeof(int64_t));
  // Numpy allocates where it is given no memory, which only values without bytes may lack.
  const int flags = value.read_only ? NPY_ARRAY_CARRAY_RO : NPY_ARRAY_CARRAY;
  PyObject *array =
    PyArray_New(&PyArray_Type, static_cast<int>(dims.size()), reinterpret_cast<const npy_intp *>(dims.data()),
                numpy_type, nullptr, value.data, 0, flags, nullptr);
  if (array == nullptr) {
    return nullptr;
  }
  auto *owner = new std::shared_ptr<Owner>(value.owner);
  PyObject *capsule = PyCapsule_New(owner, kOwnerCapsule, &DropOwner);
  if (capsule == nullptr) {
    delete owner;
    Py_DECREF(array);
    return nullptr;
  }
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject *>(array), capsule) != 0) {
    Py_DECREF(array);
    return nullptr;
  }
  return array;
}

bool IsWholeArray(const Value &value, PyObject *object) {
  if (!PyArray_CheckExact(object)) {
    return false;
  }
  auto *array = reinterpret_cast<PyArrayObject *>(object);
  return PyArray_DATA(array) == value.data &&
         PyArray_TYPE(array) == kTypes[static_cast<size_t>(value.dtype)].numpy_type &&
         std::ranges::equal(value.shape.dims(),
                            std::span(PyArray_DIMS(array), static_cast<size_t>(PyArray_NDIM(array))));
}

// PyGILState_Check says yes to every thread once there was a second interpreter.
bool HasGil() {
  PyThreadState *state = PyGILState_GetThisThreadState();
  return state != nullptr && state == _PyThreadState_UncheckedGet();
}

std::nullopt_t Illegal(PyObject *object) {
  PyErr_Format(PyExc_RuntimeError, "Get illegal result data with type %R",
               reinterpret_cast<PyObject *>(Py_TYPE(object)));
  return std::nullopt;
}

template <typename T>
Value ScalarValue(DType dtype, T number) {
  Value value = MakeValue(dtype, Shape{}, sizeof(number));
  std::memcpy(value.data, &number, sizeof(number));
  return value;
}

std::optional<Value> FromText(PyObject *object) {
  char *data = nullptr;
  Py_ssize_t size = 0;
  const bool is_str = PyUnicode_Check(object);
  if (is_str) {
    data = const_cast<char *>(PyUnicode_AsUTF8AndSize(object, &size));
  } else if (PyBytes_AsStringAndSize(object, &data, &size) != 0) {
    data = nullptr;
  }
  if (data == nullptr) {
    return std::nullopt;
  }
  Py_INCREF(object);
  return Value{is_str ? DType::kString : DType::kBytes,
               Shape{},
               reinterpret_cast<std::byte *>(data),
               static_cast<uint64_t>(size),
               true,
               std::make_shared<PyOwner>(object)};
}

std::optional<Value> FromInt(PyObject *object) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0) {
    PyErr_Format(PyExc_RuntimeError, "Get illegal result data with type %R, the number does not fit int64",
                 reinterpret_cast<PyObject *>(Py_TYPE(object)));
    return std::nullopt;
  }
  if (number == -1 && PyErr_Occurred()) {
    return std::nullopt;
  }
  return ScalarValue<int64_t>(DType::kInt64, number);
}

// Takes over the reference to the array. `given` is what the function returned.
std::optional<Value> FromArray(PyObject *object, PyObject *given, const std::shared_ptr<RequestLease> &lease) {
  auto *array = reinterpret_cast<PyArrayObject *>(object);
  const DType dtype = DTypeOf(PyArray_TYPE(array));
  const auto rank = static_cast<size_t>(PyArray_NDIM(array));
  if (dtype == DType::kUnknown || !PyArray_ISNOTSWAPPED(array) || rank > kMaxRank) {
    Illegal(given);
    Py_DECREF(object);
    return std::nullopt;
  }
  if (!PyArray_ISCARRAY_RO(array)) {
    PyObject *copy = PyArray_NewCopy(array, NPY_CORDER);
    Py_DECREF(object);
    if (copy == nullptr) {
      return std::nullopt;
    }
    array = reinterpret_cast<PyArrayObject *>(copy);
  }
  Value value{dtype,
              Shape(std::span<const int64_t>(PyArray_DIMS(array), rank)),
              static_cast<std::byte *>(PyArray_DATA(array)),
              static_cast<uint64_t>(PyArray_NBYTES(array)),
              !PyArray_ISWRITEABLE(array),
              nullptr};
  if (lease && lease->Holds(value)) {
    value.read_only = false;
    value.owner = lease;
    Py_DECREF(array);
  } else {
    value.owner = std::make_shared<PyOwner>(reinterpret_cast<PyObject *>(array));
  }
  return value;
}

// The array that the object is or can be turned into. Returns a new reference; nullptr with Python's error set.
PyObject *AsArray(PyObject *object) {
  if (PyArray_Check(object)) {
    return Py_NewRef(object);
  }
  if (PyArray_CheckScalar(object)) {
    return PyArray_FromScalar(object, nullptr);
  }
  PyObject *method = PyObject_GetAttrString(object, "asnumpy");
  if (method == nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
      return nullptr;
    }
    PyErr_Clear();
  } else if (PyCallable_Check(method)) {
    PyObject *array = PyObject_CallNoArgs(method);
    Py_DECREF(method);
    if (array != nullptr && !PyArray_Check(array)) {
      Illegal(array);
      Py_CLEAR(array);
    }
    return array;
  } else {
    Py_DECREF(method);
  }
  PyObject *array = PyArray_FROM_O(object);
  if (array == nullptr && PyErr_ExceptionMatches(PyExc_ValueError)) {
    PyErr_Clear();
    Illegal(object);
  }
  return array;
}

}  // namespace

PyOwner::~PyOwner() {
  if (!nb::is_alive()) {
    return;  // the interpreter has gone, and the object with it
  }
  if (HasGil()) {
    Py_DECREF(object_);
  } else {
    DroppedReferences::Get().Add(object_);
  }
}

DroppedReferences &DroppedReferences::Get() {
  static auto *const references = new DroppedReferences;  // threads may drop some until the process ends
  return *references;
}

void DroppedReferences::Add(PyObject *object) {
  {
    std::lock_guard lock(mutex_);
    objects_.push_back(object);
    count_.store(objects_.size());
  }
  // A function that runs for long, or calls models in a loop, is not to keep too much alive.
  if (!someone_clears_.load() || count_.load() >= kManyReferences) {
    const PyGILState_STATE state = PyGILState_Ensure();
    Clear();
    PyGILState_Release(state);
  }
}

void DroppedReferences::Clear() {
  if (count_.load() == 0) {
    return;
  }
  std::vector<PyObject *> objects;
  {
    std::lock_guard lock(mutex_);
    objects.swap(objects_);
    count_.store(0);
  }
  // Without the lock: the end of an object may run the user's code.
  for (PyObject *object : objects) {
    Py_DECREF(object);
  }
}

void DroppedReferences::ThisThreadClears() {
  someone_clears_.store(true);
  Clear();
}

// Add looks after it has added: either it sees that nobody clears, or this sees what it added.
void DroppedReferences::NobodyClears() {
  someone_clears_.store(false);
  Clear();
}

PyObject *ToPython(Value *value) {
  if (value->dtype == DType::kString) {
    return PyUnicode_DecodeUTF8(reinterpret_cast<const char *>(value->data), static_cast<Py_ssize_t>(value->size_bytes),
                                nullptr);
  }
  if (value->read_only) {
    Value copy = MakeValue(value->dtype, value->shape, value->size_bytes);
    if (value->size_bytes > 0) {
      std::memcpy(copy.data, value->data, value->size_bytes);
    }
    *value = std::move(copy);
  }
  if (const auto *owner = dynamic_cast<const PyOwner *>(value->owner.get());
      owner != nullptr && IsWholeArray(*value, owner->object())) {
    return Py_NewRef(owner->object());
  }
  if (value->dtype == DType::kBytes) {
    const auto size = static_cast<int64_t>(value->size_bytes);
    return ArrayOver(*value, NPY_UINT8, std::span(&size, 1));
  }
  return ArrayOver(*value, value->shape);
}

PyObject *ArrayOver(const Value &value, const Shape &shape) {
  return ArrayOver(value, kTypes[static_cast<size_t>(value.dtype)].numpy_type, shape.dims());
}

PyObject *NewArray(DType dtype, const Shape &shape) {
  return PyArray_SimpleNew(static_cast<int>(shape.rank()), reinterpret_cast<const npy_intp *>(shape.dims().data()),
                           kTypes[static_cast<size_t>(dtype)].numpy_type);
}

std::optional<Value> FromPython(PyObject *object, const std::shared_ptr<RequestLease> &lease) {
  if (PyUnicode_Check(object) || PyBytes_Check(object)) {
    return FromText(object);
  }
  if (PyBool_Check(object)) {
    return ScalarValue<uint8_t>(DType::kBool, object == Py_True ? 1 : 0);
  }
  if (PyLong_Check(object)) {
    return FromInt(object);
  }
  if (PyFloat_Check(object)) {
    return ScalarValue<double>(DType::kFloat64, PyFloat_AS_DOUBLE(object));
  }
  if (object == Py_None) {
    return Illegal(object);
  }
  PyObject *array = AsArray(object);
  if (array == nullptr) {
    return std::nullopt;
  }
  return FromArray(array, object, lease);
}

std::string_view NumpyName(DType dtype) { return kTypes[static_cast<size_t>(dtype)].name; }

DType DTypeOfName(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (!name.empty() && kTypes[i].name == name) {
      return static_cast<DType>(i);
    }
  }
  return DType::kUnknown;
}

}  // namespace mindspore::serving
