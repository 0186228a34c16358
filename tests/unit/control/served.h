// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <headgate/control/v1/control.grpc.pb.h>

#include "common/unique_fd.h"
#include "daemon/control/server.h"
#include "fake_manager.h"

namespace headgate::control {

// The real server on a real socket, with a manager that does as the test says.
class Served : public testing::Test {
 protected:
  Served() {
    char name[] = "/tmp/headgate-control-XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("no directory in /tmp");
    directory = name;
    socket_path = directory + "/run/control.sock";
    EXPECT_TRUE(prepare_socket_path(socket_path));
    auto started = Server::start(socket_path, manager, identity);
    if (!started) throw std::runtime_error(started.error().to_string());
    server.emplace(*std::move(started));
    stub = open_stub();
  }
  ~Served() override {
    server.reset();
    std::filesystem::remove_all(directory);
  }

  // With a connection of its own.
  std::unique_ptr<v1::Control::Stub> open_stub() const {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::Control::NewStub(grpc::CreateCustomChannel(
        "unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments));
  }

  UniqueFd connect_raw() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect to " + socket_path);
    }
    return fd;
  }

  // Somebody else asks, on a new connection: is he served in time?
  grpc::Status ask_status(std::chrono::milliseconds patience = std::chrono::seconds(1)) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience);
    v1::StatusResponse response;
    return open_stub()->Status(&context, {}, &response);
  }

  template <typename Method, typename Request, typename Response>
  grpc::Status call(Method method, const Request& request, Response* response) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return (stub.get()->*method)(&context, request, response);
  }

  FakeManager manager;
  Identity identity{"1.2.3", "/etc/headgate/headgate.yaml", "/sys/fs/cgroup", "self",
                    std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000))};
  std::string directory;
  std::string socket_path;
  std::optional<Server> server;
  std::unique_ptr<v1::Control::Stub> stub;
};

}  // namespace headgate::control
