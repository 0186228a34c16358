// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/http_session.h"

#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "daemon/doors/http_server.h"

namespace headgate::doors {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

beast::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, Guests& guests, quota::Engine& engine,
                         Latency& latency)
    : socket_(std::move(socket)),
      guests_(guests),
      engine_(engine),
      latency_(latency),
      place_(guests.enter(*this)),
      buffer_(HttpServer::kMaxHeaderBytes + HttpServer::kMaxBodyBytes) {}

HttpSession::~HttpSession() {
  guests_.leave(place_);
}

void HttpSession::give_up() {
  ErrorCode ignored;
  socket_.close(ignored);  // what is awaited fails soon
}

void HttpSession::expect_within(std::chrono::steady_clock::duration time) {
  deadline = std::chrono::steady_clock::now() + time;
}

// Holds neither parser nor buffer meanwhile.
void HttpSession::await_request() {
  if (buffer_.size() > 0) return read_header();
  parser_.reset();
  if (buffer_.capacity() > HttpServer::kMaxHeaderBytes) buffer_.shrink_to_fit();
  expect_within(HttpServer::kIdle);
  socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](ErrorCode error) {
    if (!error) self->read_header();
  });
}

void HttpSession::read_header() {
  expect_within(HttpServer::kRequest);
  parser_.emplace();
  parser_->header_limit(HttpServer::kMaxHeaderBytes);
  parser_->body_limit(HttpServer::kMaxBodyBytes);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_header(error); });
}

void HttpSession::on_header(ErrorCode error) {
  if (error) return refuse(error);
  if (view(parser_->get()[http::field::expect]) == "100-continue") return invite_body();
  read_body();
}

void HttpSession::invite_body() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue),
                    [self = shared_from_this()](ErrorCode error, std::size_t) {
                      if (!error) self->read_body();
                    });
}

void HttpSession::read_body() {
  http::async_read(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_request(error); });
}

void HttpSession::on_request(ErrorCode error) {
  if (error) return refuse(error);
  guests_.has_asked(place_);
  const auto& request = parser_->get();
  HttpAnswer answer;
  {
    const Timed timed(latency_);
    answer = http_answer(engine_, view(request.method_string()), path_of(view(request.target())),
                         request.body());
  }
  send(std::move(answer), request.keep_alive());
}

void HttpSession::refuse(ErrorCode error) {
  if (error == http::error::body_limit)
    return send(http_error(413, "the body is too large"), false);
  if (error == http::error::header_limit) {
    return send(http_error(431, "the header is too large"), false);
  }
  const bool is_about_http =
      error.category() == make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message;
  if (is_about_http) send(http_error(400, "this is no HTTP/1.1: " + error.message()), false);
}

void HttpSession::send(HttpAnswer answer, bool stays) {
  expect_within(HttpServer::kAnswer);
  message_.emplace();
  message_->result(static_cast<unsigned>(answer.status));
  for (const Header& header : answer.headers) {
    message_->set(view(header.name), view(std::string_view(header.value)));
  }
  message_->keep_alive(stays);
  message_->content_length(answer.body.size());
  const bool wants_body = !parser_ || parser_->get().method() != http::verb::head;
  if (wants_body) message_->body() = std::move(answer.body);
  http::async_write(socket_, *message_,
                    [self = shared_from_this(), stays](ErrorCode error, std::size_t) {
                      if (!error) self->on_sent(stays);
                    });
}

void HttpSession::on_sent(bool stays) {
  message_.reset();
  if (stays) return await_request();
  ErrorCode error;
  socket_.shutdown(asio::socket_base::shutdown_send, error);
  if (error) return;
  expect_within(HttpServer::kFarewell);
  say_farewell();
}

// Closed with something unread, the connection would be reset, and the answer with it.
void HttpSession::say_farewell() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(HttpServer::kMaxHeaderBytes),
                          [self = shared_from_this()](ErrorCode error, std::size_t) {
                            if (!error) self->say_farewell();
                          });
}

}  // namespace headgate::doors
