// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "daemon/doors/http_answer.h"
#include "daemon/doors/http_connections.h"
#include "daemon/doors/latency.h"

namespace headgate::doors {

// One connection: request by request until either side ends it. Lives as long as something is
// awaited on it. One thread. The guests, the engine and the latency outlive it.
class HttpSession final : public std::enable_shared_from_this<HttpSession>, private Guest {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, Guests& guests, quota::Engine& engine,
              Latency& latency);
  ~HttpSession() override;
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  void run() { await_request(); }

 private:
  using ErrorCode = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Message = boost::beast::http::response<boost::beast::http::string_body>;

  void give_up() override;
  void expect_within(std::chrono::steady_clock::duration time);

  void await_request();
  void read_header();
  void on_header(ErrorCode error);
  void invite_body();
  void read_body();
  void on_request(ErrorCode error);
  void refuse(ErrorCode error);
  void send(HttpAnswer answer, bool stays);
  void on_sent(bool stays);
  void say_farewell();

  boost::asio::ip::tcp::socket socket_;
  Guests& guests_;
  quota::Engine& engine_;
  Latency& latency_;
  Guests::Place place_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Message> message_;
};

}  // namespace headgate::doors
