#pragma once

#include "dispatch/dispatcher.h"
#include "dispatch/json_front.h"

namespace mindspore::serving {

/// What Python calls the Dispatcher: the dispatcher with the RESTful way into it.
class MasterDispatcher {
 public:
  explicit MasterDispatcher(uint64_t max_enqueued_requests) : dispatcher_(max_enqueued_requests), json_(&dispatcher_) {}
  ~MasterDispatcher() { Stop(); }

  Dispatcher &dispatcher() { return dispatcher_; }
  JsonFront &json() { return json_; }
  void Stop() {
    dispatcher_.Stop();
    json_.Stop();
  }

 private:
  Dispatcher dispatcher_;
  JsonFront json_;
};

}  // namespace mindspore::serving
