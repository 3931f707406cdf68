#pragma once

#include "mindspore_serving/client.h"
#include "tensor/dtype.h"

namespace mindspore::serving::client {

/// The public header numbers data types in an order of its own.
DType ToWire(DataType type);
DataType FromWire(DType dtype);
/// Such as "DT_FLOAT32".
const char *NameOf(DataType type);

}  // namespace mindspore::serving::client
