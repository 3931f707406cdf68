#pragma once

namespace mindspore::serving {

/// An event that a call waits for: what a completion queue's tag points at.
struct QueueEvent {
  void *call;
  void (*handle)(void *call, bool ok);
};

/// The event that is handled by a member function of `call`.
template <auto kHandle, typename CallType>
QueueEvent EventOf(CallType *call) {
  return {call, [](void *handled, bool ok) { (static_cast<CallType *>(handled)->*kHandle)(ok); }};
}

}  // namespace mindspore::serving
