#include "python/log/binding.h"
#include "python/master/bindings.h"

NB_MODULE(_core, module) {
  module.doc() = "The master's C++ half: channels, the dispatcher and the gRPC front end.";
  mindspore::serving::BindChannel(module);
  mindspore::serving::BindDispatcher(module);
  mindspore::serving::BindGrpcServer(module);
  mindspore::serving::BindSignalWatch(module);
  mindspore::serving::BindLog(module);
}
