#include "wire/instance_encode.h"

#include <algorithm>

namespace mindspore::serving {
namespace {

void WriteShape(const Shape &shape, WireWriter *writer) {
  const size_t before = writer->written();
  if (shape.rank() > 0) {
    const auto dims = shape.dims();
    std::for_each(dims.rbegin(), dims.rend(), [&](int64_t dim) { writer->Varint(static_cast<uint64_t>(dim)); });
    writer->EndField(1, before);
  }
  writer->EndField(1, before);
}

void WriteTensor(const OutputTensor &tensor, WireWriter *writer) {
  const size_t before = writer->written();
  if (IsText(tensor.dtype) || !tensor.data.empty()) {
    writer->Data(tensor.data, tensor.owner);
    writer->EndField(IsText(tensor.dtype) ? 4 : 3, before);
  }
  writer->OptionalNumber(2, static_cast<uint64_t>(tensor.dtype));
  WriteShape(tensor.shape, writer);
  writer->EndField(2, before);
}

}  // namespace

size_t MaxTextBytes(const OutputTensor &tensor) {
  constexpr size_t kFields = 6;  // entry, name, value, shape, dims, data
  const size_t data = tensor.data.size() < kInPlaceBytes ? tensor.data.size() : 0;
  return kFields * kMaxFieldBytes + kMaxFieldBytes + tensor.name.size() + kMaxVarintBytes * tensor.shape.rank() + data;
}

void WriteInstance(uint32_t field, std::span<const OutputTensor> items, WireWriter *writer) {
  const size_t before = writer->written();
  for (auto tensor = items.rbegin(); tensor != items.rend(); ++tensor) {
    const size_t entry_before = writer->written();
    WriteTensor(*tensor, writer);
    writer->BytesField(1, BytesOf(tensor->name));
    writer->EndField(1, entry_before);
  }
  writer->EndField(field, before);
}

size_t MaxSpecTextBytes(std::string_view servable, std::string_view method) {
  return 4 * kMaxFieldBytes + servable.size() + method.size();
}

void WriteServableSpec(std::string_view servable, std::string_view method, uint64_t version, WireWriter *writer) {
  const size_t before = writer->written();
  writer->OptionalNumber(3, version);
  writer->OptionalText(2, method);
  writer->OptionalText(1, servable);
  writer->EndField(1, before);
}

}  // namespace mindspore::serving
