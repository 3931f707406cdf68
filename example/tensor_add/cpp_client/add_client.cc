// Sends two instances to `add_common` in one request and prints what comes back.
//
// SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "mindspore_serving/client.h"

using namespace mindspore::serving::client;

namespace {

// Adds an instance of two matrices whose elements are all the same.
Status AddInstance(float x1, float x2, InstancesRequest *request) {
  MutableInstance instance = request->AddInstance();
  Status status = instance.Add("x1").SetData(std::vector<float>(4, x1), {2, 2});
  return status.IsSuccess() ? instance.Add("x2").SetData(std::vector<float>(4, x2), {2, 2}) : status;
}

bool Print(const Instance &instance) {
  int64_t code = 0;
  std::string text;
  if (instance.HasErrorMsg(&code, &text)) {
    std::cerr << "the instance failed: " << text << " (code " << code << ")\n";
    return false;
  }
  std::vector<float> y;
  const Status status = instance.Get("y").GetData(&y);
  if (!status.IsSuccess()) {
    std::cerr << status << "\n";
    return false;
  }
  std::cout << "y:";
  for (float element : y) {
    std::cout << " " << element;
  }
  std::cout << "\n";
  return true;
}

}  // namespace

int main() {
  const char *given = std::getenv("SERVING_GRPC_ADDRESS");
  Client client(given != nullptr ? given : "127.0.0.1:5500", "add", "add_common");

  InstancesRequest request;
  InstancesReply reply;
  Status status = AddInstance(1, 2, &request);
  if (status.IsSuccess()) {
    status = AddInstance(3, 4, &request);
  }
  if (status.IsSuccess()) {
    status = client.SendRequest(request, &reply);
  }
  if (!status.IsSuccess()) {
    std::cerr << status << "\n";
    return 1;
  }
  bool good = true;
  for (const Instance &instance : reply.GetResult()) {
    good = Print(instance) && good;
  }
  return good ? 0 : 1;
}
