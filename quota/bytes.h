// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// Messages as bytes, one field after the other, between processes of one machine. A message says
// its fields once, for both directions:
//
//   template <typename Archive>
//   void fields(Archive& archive, Hello& hello) { archive(hello.version)(hello.domain); }
namespace headgate::quota {

class ByteWriter {
 public:
  // Numbers as they are in memory; a text with its length.
  template <typename Number>
  requires std::is_arithmetic_v<Number> || std::is_enum_v<Number> ByteWriter& operator()(
      const Number& number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number));
    return *this;
  }
  ByteWriter& operator()(const std::string& text) {
    (*this)(static_cast<std::uint32_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  template <typename Period>
  ByteWriter& operator()(const std::chrono::duration<std::int64_t, Period>& time) {
    return (*this)(static_cast<std::int64_t>(time.count()));
  }
  ByteWriter& operator()(const std::map<std::size_t, std::string>& texts) {
    (*this)(static_cast<std::uint32_t>(texts.size()));
    for (const auto& [number, text] : texts) (*this)(static_cast<std::uint32_t>(number))(text);
    return *this;
  }

  std::size_t size() const { return bytes_.size(); }
  void cut(std::size_t size) { bytes_.resize(size); }
  std::string take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

// Takes one field after the other from the front. Once one is not there as a whole, is_good() is
// false, and the others are empty. Refers to the bytes.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  template <typename Number>
  requires std::is_arithmetic_v<Number> || std::is_enum_v<Number> ByteReader& operator()(
      Number& number) {
    const std::string_view from = take(sizeof(number));
    if constexpr (std::is_same_v<Number, bool>) {
      number = !from.empty() && from[0] != 0;
    } else if (!from.empty()) {
      std::memcpy(&number, from.data(), sizeof(number));
    }
    return *this;
  }
  ByteReader& operator()(std::string& text) {
    std::uint32_t size = 0;
    (*this)(size);
    text = take(size);
    return *this;
  }
  template <typename Period>
  ByteReader& operator()(std::chrono::duration<std::int64_t, Period>& time) {
    std::int64_t count = 0;
    (*this)(count);
    time = std::chrono::duration<std::int64_t, Period>(count);
    return *this;
  }
  ByteReader& operator()(std::map<std::size_t, std::string>& texts) {
    std::uint32_t count = 0;
    (*this)(count);
    for (; count != 0 && is_good_; --count) {
      std::uint32_t number = 0;
      (*this)(number);
      (*this)(texts[number]);
    }
    return *this;
  }

  bool is_good() const { return is_good_; }
  bool is_at_end() const { return left_.empty() || !is_good_; }

 private:
  std::string_view take(std::size_t size) {
    is_good_ = is_good_ && size <= left_.size();
    if (!is_good_) return {};
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
  bool is_good_ = true;
};

}  // namespace headgate::quota
