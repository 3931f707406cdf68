// What tests/service/test_cpp_client.py has a C++ program do:
//   cpp_client_program SCENARIO ARGUMENTS...
// Prints what came back, and ends with code 1 where something is not as it must be.

#include <mindspore_serving/client.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

using namespace mindspore::serving::client;

namespace {

using Arguments = std::vector<std::string>;

#define REQUIRE(condition)                                                   \
  if (!(condition)) {                                                        \
    std::cerr << "line " << __LINE__ << " is not true: " #condition << "\n"; \
    std::exit(1);                                                            \
  }

// Sends one instance with the input x and gives the output y of the result.
Tensor Ask(Client *client, const std::function<Status(MutableTensor)> &set) {
  InstancesRequest request;
  REQUIRE(set(request.AddInstance().Add("x")) == SUCCESS);
  InstancesReply reply;
  const Status status = client->SendRequest(request, &reply);
  if (!status.IsSuccess()) {
    std::cout << status << "\n";
    return Tensor();
  }
  const std::vector<Instance> result = reply.GetResult();
  REQUIRE(result.size() == 1);
  int64_t code = 0;
  std::string text;
  if (result[0].HasErrorMsg(&code, &text)) {
    std::cout << "error " << code << ": " << text << "\n";
  }
  REQUIRE(!result[0].Get("no such output").IsValid());
  return result[0].Get("y");
}

template <typename T>
void Echo(Client *client, DataType type, const std::vector<T> &value, const std::vector<int64_t> &shape) {
  const Tensor y = Ask(client, [&](MutableTensor x) { return x.SetData(value, shape); });
  REQUIRE(y.IsValid());
  REQUIRE(y.GetDataType() == type);
  REQUIRE(y.GetShape() == shape);
  std::vector<T> got = {T(1)};
  REQUIRE(y.GetData(&got) == SUCCESS);
  REQUIRE(got == value);
}

template <typename T>
void EchoShapes(Client *client, DataType type) {
  Echo<T>(client, type, {T(0), T(1), T(2), T(3), T(4), T(5)}, {2, 3});
  Echo<T>(client, type, {T(1)}, {});
  Echo<T>(client, type, {T(1)}, {1});
  Echo<T>(client, type, {}, {0});
  Echo<T>(client, type, {}, {0, 2});
}

void Values(const Arguments &arguments) {
  Client client(arguments[0], "basic", "pass_through");
  EchoShapes<uint8_t>(&client, DT_UINT8);
  EchoShapes<uint16_t>(&client, DT_UINT16);
  EchoShapes<uint32_t>(&client, DT_UINT32);
  EchoShapes<uint64_t>(&client, DT_UINT64);
  EchoShapes<int8_t>(&client, DT_INT8);
  EchoShapes<int16_t>(&client, DT_INT16);
  EchoShapes<int32_t>(&client, DT_INT32);
  EchoShapes<int64_t>(&client, DT_INT64);
  EchoShapes<bool>(&client, DT_BOOL);
  EchoShapes<float>(&client, DT_FLOAT32);
  EchoShapes<double>(&client, DT_FLOAT64);
  const std::vector<uint16_t> halves = {0x3C00, 0x7BFF};
  std::vector<uint16_t> got_halves;
  const Tensor y = Ask(&client, [&](MutableTensor x) { return x.SetData(halves.data(), 4, {2}, DT_FLOAT16); });
  REQUIRE(y.GetFp16Data(&got_halves) == SUCCESS && got_halves == halves && y.GetDataType() == DT_FLOAT16);
  for (const std::string &text : {std::string(), std::string("grüße")}) {
    std::string got = "before";
    REQUIRE(Ask(&client, [&](MutableTensor x) { return x.SetStrData(text); }).GetStrData(&got) == SUCCESS &&
            got == text);
  }
  for (const std::vector<uint8_t> &bytes : {std::vector<uint8_t>{}, std::vector<uint8_t>{0, 255}}) {
    std::vector<uint8_t> got = {1};
    REQUIRE(Ask(&client, [&](MutableTensor x) { return x.SetBytesData(bytes); }).GetBytesData(&got) == SUCCESS);
    REQUIRE(got == bytes);
  }
}

// Address, servable, method and values of the input x: int32, one for each instance.
void Instances(const Arguments &arguments) {
  Client client(arguments[0], arguments[1], arguments[2]);
  InstancesRequest request;
  for (size_t i = 3; i < arguments.size(); ++i) {
    REQUIRE(request.AddInstance().Add("x").SetData(std::vector<int32_t>{std::atoi(arguments[i].c_str())}, {}) ==
            SUCCESS);
  }
  InstancesReply reply;
  std::cout << client.SendRequest(request, &reply) << "\n";
  int64_t code = 0;
  std::string text;
  if (reply.HasErrorMsg(&code, &text)) {
    std::cout << "request: error " << code << ": " << text << "\n";
  }
  for (const Instance &instance : reply.GetResult()) {
    std::vector<int32_t> y;
    if (instance.HasErrorMsg(&code, &text)) {
      std::cout << "error " << code << ": " << text << "\n";
    } else if (instance.Get("y").GetData(&y) == SUCCESS) {
      std::cout << "y " << y.at(0) << "\n";
    }
  }
}

// Address, and for TLS the paths of custom_ca, certificate and private_key.
void Connect(const Arguments &arguments) {
  ClientOptions options;
  if (arguments.size() > 1) {
    options.ssl_config.emplace();
    options.ssl_config->custom_ca = arguments[1];
  }
  if (arguments.size() > 2) {
    options.ssl_config->certificate = arguments[2];
    options.ssl_config->private_key = arguments.size() > 3 ? arguments[3] : "";
  }
  Client client(arguments[0], "basic", "echo", 0, options);
  std::vector<float> y;
  if (Ask(&client, [](MutableTensor x) { return x.SetData(std::vector<float>{7}, {1}); }).GetData(&y) == SUCCESS) {
    std::cout << "y " << y.at(0) << "\n";
  }
}

void IpAndPort(const Arguments &arguments) {
  Client client(arguments[0], std::strtoull(arguments[1].c_str(), nullptr, 10), "basic", "echo", 1);
  Echo<float>(&client, DT_FLOAT32, {1, 2}, {2});
}

// Address, and the path that the method waits for.
void Timeout(const Arguments &arguments) {
  const std::chrono::milliseconds short_time(200);
  InstancesRequest request;
  REQUIRE(request.AddInstance().Add("path").SetStrData(arguments[1]) == SUCCESS);
  InstancesReply reply;
  Client patient(arguments[0], "slow", "gate");
  std::cout << patient.SendRequest(request, &reply, short_time) << "\n";
  ClientOptions options;
  options.timeout = short_time;
  Client hasty(arguments[0], "slow", "gate", 0, options);
  std::cout << hasty.SendRequest(request, &reply) << "\n";
  REQUIRE(hasty.SendRequest(request, &reply, std::chrono::milliseconds(-1)) == INVALID_INPUTS);
  REQUIRE(reply.GetResult().empty());
  Client quick(arguments[0], "basic", "echo");
  InstancesRequest small;
  REQUIRE(small.AddInstance().Add("x").SetStrData("x") == SUCCESS);
  for (const std::chrono::milliseconds long_time :
       {std::chrono::milliseconds::max(), std::chrono::milliseconds(std::chrono::hours(24 * 365 * 300)),
        std::chrono::milliseconds(std::chrono::hours(24 * 365 * 99))}) {
    REQUIRE(quick.SendRequest(small, &reply, long_time) == SUCCESS);
  }
}

void Sizes(const Arguments &arguments) {
  Client client(arguments[0], "basic", "echo");
  std::vector<int32_t> large(1500000);
  for (size_t i = 0; i < large.size(); ++i) {
    large[i] = static_cast<int32_t>(i);
  }
  Echo<int32_t>(&client, DT_INT32, large, {1500, 1000});
  const std::vector<int32_t> small(1000);
  const auto set = [&](MutableTensor x) { return x.SetData(small, {1000}); };
  ClientOptions options;
  options.max_receive_message_bytes = 1000;
  Client receiving(arguments[0], "basic", "echo", 0, options);
  REQUIRE(!Ask(&receiving, set).IsValid());
  options = ClientOptions();
  options.max_send_message_bytes = 1000;
  Client sending(arguments[0], "basic", "echo", 0, options);
  REQUIRE(!Ask(&sending, set).IsValid());
}

void Threads(const Arguments &arguments) {
  Client client(arguments[0], "basic", "echo");
  std::vector<std::thread> threads;
  for (int64_t number = 0; number < 8; ++number) {
    threads.emplace_back([&client, number] {
      for (int64_t turn = 0; turn < 50; ++turn) {
        Echo<int64_t>(&client, DT_INT64, {number, turn}, {2});
      }
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
}

void WrongUse(const Arguments &) {
  InstancesRequest request;
  MutableInstance instance = request.AddInstance();
  instance.Add("forgotten");
  InstancesReply reply;
  Client client("127.0.0.1:1", "basic", "echo");
  std::cout << client.SendRequest(request, &reply) << "\n" << client.SendRequest(request, nullptr) << "\n";
  std::cout << Client("", "basic", "echo").SendRequest(request, &reply) << "\n";
  std::cout << Client("127.0.0.1:1", "basic", "").SendRequest(request, &reply) << "\n";
  ClientOptions options;
  options.timeout = std::chrono::milliseconds(-1);
  std::cout << Client("127.0.0.1:1", "basic", "echo", 0, options).SendRequest(request, &reply) << "\n";
  Client moved = std::move(client);
  REQUIRE(moved.SendRequest(request, &reply) == INVALID_INPUTS);
}

}  // namespace

int main(int argc, char **argv) {
  const std::map<std::string, void (*)(const Arguments &)> scenarios = {
    {"values", Values},   {"instances", Instances}, {"connect", Connect}, {"ip_and_port", IpAndPort},
    {"timeout", Timeout}, {"sizes", Sizes},         {"threads", Threads}, {"wrong_use", WrongUse}};
  if (argc < 2 || scenarios.count(argv[1]) == 0) {
    std::cerr << "no such scenario\n";
    return 2;
  }
  scenarios.at(argv[1])(Arguments(argv + 2, argv + argc));
  return 0;
}
