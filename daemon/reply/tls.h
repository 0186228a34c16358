// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace headgate::reply {

// The first byte of a ClientHello record; no other protocol here begins so.
inline constexpr char kTlsHandshake = '\x16';

// A record with a fatal alert, internal_error (RFC 8446 sections 5.1 and 6): what a server may send
// before it has chosen a version.
inline constexpr std::string_view kTlsAlert{"\x15\x03\x03\x00\x02\x02\x50", 7};

}  // namespace headgate::reply
