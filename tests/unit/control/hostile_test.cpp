// SPDX-License-Identifier: Apache-2.0
//
// Callers that say nothing, too much or nonsense, or never read: others are served within a second,
// and the memory that they cost is bounded.
#include <poll.h>

#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "daemon/control/seats.h"
#include "served.h"

namespace headgate::control {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kCanMeasureMemory = false;  // it keeps what was freed
#else
constexpr bool kCanMeasureMemory = true;
#endif

std::size_t resident_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

class Hostile : public Served {
 protected:
  // Others are served, many times over.
  void expect_service() const {
    for (int i = 0; i < 5; ++i) {
      const auto status = ask_status();
      ASSERT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
    }
  }
  void expect_grown_by_less_than(std::size_t bytes) const {
    if (kCanMeasureMemory) {
      EXPECT_LT(resident_bytes() / kMiB, (before_ + bytes) / kMiB);
    }
  }

  static constexpr std::size_t kMiB = 1024 * 1024;

 private:
  std::size_t before_ = resident_bytes();
};

void send_all(int fd, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;  // it was cut off: just as well
    sent += static_cast<std::size_t>(count);
  }
}

// Until the other side closes, or for ten seconds.
bool is_closed_by_peer(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  char buffer[4096];
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd one{fd, POLLIN, 0};
    if (poll(&one, 1, 100) > 0 && recv(fd, buffer, sizeof(buffer), 0) <= 0) return true;
  }
  return false;
}

TEST_F(Hostile, GarbageIsCutOff) {
  std::mt19937 random(4711);
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = connect_raw();
    std::string garbage(1 + random() % 70'000, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    send_all(fd.get(), garbage);
    EXPECT_TRUE(is_closed_by_peer(fd.get()));
  }
  expect_service();
}

TEST_F(Hostile, AnHttp1RequestIsCutOff) {
  const UniqueFd fd = connect_raw();
  send_all(fd.get(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(is_closed_by_peer(fd.get()));
  expect_service();
}

TEST_F(Hostile, GarbageAfterAGoodBeginningIsCutOff) {
  const std::string preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  std::mt19937 random(4711);
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = connect_raw();
    std::string garbage(1 + random() % 10'000, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    send_all(fd.get(), preface + settings + garbage);
  }
  expect_service();
}

TEST_F(Hostile, AThousandConnectionsThatSayNothing) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 1'000; ++i) silent.push_back(connect_raw());
  expect_service();
  expect_grown_by_less_than(64 * kMiB);
  EXPECT_TRUE(is_closed_by_peer(silent.front().get())) << "after the time for a handshake";
  expect_service();
}

TEST_F(Hostile, AMessageThatIsTooLargeIsRefused) {
  v1::DenyAddRequest request;
  v1::DenyEntry* entry = request.add_entries();
  entry->set_reason(std::string(32 * kMiB, 'x'));
  v1::DenyResponse response;
  grpc::ClientContext context;
  const auto status = stub->DenyAdd(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_EQ(manager.changes, 0);
  expect_service();
}

TEST_F(Hostile, ManyLargeMessagesAtOnce) {
  v1::DenyAddRequest request;
  for (int i = 0; i < 100'000; ++i) {
    request.add_entries()->set_cidr("2001:db8::" + std::to_string(i % 10'000));
  }
  std::vector<std::thread> callers;
  std::atomic<int> good = 0;
  std::atomic<int> refused = 0;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&, own = open_stub()] {
      v1::DenyResponse response;
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + seconds(60));
      const auto status = own->DenyAdd(&context, request, &response);
      (status.ok() ? good : refused)++;
    });
  }
  expect_service();
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(good, 20);
  EXPECT_EQ(refused, 0);
}

TEST_F(Hostile, AHundredFollowersThatNeverRead) {
  std::vector<std::unique_ptr<v1::Control::Stub>> stubs;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Event>>> readers;
  for (int i = 0; i < 100; ++i) {
    stubs.push_back(open_stub());
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stubs.back()->Events(contexts.back().get(), {}));
    readers.back()->WaitForInitialMetadata();
  }
  observe::Event event;
  event.text = std::string(200, 'x');
  // Their side takes some megabytes each before it takes no more.
  std::atomic<bool> is_done = false;
  std::thread publisher([&] {
    while (!is_done) {
      for (int i = 0; i < 1'000; ++i) manager.hub.publish(event);
      std::this_thread::sleep_for(milliseconds(2));
    }
  });
  std::this_thread::sleep_for(seconds(3));
  expect_service();
  expect_grown_by_less_than(256 * kMiB);

  // One who reads gets a place and events.
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(10));
  const auto reader = stub->Events(&context, {});
  v1::Event got;
  EXPECT_TRUE(reader->Read(&got)) << reader->Finish().error_message();
  is_done = true;
  publisher.join();
  for (const auto& one : contexts) one->TryCancel();
}

