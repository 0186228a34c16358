// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headgate {

inline constexpr char kVersion[] = HEADGATE_VERSION;  // set by CMake from project(VERSION)

}  // namespace headgate