TEST_F(Hostile, DenyListsThatAreNeverRead) {
  constexpr std::size_t kEntries = 1'000'000;
  manager.list(std::vector<manage::DenyListed>(kEntries));
  const std::size_t one_list = kEntries * sizeof(manage::DenyListed);
  std::vector<std::unique_ptr<v1::Control::Stub>> stubs;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::DenyListResponse>>> readers;
  for (int i = 0; i < 40; ++i) {
    stubs.push_back(open_stub());
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stubs.back()->DenyList(contexts.back().get(), {}));
  }
  expect_service();
  std::this_thread::sleep_for(seconds(2));
  expect_service();
  // The test's own list, four that are being sent, one that is being copied.
  expect_grown_by_less_than(6 * one_list + 128 * kMiB);

  manager.list(std::vector<manage::DenyListed>(1));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(10));
  const auto reader = stub->DenyList(&context, {});
  v1::DenyListResponse part;
  EXPECT_TRUE(reader->Read(&part)) << reader->Finish().error_message();
  for (const auto& one : contexts) one->TryCancel();
}

// A caller that speaks HTTP/2 and allows no byte of an answer: its calls are never done.
TEST_F(Hostile, CallersThatOpenNoWindow) {
  const auto frame = [](std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                        const std::string& payload) {
    std::string bytes;
    const std::uint32_t header[] = {static_cast<std::uint32_t>(payload.size())};
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>(header[0] >> shift);
    bytes += static_cast<char>(type);
    bytes += static_cast<char>(flags);
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(stream >> shift);
    return bytes + payload;
  };
  const auto header = [](const std::string& name, const std::string& value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + name +
           static_cast<char>(value.size()) + value;
  };
  const std::string headers = header(":method", "POST") + header(":scheme", "http") +
                              header(":path", "/headgate.control.v1.Control/Status") +
                              header(":authority", "localhost") + header("te", "trailers") +
                              header("content-type", "application/grpc");
  std::vector<UniqueFd> callers;
  for (int connection = 0; connection < 20; ++connection) {
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    bytes += frame(4, 0, 0, std::string("\0\4\0\0\0\0", 6));
    for (std::uint32_t call = 0; call < 30; ++call) {
      bytes += frame(1, 4, 2 * call + 1, headers);                       // HEADERS, END_HEADERS
      bytes += frame(0, 1, 2 * call + 1, std::string("\0\0\0\0\0", 5));  // DATA, END_STREAM
    }
    callers.push_back(connect_raw());
    send_all(callers.back().get(), bytes);
  }
  std::this_thread::sleep_for(Seats::kPatience + milliseconds(100));
  expect_service();
  expect_grown_by_less_than(64 * kMiB);
}

TEST_F(Hostile, AChangeThatTakesLongKeepsNobodyWaiting) {
  std::atomic<bool> may_go_on = false;
  manager.before_change = [&] {
    while (!may_go_on) std::this_thread::sleep_for(milliseconds(5));
  };
  std::vector<std::thread> callers;
  std::atomic<int> refused = 0;
  for (int i = 0; i < 60; ++i) {
    callers.emplace_back([&, own = open_stub()] {
      v1::ReloadResponse response;
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + seconds(20));
      const auto status = own->Reload(&context, {}, &response);
      if (status.error_code() == StatusCode::RESOURCE_EXHAUSTED) ++refused;
    });
  }
  std::this_thread::sleep_for(milliseconds(300));
  expect_service();
  may_go_on = true;
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(manager.changes, 32);
  EXPECT_EQ(refused, 28);
}

TEST_F(Hostile, AChangeWhoseCallerHasHungUpIsNotMade) {
  std::atomic<bool> may_go_on = false;
  manager.before_change = [&] {
    while (!may_go_on) std::this_thread::sleep_for(milliseconds(5));
  };
  std::thread first([&] {
    v1::ReloadResponse response;
    grpc::ClientContext context;
    open_stub()->Reload(&context, {}, &response);
  });
  while (manager.changes == 0) std::this_thread::yield();
  v1::ReloadResponse response;
  grpc::ClientContext impatient;
  impatient.set_deadline(std::chrono::system_clock::now() + milliseconds(100));
  EXPECT_EQ(stub->Reload(&impatient, {}, &response).error_code(), StatusCode::DEADLINE_EXCEEDED);
  std::this_thread::sleep_for(milliseconds(100));
  may_go_on = true;
  first.join();
  expect_service();
  server.reset();
  EXPECT_EQ(manager.changes, 1);
}

}  // namespace
}  // namespace headgate::control
